from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import DataError
from pipeline.formats.one_sided import NO_CLIPS, OneSide, OneSided


def sounds() -> OneSide:
    features = np.arange(6, dtype=np.float32).reshape(2, 3)
    return OneSide(clip_ids=["a\n", "ü"], labels=["cat", ""], features=features)


def test_both_sides_survive_their_file_and_the_same_clips_give_the_same_bytes(tmp_path: Path) -> None:
    made = OneSided(sounds(), OneSide.empty())
    for name in "xy":
        made.save(tmp_path / name)
    back = OneSided.load(tmp_path / "x")
    assert (back.audio.clip_ids, back.audio.labels, len(back.visual)) == (["a\n", "ü"], ["cat", ""], 0)
    np.testing.assert_array_equal(back.audio.features, sounds().features)
    assert (tmp_path / "x").read_bytes() == (tmp_path / "y").read_bytes()
    assert not back.is_empty
    assert NO_CLIPS.is_empty


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"labels": ["cat"]}, "rows {'clip_ids': 2, 'labels': 1, 'features': 2}"),
        ({"features": np.zeros(2, np.float32)}, r"features of shape \(2,\)"),
        ({"features": np.array([[1.0], [np.nan]], np.float32)}, "NaN or infinity"),
    ],
)
def test_clips_that_cannot_be_right_are_refused(changes: dict[str, object], problem: str) -> None:
    with pytest.raises(DataError, match=problem):
        OneSide(**{**vars(sounds()), **changes})


@pytest.mark.parametrize("content", [None, b"", b"no tensors"])
def test_a_file_that_is_none_is_refused_by_its_name(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "one_sided.safetensors"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=r"one_sided.safetensors: .*; expected a file that the stage `features` wrote"):
        OneSided.load(path)
