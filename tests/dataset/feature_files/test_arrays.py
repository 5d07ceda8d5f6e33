"""HDF5 files with damage inside, read as published features."""

from collections.abc import Callable
from pathlib import Path

import h5py
import pytest

from pipeline.dataset.sources.features import import_table
from pipeline.errors import DataError
from tests.helpers.dataset_params import dataset_params
from tests.helpers.feature_files import arrays_b, make_pairs, write_h5

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
