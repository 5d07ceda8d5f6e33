"""HDF5 files with damage inside, read as published features."""

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from pipeline.dataset.sources.features import import_table
from pipeline.errors import DataError
from tests.helpers.dataset_params import dataset_params
from tests.helpers.feature_files import arrays_a, arrays_b, make_pairs, write_h5
from tests.helpers.params_file import with_limits

PAIRS = make_pairs()


def with_a_damaged_chunk(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file.create_dataset("x", data=PAIRS.audio, compression="gzip", fletcher32=True)
        start = file["x"].id.get_chunk_info(0).byte_offset
    data = bytearray(path.read_bytes())
    data[start + 5] ^= 0xFF
    path.write_bytes(data)


def with_an_unknown_filter(path: Path) -> None:
    settings = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    settings.set_chunk((36, 4))
    settings.set_filter(32001, h5py.h5z.FLAG_OPTIONAL)  # blosc, a plug-in
    with h5py.File(path, "w") as file:
        space = h5py.h5s.create_simple(PAIRS.audio.shape)
        made = h5py.h5d.create(file.id, b"x", h5py.h5t.IEEE_F32LE, space, settings)
        made.write_direct_chunk((0, 0), b"packed", filter_mask=0)


@pytest.mark.parametrize("write", [with_a_damaged_chunk, with_an_unknown_filter])
def test_an_array_that_hdf5_cannot_read_names_its_file(tmp_path: Path, write: Callable[[Path], None]) -> None:
    write(tmp_path / "x.h5")
    with h5py.File(tmp_path / "x.h5", "a") as file:
        file["audio_feat"] = file["x"]
        for key, array in arrays_b(PAIRS).items():
            if key != "audio_feat":
                file[key] = array
    with pytest.raises(DataError, match=r"x\.h5: Can't .*read data .*; expected an HDF5 file that can be read"):
        import_table(dataset_params(path=tmp_path / "x.h5"))


def test_a_damaged_list_of_keys_names_its_file(tmp_path: Path) -> None:
    path = write_h5(tmp_path / "x.h5", arrays_b(PAIRS))
    data = path.read_bytes()
    path.write_bytes(data.replace(b"HEAP", b"PAEH", 1))
    with pytest.raises(DataError, match=r"x\.h5: .*; expected an HDF5 file that can be read"):
        import_table(dataset_params(path=path))


def with_one_text_in_every_row(path: Path, text: str, n_rows: int) -> Path:
    """A file of schema B whose split is one text of a heap, to which all rows point."""
    arrays = arrays_b(PAIRS)
    del arrays["Train_test"]
    with h5py.File(write_h5(path, arrays), "a") as file:
        texts = file.create_dataset("Train_test", (n_rows,), h5py.string_dtype())
        texts[:] = [text, *[""] * (n_rows - 1)]
        start, pointer_bytes = texts.id.get_offset(), texts.id.get_storage_size() // n_rows
    data = bytearray(path.read_bytes())
    data[start : start + n_rows * pointer_bytes] = data[start : start + pointer_bytes] * n_rows
    path.write_bytes(data)
    return path


def test_a_text_that_all_rows_point_to_is_refused_before_they_are_read(tmp_path: Path) -> None:
    path = with_one_text_in_every_row(tmp_path / "x.h5", "1" * 4_000_000, 100_000)  # 400 GB in memory
    with pytest.raises(DataError, match=r"a text of 4000000 characters; expected at most limits.text_characters=10000"):
        import_table(dataset_params(path=path))


def test_short_texts_that_unpack_to_more_than_a_limit_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_limits(tmp_path, monkeypatch, expansion_factor=2)
    path = with_one_text_in_every_row(tmp_path / "x.h5", "1" * 9_000, len(PAIRS.audio))
    with pytest.raises(DataError, match=r"Train_test: \d+ characters from a file of \d+ bytes.*expansion_factor=2"):
        import_table(dataset_params(path=path))


def test_an_attribute_of_many_texts_is_refused(tmp_path: Path) -> None:
    path = write_h5(tmp_path / "x.h5", arrays_a(PAIRS))
    with h5py.File(path, "a") as file:
        for side in ("train", "test"):
            n_rows = len(file[f"lab_{side}"])
            file[f"clip_ids_{side}"] = np.array([f"{side}{row}" for row in range(n_rows)], "S")
            file[f"split_{side}"] = np.array([side] * n_rows, "S")
        file.attrs["classes"] = ["[]"] * 4
    with pytest.raises(DataError, match=r"x\.h5: attribute classes: an array; expected one text"):
        import_table(dataset_params(path=path))
