from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from pipeline.dataset.base import Found
from pipeline.dataset.sources.vegas import find_clips
from pipeline.errors import DataError
from pipeline.formats.clips import Clip
from tests.helpers.dataset_params import dataset_params

CLASSES = ("baby_cry", "drum")


def make(root: Path, n_lists: int = 5, classes: Sequence[str] = CLASSES) -> Path:
    """Two classes of ten videos; list k has those whose number leaves k when divided by the number of lists."""
    for name in classes:
        (root / "videos" / name).mkdir(parents=True)
        for number in range(10):
            (root / "videos" / name / f"{name}_{number}.mp4").touch()
    (root / "folds").mkdir()
    for fold in range(n_lists):
        ids = [f"{name}_{number}" for name in classes for number in range(10) if number % n_lists == fold]
        (root / "folds" / f"fold_{fold}").write_text("\n".join(ids) + "\n\n")
    (root / "folds" / ".hidden").touch()
    return root


def found(root: Path, **changes: Any) -> Found:  # noqa: ANN401 - whatever a user may write
    return find_clips(dataset_params(source="vegas", path=root, **changes))


@pytest.mark.parametrize(("fold", "test_fold"), [(None, 0), (0, 0), (3, 3)])
def test_the_chosen_list_is_test_and_all_others_train(fold: int | None, test_fold: int, tmp_path: Path) -> None:
    root, clips, refused = found(make(tmp_path), fold=fold)
    assert (root, refused, len(clips)) == (tmp_path, [], 20)
    for clip in clips:
        assert clip.split == ("test" if int(clip.clip_id[-1]) % 5 == test_fold else "train")


def test_a_clip_is_called_by_its_id_and_its_folder_is_the_label(tmp_path: Path) -> None:
    clips = found(make(tmp_path)).clips
    expected = Clip(clip_id="drum_7", path="videos/drum/drum_7.mp4", label="drum", split="train")
    assert [clip for clip in clips if clip.clip_id == "drum_7"] == [expected]


def test_every_clip_is_tested_in_one_fold(tmp_path: Path) -> None:
    make(tmp_path)
    tested = [clip.clip_id for fold in range(5) for clip in found(tmp_path, fold=fold).clips if clip.split == "test"]
    assert sorted(tested) == [f"{name}_{number}" for name in CLASSES for number in range(10)]


def test_lists_are_counted_by_their_numbers(tmp_path: Path) -> None:
    make(tmp_path, n_lists=11)  # fold_10 comes last, not after fold_1
    assert found(tmp_path, n_folds=11, fold=2).clips[2].split == "test"


def test_an_id_without_a_video_is_refused_once(tmp_path: Path) -> None:
    make(tmp_path)
    for name in ("drum/drum_0", "drum/drum_1", "drum/drum_2", "baby_cry/baby_cry_9"):
        (tmp_path / "videos" / f"{name}.mp4").unlink()
    (tmp_path / "videos/drum/drum_1.mp4").mkdir()
    _, clips, refused = found(tmp_path)
    assert len(clips) == 16
    missing = [(clip_id, "missing") for clip_id in ("baby_cry_9", "drum_0", "drum_2")]
    assert [(row.clip_id, row.kind) for row in refused] == [("drum/drum_1.mp4", "unreadable"), *missing]


def test_one_class_is_not_enough(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"10 videos of classes \['drum'\]; expected DIR/videos/CLASS/ID.mp4"):
        found(make(tmp_path, classes=("drum",)))


def test_a_video_in_no_list_is_named(tmp_path: Path) -> None:
    (make(tmp_path) / "videos/drum/new.mp4").touch()
    with pytest.raises(DataError, match=r"folds: 1 videos stand in no list, such as 'drum/new.mp4'; expected every ID"):
        found(tmp_path)


@pytest.mark.parametrize("name", ["fold_0", "fold_3"], ids=["the same list", "another list"])
def test_an_id_that_is_listed_twice_is_named(name: str, tmp_path: Path) -> None:
    with (make(tmp_path) / "folds" / name).open("a") as file:
        file.write("drum_0\n")
    with pytest.raises(DataError, match=rf"{name}: ID 'drum_0' stands in fold_0 too; expected it in one list"):
        found(tmp_path)


def test_an_id_of_two_classes_is_named(tmp_path: Path) -> None:
    (make(tmp_path) / "videos/drum/baby_cry_0.mp4").touch()
    with pytest.raises(DataError, match=r"'baby_cry/baby_cry_0.mp4' and 'drum/baby_cry_0.mp4' have one ID"):
        found(tmp_path)


def test_another_number_of_lists_is_named(tmp_path: Path) -> None:
    (make(tmp_path) / "folds/fold_4").unlink()
    with pytest.raises(DataError, match=r"folds: 4 lists \['fold_0', .*\]; expected dataset.n_folds=5 of them"):
        found(tmp_path)


@pytest.mark.parametrize("kind", ["bytes", "folder"])
def test_a_list_that_is_no_text_is_named(kind: str, tmp_path: Path) -> None:
    path = make(tmp_path) / "folds/fold_4"
    path.write_bytes(b"\xff\xfe")
    if kind == "folder":
        path.unlink()
        path.mkdir()
    with pytest.raises(DataError, match=r"fold_4: .*; expected a text file, an ID a line"):
        found(tmp_path)


def test_a_part_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"/videos: missing; expected DIR/videos/CLASS/ID.mp4 .* and DIR/folds/"):
        found(tmp_path)
