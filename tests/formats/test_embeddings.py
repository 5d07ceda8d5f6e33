"""An npz has the same bytes whatever wrote it, and numpy reads it."""

import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import DataError
from pipeline.formats.embeddings import EmbeddedClips, write_arrays

LOCAL_HEADER = "<4s5H3L2H"  # of a zip: APPNOTE 4.3.7


def test_numpy_reads_what_was_written(tmp_path: Path) -> None:
    arrays = {"audio": np.eye(3, dtype=np.float32), "clip_ids": np.array(["é", "b"]), "none": np.empty((0, 2))}
    write_arrays(tmp_path / "x.npz", arrays)
    with np.load(tmp_path / "x.npz", allow_pickle=False) as read:
        assert read.files == list(arrays)
        for name, array in arrays.items():
            np.testing.assert_array_equal(read[name], array, strict=True)


def test_headers_hold_no_time_and_no_64_bit_size(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    write_arrays(path, {"audio": np.eye(3), "visual": np.eye(2)})
    with zipfile.ZipFile(path) as archive:
        for entry in archive.infolist():
            header = struct.unpack_from(LOCAL_HEADER, path.read_bytes(), entry.header_offset)
            _, needed_version, _, method, time, date, _, n_stored, n_bytes, _, n_extra = header
            assert (needed_version, method, time, date, n_extra) == (20, 0, 0, 1 << 5 | 1, 0)  # 1 January 1980
            assert n_stored == n_bytes == entry.file_size


def test_objects_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="allow_pickle"):
        write_arrays(tmp_path / "x.npz", {"x": np.array([{}])})


@pytest.mark.parametrize("name", ["audio.npy", "classes.npy", "labels.npy"])
def test_a_part_that_is_no_array_is_refused(name: str, tmp_path: Path) -> None:
    path, vectors = tmp_path / "x.npz", np.ones((1, 2, 3), np.float32)
    facts = {"classes": ["x", "y"], "clip_ids": ["a", "b"], "splits": ["train", "test"]}
    EmbeddedClips(audio=vectors, visual=vectors, labels=np.array([0, 1]), **facts).save(path)
    with zipfile.ZipFile(path) as archive:
        parts = {part: archive.read(part) for part in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for part, data in parts.items():
            archive.writestr(part, b"text" if part == name else data)
    with pytest.raises(DataError, match=rf"x\.npz: {name[:-4]}: bytes that are no array; expected embeddings"):
        EmbeddedClips.load(path)
