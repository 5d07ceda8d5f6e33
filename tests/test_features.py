from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import DataError
from pipeline.features import FeatureTable, mean_over_time


def make() -> FeatureTable:
    rng = np.random.default_rng(0)
    return FeatureTable(
        clip_ids=["a", "b\n", "ü"],
        splits=["train", "test", "train"],
        labels=np.array([0, 1, 1]),
        classes=["cat", "dog"],
        audio=rng.random((3, 4), np.float32),
        visual=rng.random((3, 2), np.float32),
        provenance={"vggish": {"weights": "random", "seed": 0}},
    )


def test_a_table_survives_its_file(tmp_path: Path) -> None:
    make().save(tmp_path / "table")
    back = FeatureTable.load(tmp_path / "table")
    for name, value in vars(make()).items():
        np.testing.assert_array_equal(getattr(back, name), value)


def test_the_same_table_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in "ab":
        make().save(tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_split_has_its_own_rows() -> None:
    audio, visual, labels = make().rows("train")
    np.testing.assert_array_equal(audio, make().audio[[0, 2]])
    np.testing.assert_array_equal(visual, make().visual[[0, 2]])
    assert labels.tolist() == [0, 1]


def test_a_split_without_rows_is_named() -> None:
    with pytest.raises(DataError, match="no row of split 'validation'"):
        make().rows("validation")


def test_lengths_that_disagree_are_shown() -> None:
    with pytest.raises(DataError, match=r"'audio': 3, 'visual': 2}; expected the same number"):
        replace(make(), visual=np.zeros((2, 2), np.float32))


def test_a_clip_with_nan_is_named() -> None:
    visual = make().visual.copy()
    visual[1, 1] = np.nan
    with pytest.raises(DataError, match=r"clip 'b\\n': visual features with NaN or infinity"):
        replace(make(), visual=visual)


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "table").write_bytes(b"no table at all")
    with pytest.raises(DataError, match="expected a table that the stage `features` wrote"):
        FeatureTable.load(tmp_path / "table")


def test_a_clip_is_the_mean_of_its_vectors_whatever_their_number() -> None:
    vectors = {"a": np.array([[1, 2], [3, 6]], np.float32), "b": np.array([[5, 5]], np.float32)}
    assert mean_over_time(vectors, ["b", "a"]).tolist() == [[5, 5], [2, 4]]
