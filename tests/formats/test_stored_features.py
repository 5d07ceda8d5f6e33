"""A table whose features stay in their file: the same rows as in memory, and the same refusals."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import DataError
from pipeline.formats import stored_features
from pipeline.formats.feature_table import FeatureTable
from pipeline.formats.stored_features import StoredFeatures, open_features

N = 60
SPLITS = [("train", "validation", "test")[i] for i in np.random.default_rng(1).choice(3, N, p=[0.5, 0.2, 0.3])]


def saved(path: Path, broken_row: int | None = None) -> FeatureTable:
    """Write a table, with a NaN in the visual features of a row, and return what it was without."""
    rng = np.random.default_rng(0)
    audio, visual = rng.standard_normal((N, 3), np.float32), rng.standard_normal((N, 5), np.float32)
    names = [f"clip {i}" for i in range(N)]
    table = FeatureTable(
        clip_ids=names,
        splits=SPLITS,
        labels=np.arange(N) % 4 - 1,
        classes=list("abc"),
        audio=audio,
        visual=visual,
        provenance={"audio": "made"},
    )
    if broken_row is not None:
        visual[broken_row, 2] = np.nan  # the array that the table holds
    table.save(path)
    return table


@pytest.fixture
def stream_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored_features, "STREAMED_FROM_BYTES", 0)
    monkeypatch.setattr(stored_features, "_ROWS_AT_ONCE", 16)


def opened(path: Path) -> StoredFeatures:
    table = open_features(path)
    assert isinstance(table, StoredFeatures)
    return table


def test_from_a_size_on_rows_stay_in_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved(tmp_path / "t.safetensors")
    size = (tmp_path / "t.safetensors").stat().st_size
    for limit, kind in ((size + 1, FeatureTable), (size, StoredFeatures)):
        monkeypatch.setattr(stored_features, "STREAMED_FROM_BYTES", limit)
        assert type(open_features(tmp_path / "t.safetensors")) is kind


@pytest.mark.usefixtures("stream_all")
def test_a_split_has_the_rows_that_it_has_in_memory(tmp_path: Path) -> None:
    whole, table = saved(tmp_path / "t.safetensors"), opened(tmp_path / "t.safetensors")
    assert (table.clip_ids, table.classes, table.provenance) == (whole.clip_ids, whole.classes, whole.provenance)
    for split in ("train", "validation", "test"):
        expected, found = whole.rows(split), table.rows(split)
        assert found[2].tolist() == expected[2].tolist()
        for rows, wanted in zip(found[:2], expected[:2], strict=True):
            assert rows.shape == wanted.shape
            for part in (slice(None), slice(0, 7), slice(5, 8), slice(len(wanted) - 2, 400), slice(3, 3)):
                np.testing.assert_array_equal(rows[part], wanted[part])


@pytest.mark.usefixtures("stream_all")
def test_some_rows_of_a_split_are_those_rows(tmp_path: Path) -> None:
    whole, table = saved(tmp_path / "t.safetensors"), opened(tmp_path / "t.safetensors")
    places = np.array([0, 2, 3, 11, 17])
    np.testing.assert_array_equal(table.rows("train")[1].at(places)[:], whole.rows("train")[1][places])


@pytest.mark.usefixtures("stream_all")
def test_the_clip_with_a_nan_is_named(tmp_path: Path) -> None:
    saved(tmp_path / "t.safetensors", broken_row=37)
    with pytest.raises(DataError, match=r"clip 'clip 37': visual features with NaN or infinity"):
        open_features(tmp_path / "t.safetensors")


@pytest.mark.usefixtures("stream_all")
def test_a_file_that_is_cut_off_is_refused_before_and_after_it_is_opened(tmp_path: Path) -> None:
    path = tmp_path / "t.safetensors"
    saved(path)
    whole, table = path.read_bytes(), opened(path)
    path.write_bytes(whole[: len(whole) // 3])
    with pytest.raises(DataError, match="it became shorter while it was read"):
        table.rows("test")[1][:]
    with pytest.raises(DataError, match=r"t\.safetensors: .*expected"):
        open_features(path)


@pytest.mark.usefixtures("stream_all")
def test_a_split_without_a_row_is_refused(tmp_path: Path) -> None:
    saved(tmp_path / "t.safetensors")
    with pytest.raises(DataError, match="no row of split 'other'"):
        opened(tmp_path / "t.safetensors").rows("other")
