from pathlib import Path
from typing import Any

import pytest

from pipeline.dataset.base import Found
from pipeline.dataset.file_hashes import with_hashes
from pipeline.dataset.leakage import leaks
from pipeline.dataset.sources.face_tracks import find_clips
from pipeline.dataset.splits import assign_splits
from pipeline.errors import DataError, ParamsError
from pipeline.formats.clips import Clip
from tests.helpers.dataset_params import dataset_params

VISUALVOICE = ("train", "val", "seen_heard_test", "unseen_unheard_test")
PEOPLE = {"train": "id1 id2", "val": "id3", "seen_heard_test": "id1", "unseen_unheard_test": "id4", "dev": "id1 id2"}


def make(root: Path, *splits: str, people: str = "id5 id6") -> Path:
    """Two films of each person in each split, or of some people without splits."""
    for split in splits or ("",):
        for person in PEOPLE.get(split, people).split():
            for number in range(2):
                path = root / "mp4" / split / person / f"{split or 'a'}-video" / f"0000{number}.mp4"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(str(path))
    return root


def found(root: Path, **changes: Any) -> Found:  # noqa: ANN401 - whatever a user may write
    return find_clips(dataset_params(source="face_tracks", path=root, **changes))


def people(clips: list[Clip]) -> dict[str, set[str]]:
    return {
        split: {clip.source_id for clip in clips if clip.split == split}
        for split in sorted({clip.split for clip in clips})
    }


def test_a_clip_is_speech_of_its_person_and_has_the_split_of_its_folder(tmp_path: Path) -> None:
    root, clips, refused = found(make(tmp_path, *VISUALVOICE))
    assert (root, refused, len(clips)) == (tmp_path, [], 8)
    name = "mp4/train/id1/train-video/00000.mp4"
    assert clips[0] == Clip(clip_id=name, path=name, label="speech", split="train", source_id="id1")
    assert people(clips) == {"test": {"id4"}, "train": {"id1", "id2"}, "validation": {"id3"}}


def test_the_seen_test_has_people_of_train_and_says_so(tmp_path: Path) -> None:
    clips = found(make(tmp_path, *VISUALVOICE), protocol="seen_heard").clips
    assert people(clips)["test"] == {"id1"}
    assert len(leaks(clips)["source_id"]) == 2
    assert leaks(found(tmp_path, protocol="unseen_unheard").clips)["source_id"] == []


def test_voxceleb2_is_split_as_published_and_validation_comes_out_of_its_dev(tmp_path: Path) -> None:
    make(tmp_path, "dev", "test")
    assert people(found(tmp_path).clips) == {"test": {"id5", "id6"}, "train": {"id1", "id2"}}
    split = assign_splits(found(tmp_path).clips, dataset_params(source="face_tracks", path=tmp_path))
    assert {name: len(of) for name, of in people(split).items()} == {"test": 2, "train": 1, "validation": 1}


@pytest.mark.parametrize("splits", [(), ("dev",), ("train", "val")], ids=["none", "no test", "no test but two"])
def test_without_a_test_folder_the_stage_splits_people(splits: tuple[str, ...], tmp_path: Path) -> None:
    clips = found(make(tmp_path, *splits), fold=0).clips
    assert {clip.split for clip in clips} == {""}


def test_a_folder_of_mouths_must_have_one_for_every_film(tmp_path: Path) -> None:
    make(tmp_path, *VISUALVOICE)
    for path in sorted((tmp_path / "mp4").rglob("*.mp4")):
        mouth = tmp_path / "mouth_roi" / path.relative_to(tmp_path / "mp4").with_suffix(".h5")
        mouth.parent.mkdir(parents=True, exist_ok=True)
        mouth.touch()
    (tmp_path / "mouth_roi/train/id1/train-video/00000.h5").unlink()
    _, clips, (reject,) = found(tmp_path)
    assert len(clips) == 7
    assert (reject.kind, reject.clip_id) == ("missing", "mp4/train/id1/train-video/00000.mp4")
    assert "mouth_roi/train/id1/train-video/00000.h5: no such file; expected a mouth for every film" in reject.reason


def test_another_mouth_or_sound_is_another_clip_and_its_film_alone_is_the_file(tmp_path: Path) -> None:
    clips = found(make(tmp_path)).clips[:1]
    alone = with_hashes(tmp_path, clips, tmp_path / "memory.json")[0].sha256
    hashes = {alone}
    for tree, ending in (("mouth_roi", ".h5"), ("audio", ".wav")):
        for text in ("one", "two"):
            path = tmp_path / tree / Path(clips[0].path).relative_to("mp4").with_suffix(ending)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            hashes.add(with_hashes(tmp_path, clips, tmp_path / "memory.json")[0].sha256)
    assert len(hashes) == 5


def test_what_is_no_film_is_passed_over_or_refused_by_name(tmp_path: Path) -> None:
    make(tmp_path)
    for name in ("._00000.mp4", "00000.txt"):
        (tmp_path / "mp4/id5/a-video" / name).touch()
    (tmp_path / "mp4/id5/a-video/00009.mp4").symlink_to("gone")
    _, clips, refused = found(tmp_path)
    assert len(clips) == 4
    assert [(row.clip_id, row.kind) for row in refused] == [("mp4/id5/a-video/00009.mp4", "missing")]


def test_a_folder_that_is_no_split_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"mp4/tests: neither a split nor a person; expected DIR/mp4/SPLIT/PERSON"):
        found(make(tmp_path, "train", "tests"))


def test_a_protocol_without_its_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"mp4/seen_heard_test: missing; expected DIR/mp4/SPLIT/PERSON"):
        found(make(tmp_path, "train", "unseen_unheard_test"), protocol="seen_heard")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"protocol": "heard"},
            r"protocol='heard'; expected null or one of \['unseen_unheard', 'seen_heard'\]",
        ),
        ({"fold": 0}, "dataset.fold=0: source 'face_tracks' has its own split; expected null"),
    ],
)
def test_a_setting_without_use_is_refused(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match=message):
        found(make(tmp_path, *VISUALVOICE), **changes)


def test_a_folder_without_films_is_named(tmp_path: Path) -> None:
    (tmp_path / "mp4/dev").mkdir(parents=True)
    with pytest.raises(DataError, match="no film; expected DIR/mp4/SPLIT/PERSON"):
        found(tmp_path)
