"""HDF5 files of others, read with suspicion: all numbers lie in the file itself, and no more of them than it says."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py

from pipeline.errors import DataError, PipelineError, in_words
from pipeline.settings.limits import Limits, load_limits
from pipeline.settings.paths import AnyPath
from pipeline.settings.regular_files import check_regular

INSIDE = "numbers that lie in the file itself, all of them"
MAX_LINKS = 16  # that follow each other, as in HDF5


@contextmanager
def open_hdf5(path: AnyPath) -> Iterator[Any]:
    """Give an HDF5 file to read.

    Raises:
        DataError: the file is missing, no regular file or no HDF5, or what the block reads of it is damaged or needs a
            filter that is not installed.
    """
    path = Path(path)
    try:
        check_regular(path)  # a pipe would be waited for without end
        with h5py.File(path, "r") as file:
            yield file
    except PipelineError:  # some of ours are ValueErrors too
        raise
    except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:  # of a damaged chunk, group, link or type
        raise DataError(f"{path}: {in_words(error)}; expected an HDF5 file that can be read") from error


def dataset(file: Any, key: str) -> Any:  # noqa: ANN401 - h5py has no types
    """Return the dataset of an open HDF5 file; its bytes are not read yet.

    Raises:
        DataError: the key is missing, or is a group, a single value or empty; its numbers lie outside the file, or were
            never written; or it asks for more than section ``limits`` of params.yaml allows.
    """
    name = f"{file.filename}: {key}"
    _check_inside(file, key.encode(), name)
    found = file.get(key)
    if not isinstance(found, h5py.Dataset) or not found.shape:
        raise DataError(f"{name}: not there, or no array; expected an array under this key")
    _check_written(found, name)
    _check_size(found, name, load_limits())
    return found


def _check_inside(file: Any, key: bytes, name: str, n_followed: int = 0) -> None:  # noqa: ANN401 - untyped h5py
    """Refuse a key that leads out of the file; links are followed by hand, as HDF5 would open what they lead to."""
    steps = key.strip(b"/").split(b"/")
    for n_steps in range(1, len(steps) + 1):
        place = b"/".join(steps[:n_steps])
        try:
            kind = file.id.links.get_info(place).type
        except (KeyError, RuntimeError):
            return  # the caller says that nothing is there
        if kind == h5py.h5l.TYPE_SOFT and n_followed < MAX_LINKS:
            target: bytes = file.id.links.get_val(place)
            whole = target if target.startswith(b"/") else b"/".join([*steps[: n_steps - 1], target])
            _check_inside(file, whole, name, n_followed + 1)
        elif kind != h5py.h5l.TYPE_HARD:
            raise DataError(f"{name}: a link to data outside the file; expected {INSIDE}")


def _check_written(found: Any, name: str) -> None:  # noqa: ANN401 - h5py has no types
    """Refuse what HDF5 would fill with zeros, or take from other files."""
    if found.is_virtual:
        parts = sorted({part.file_name for part in found.virtual_sources()})
        raise DataError(f"{name}: a virtual dataset of data outside it, in {parts}; expected {INSIDE}")
    if found.external:
        files = [part[0] for part in found.external]
        raise DataError(f"{name}: raw data outside the file, in {files}; expected {INSIDE}")
    if found.chunks:
        n_chunks = math.prod(-(-length // chunk) for length, chunk in zip(found.shape, found.chunks, strict=True))
        n_written, unit = found.id.get_num_chunks(), "chunks"
    else:
        n_chunks, n_written, unit = _n_bytes(found), found.id.get_storage_size(), "bytes"
    if n_written < n_chunks:
        raise DataError(
            f"{name}: shape {found.shape} is declared, and {n_written} of its {n_chunks} {unit} are in the file; "
            f"expected {INSIDE}"
        )


def _check_size(found: Any, name: str, limits: Limits) -> None:  # noqa: ANN401 - h5py has no types
    """Refuse more rows or bytes than the limits allow, before they are read."""
    n_bytes = max(_n_bytes(found), math.prod(found.chunks or (0,)) * found.id.get_type().get_size())
    n_file_bytes = Path(found.file.filename).stat().st_size
    for value, most, key in (
        (len(found), limits.table_rows, "table_rows"),
        (n_bytes, limits.array_gigabytes * 1e9, "array_gigabytes"),
        (n_bytes, limits.expansion_factor * n_file_bytes, "expansion_factor"),
    ):
        if value > most:
            raise DataError(
                f"{name}: shape {found.shape}, {n_bytes} bytes from a file of {n_file_bytes}; expected at most "
                f"{limits.named(key)}"
            )


def _n_bytes(found: Any) -> int:  # noqa: ANN401 - h5py has no types
    """What a dataset takes in the file before compression."""
    return int(found.size * found.id.get_type().get_size())
