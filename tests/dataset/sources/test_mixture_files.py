import shutil
from pathlib import Path
from typing import Any

import pytest

from pipeline.dataset.base import Found
from pipeline.dataset.leakage import leaks
from pipeline.dataset.sources.mixture_files import find_clips
from pipeline.errors import DataError
from pipeline.formats.clips import Clip
from tests.helpers.dataset_params import dataset_params

NAME = "633tt_00004_0.53084_k_T-x_00010_-0.53084"
VOX = "id08696_ttUSQacqnRA_00472_2.73233_id00817_EPPT9urr8Ew_00099_-2.73233"


def make(root: Path, folder: str = "wav16k/min", name: str = NAME) -> Path:
    """One mixture of equal names in each split; what lies in the files is not looked at."""
    first, second = name.rpartition("_-")[0].split(f"_{name.rpartition('_-')[2]}_")
    for split in ("tr", "cv", "tt"):
        for part in ("mix", "s1", "s2"):
            path = root / folder / split / part / f"{name}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    (root / "mouths").mkdir(exist_ok=True)
    for utterance in (first, second):
        (root / "mouths" / f"{utterance}.npz").touch()
    return root


def found(root: Path, **changes: Any) -> Found:  # noqa: ANN401 - whatever a user may write
    return find_clips(dataset_params(source="mixture_files", path=root, **changes))


@pytest.mark.parametrize("folder", ["wav16k/min", "audio/wav16k/min", "wav8k/max"])
def test_the_sources_of_a_mixture_are_clips_with_the_published_split(folder: str, tmp_path: Path) -> None:
    root, clips, refused = found(make(tmp_path, folder))
    assert (root, refused) == (tmp_path, [])
    assert [(clip.clip_id[:5], clip.split, clip.source_id) for clip in clips] == [
        (f"{part}/s{number}", split, source)
        for part, split in (("tr", "train"), ("cv", "validation"), ("tt", "test"))
        for number, source in ((1, "633tt"), (2, "k_T-x"))
    ]
    name = f"tt/s2/{NAME}.wav"
    assert clips[-1] == Clip(clip_id=name, path=f"{folder}/{name}", label="speech", split="test", source_id="k_T-x")


def test_a_person_of_voxceleb_is_the_source_and_one_in_two_splits_shows(tmp_path: Path) -> None:
    clips = found(make(tmp_path, name=VOX)).clips
    assert {clip.source_id for clip in clips} == {"id08696", "id00817"}
    assert len(leaks(clips)["source_id"]) == 2


def test_a_list_says_which_mixtures_a_split_has(tmp_path: Path) -> None:
    make(tmp_path)
    make(tmp_path, name=VOX)
    line = "/data/raw/633tt_00004.wav 0.53084 ../k_T-x_00010.wav -0.53084\n"
    (tmp_path / "mix_2_spk_tt.scp").write_text(f"{line}\n")
    clips = found(tmp_path).clips
    assert [clip.clip_id for clip in clips if clip.split == "test"] == [f"tt/s{k}/{NAME}.wav" for k in (1, 2)]
    assert sum(clip.split == "train" for clip in clips) == 4


def test_what_is_not_there_is_refused_by_kind(tmp_path: Path) -> None:
    make(tmp_path)
    (tmp_path / "mouths/k_T-x_00010.npz").unlink()
    (tmp_path / "wav16k/min/tr/mix/speech.wav").touch()
    _, clips, refused = found(tmp_path)
    assert {clip.clip_id[3:5] for clip in clips} == {"s1"}
    kinds = {(row.clip_id[:5], row.kind) for row in refused}
    mouths = {(f"{split}/s2", "missing") for split in ("tr", "cv", "tt")}
    assert kinds == mouths | {("tr/s1", "bad_name"), ("tr/s2", "bad_name")}
    assert any(
        "k_T-x_00010.npz: no such file in mouths; expected a film of each mouth" in row.reason for row in refused
    )


def test_a_line_that_names_no_mixture_is_named(tmp_path: Path) -> None:
    make(tmp_path)
    (tmp_path / "mix_2_spk_cv.scp").write_text("a_1.wav 0.5 b_1.wav 0.5\n")
    with pytest.raises(DataError, match=r"mix_2_spk_cv.scp: line 1: 'a_1.wav .*'; expected FILE LEVEL FILE -LEVEL"):
        found(tmp_path)


@pytest.mark.parametrize(
    ("gone", "message"),
    [
        ("mouths", "mouths: missing; expected DIR/wav16k/min/"),
        ("wav16k", r"0 folders of sounds \[\]; expected one: DIR/wav16k/min/"),
        ("wav16k/min/cv/mix", "cv/mix: missing; expected DIR/wav16k/min/"),
    ],
)
def test_a_part_that_is_not_there_is_named(gone: str, message: str, tmp_path: Path) -> None:
    shutil.rmtree(make(tmp_path) / gone)
    with pytest.raises(DataError, match=message):
        found(tmp_path)


def test_two_folders_of_sounds_are_named(tmp_path: Path) -> None:
    make(tmp_path, "wav8k/min")
    with pytest.raises(DataError, match=r"2 folders of sounds \['wav16k/min', 'wav8k/min'\]; expected one"):
        found(make(tmp_path))
