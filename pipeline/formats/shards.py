"""Arrays of many clips in a few safetensors files: DVC caches a few big files ten times faster than many small ones.

A clip's shard is given by a hash of its id, so one clip more rewrites one shard. A tensor is called ``NAME:CLIP_ID``.
"""

import hashlib
import json
import math
from collections import defaultdict
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from pipeline.errors import DataError, in_words
from pipeline.formats.files import disk_errors
from pipeline.settings.paths import AnyPath
from pipeline.settings.regular_files import open_regular

N_SHARDS = 32
SHARDS = "shard-*.safetensors"
HASHED_AT_A_TIME = 1 << 18  # numbers
Arrays: TypeAlias = dict[str, NDArray[Any]]
_NUMPY_TYPES = {"F16": "<f2", "F32": "<f4", "F64": "<f8", "BOOL": "?"} | {
    f"{kind}{8 * n_bytes}": f"<{kind.lower()}{n_bytes}" for kind in "IU" for n_bytes in (1, 2, 4, 8)
}


class Rows(Protocol):
    """What is asked of the rows of a clip, whether they are in memory, in a file, or still to be decoded."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the axes."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the numbers."""

    def __len__(self) -> int:
        """Return the number of rows."""

    def __getitem__(self, rows: slice, /) -> NDArray[Any]:
        """Return some of the rows."""


class StoredRows:
    """An array in a file: a slice of it is read when it is asked for, and nothing of it stays in memory.

    The file is not mapped, since the pages of a mapping stay in memory once they are touched.

    Args:
        path: the file.
        dtype: type of the numbers.
        shape: lengths of the axes.
        start_byte: where the first number is.
    """

    def __init__(self, path: AnyPath, dtype: np.dtype[Any], shape: tuple[int, ...], start_byte: int) -> None:
        self.dtype, self.shape = dtype, shape
        self._path, self._start_byte = path, start_byte

    def __len__(self) -> int:
        """Return the number of rows."""
        return self.shape[0]

    def __getitem__(self, rows: slice) -> NDArray[Any]:
        """Return rows that follow each other, a new array.

        Raises:
            DataError: the file has become shorter.
        """
        start, stop, _ = rows.indices(len(self))
        n_rows, row_size = max(0, stop - start), math.prod(self.shape[1:])
        offset = self._start_byte + start * row_size * self.dtype.itemsize
        numbers = np.fromfile(self._path, self.dtype, n_rows * row_size, offset=offset)
        if len(numbers) < n_rows * row_size:
            raise DataError(f"{self._path}: it became shorter while it was read; expected a file that stays as it is")
        return numbers.reshape(n_rows, *self.shape[1:])

    def ravel(self) -> "StoredRows":
        """Return the numbers along one axis, (n_numbers,), still in the file."""
        return StoredRows(self._path, self.dtype, (math.prod(self.shape),), self._start_byte)


def write_shards(folder: AnyPath, clip_ids: Iterable[str], load: Callable[[str], Arrays]) -> None:
    """Write the arrays of all clips, one shard in memory at a time; equal arrays give equal bytes.

    Args:
        folder: is made if missing; shards of an earlier run are removed.
        clip_ids: in any order, each once.
        load: gives the arrays of a clip by name, of any shape, none of one to leave out; a name has no colon. It is
            asked in the order of ``by_shard``.

    Raises:
        DiskError: the disk is full or fails.

    Example:
        >>> sounds = {"bark.mp4": {"examples": np.zeros((3, 96, 64), np.float32)}}
        >>> write_shards(Path("logmel"), sounds, sounds.__getitem__)
        >>> [(clip_id, arrays["examples"].shape) for clip_id, arrays in read_shards(Path("logmel"))]
        [('bark.mp4', (3, 96, 64))]
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.glob(SHARDS):
        path.unlink()
    for name, ids in by_shard(clip_ids).items():
        arrays = {f"{key}:{i}": np.ascontiguousarray(array) for i in ids for key, array in load(i).items()}
        if not arrays:
            continue
        with disk_errors(folder / name):
            save_file(arrays, folder / name)  # safetensors would write the bytes of a view in their wrong order


def by_shard(clip_ids: Iterable[str]) -> dict[str, list[str]]:
    """Return the clips of each shard, by the name of its file, in the order in which they are written."""
    members = defaultdict[str, list[str]](list)
    for clip_id in clip_ids:
        members[_shard(clip_id)].append(clip_id)
    return dict(members)


def read_shards(folder: AnyPath, wanted: Callable[[str], bool] = lambda clip_id: True) -> Iterator[tuple[str, Arrays]]:
    """Yield (clip_id, arrays) of every wanted clip, one clip in memory at a time, in the order of the shards.

    Raises:
        DataError: a file of the folder is damaged.
    """
    for clip_id, arrays in open_shards(folder, wanted):
        yield clip_id, {name: rows[:] for name, rows in arrays.items()}


def open_shards(
    folder: AnyPath, wanted: Callable[[str], bool] = lambda clip_id: True
) -> Iterator[tuple[str, dict[str, StoredRows]]]:
    """Yield (clip_id, arrays) as ``read_shards`` does, but with arrays that are still in their file.

    Raises:
        DataError: a file of the folder is damaged.
    """
    for path in sorted(Path(folder).glob(SHARDS)):
        yield from _clips_in(path, wanted)


def open_clips(folder: AnyPath, clip_ids: Iterable[str]) -> Generator[tuple[str, dict[str, StoredRows]], None, None]:
    """Yield (clip_id, arrays) as ``open_shards`` does, of these clips; no shard is opened that holds none of them.

    Raises:
        DataError: a file of the folder is damaged.
    """
    for name, members in sorted(by_shard(clip_ids).items()):
        if (path := Path(folder) / name).exists():
            yield from _clips_in(path, set(members).__contains__)


def stored_rows(path: AnyPath) -> dict[str, StoredRows]:
    """Return every tensor of a safetensors file by its name, still in its file.

    Raises:
        DataError: the file is damaged.
        FileNotFoundError: there is none.
    """
    return stored_rows_and_notes(path)[0]


def stored_rows_and_notes(path: AnyPath, *, follow_link: bool = True) -> tuple[dict[str, StoredRows], dict[str, str]]:
    """Return every tensor of a safetensors file by its name, still in its file, and the texts that are noted in it.

    Args:
        path: the file.
        follow_link: whether the path may be a link to the file.

    Raises:
        DataError: the file is damaged, or no regular one.
        OSError: it is missing or cannot be read.
    """
    try:  # safetensors checks that the tensors fill the file, but maps what it reads
        with open_regular(path, follow_link=follow_link) as file, safe_open(path, framework="numpy") as shard:
            n_header_bytes = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(n_header_bytes))
            rows = {key: _rows(path, header[key], 8 + n_header_bytes) for key in shard.keys()}  # noqa: SIM118 - no dict
            return rows, header.get("__metadata__", {})
    except SafetensorError as error:
        raise DataError(f"{path}: {in_words(error)}; expected an intact safetensors file") from error
    except KeyError as error:
        raise DataError(f"{path}: numbers of type {error}; expected an intact safetensors file") from error


def arrays_sha256(arrays: Mapping[str, NDArray[Any] | StoredRows]) -> str:
    """Return the hash of names, types, shapes and bytes, a piece in memory at a time: sha256, hex."""
    digest = hashlib.sha256()
    for name, array in sorted(arrays.items()):
        digest.update(f"{name}:{array.dtype}:{array.shape}".encode())
        numbers = array.ravel()
        for start in range(0, len(numbers), HASHED_AT_A_TIME):
            digest.update(numbers[start : start + HASHED_AT_A_TIME].data)
    return digest.hexdigest()


def _clips_in(path: Path, wanted: Callable[[str], bool]) -> Iterator[tuple[str, dict[str, StoredRows]]]:
    """The wanted clips of one shard, with arrays that are still in it."""
    clips = defaultdict[str, dict[str, StoredRows]](dict)
    for key, rows in stored_rows(path).items():
        name, _, clip_id = key.partition(":")
        clips[clip_id][name] = rows
    for clip_id in filter(wanted, sorted(clips)):
        yield clip_id, clips[clip_id]


def _rows(path: AnyPath, tensor: dict[str, Any], start_byte: int) -> StoredRows:
    """One tensor as the header describes it; its place counts from behind the header."""
    dtype, first_byte = np.dtype(_NUMPY_TYPES[tensor["dtype"]]), start_byte + tensor["data_offsets"][0]
    return StoredRows(path, dtype, tuple(tensor["shape"]), first_byte)


def _shard(clip_id: str) -> str:
    """File name of the shard that holds a clip."""
    number = int.from_bytes(hashlib.sha256(clip_id.encode()).digest()[:8]) % N_SHARDS
    return f"shard-{number:02d}-of-{N_SHARDS}.safetensors"
