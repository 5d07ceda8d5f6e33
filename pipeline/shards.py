"""Arrays of many clips in a few safetensors files: DVC caches a few big files ten times faster than many small ones.

A clip's shard is given by a hash of its id, so one clip more rewrites one shard. A tensor is called ``NAME:CLIP_ID``.
"""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from pipeline.errors import DataError, disk_errors

N_SHARDS = 32
Arrays: TypeAlias = dict[str, NDArray[Any]]


def write_shards(folder: Path, clip_ids: Iterable[str], load: Callable[[str], Arrays]) -> None:
    """Write the arrays of all clips, one shard in memory at a time; the same arrays give the same bytes.

    Args:
        folder: is made if missing.
        clip_ids: in any order, each once.
        load: gives the arrays of a clip; names must not contain a colon.

    Raises:
        DiskError: the disk is full or fails.
    """
    folder.mkdir(parents=True, exist_ok=True)
    members = defaultdict(list)
    for clip_id in clip_ids:
        members[_shard(clip_id)].append(clip_id)
    for name, ids in members.items():
        arrays = {f"{key}:{i}": np.ascontiguousarray(array) for i in sorted(ids) for key, array in load(i).items()}
        with disk_errors(folder / name):
            save_file(arrays, folder / name)  # safetensors would write the bytes of a view in their wrong order


def read_shards(folder: Path, wanted: Callable[[str], bool] = lambda clip_id: True) -> Iterator[tuple[str, Arrays]]:
    """Yield (clip_id, arrays) of every wanted clip, one clip in memory at a time, in the order of the shards.

    Raises:
        DataError: a file of the folder is damaged.
    """
    for path in sorted(folder.glob("shard-*.safetensors")):
        try:
            with safe_open(path, framework="numpy") as shard:
                names = defaultdict(list)
                for key in shard.keys():  # noqa: SIM118 - a safetensors handle is no dict
                    name, _, clip_id = key.partition(":")
                    names[clip_id].append(name)
                for clip_id in filter(wanted, sorted(names)):
                    yield clip_id, {name: shard.get_tensor(f"{name}:{clip_id}") for name in sorted(names[clip_id])}
        except SafetensorError as error:
            raise DataError(f"{path}: {error}; expected a safetensors file that write_shards wrote") from error


def arrays_sha256(arrays: Arrays) -> str:
    """Return the hash of names, types, shapes and bytes: sha256, hex."""
    digest = hashlib.sha256()
    for name, array in sorted(arrays.items()):
        digest.update(f"{name}:{array.dtype}:{array.shape}".encode())
        digest.update(np.ravel(array).view(np.uint8).data)
    return digest.hexdigest()


def _shard(clip_id: str) -> str:
    """File name of the shard that holds a clip."""
    number = int.from_bytes(hashlib.sha256(clip_id.encode()).digest()[:8]) % N_SHARDS
    return f"shard-{number:02d}-of-{N_SHARDS}.safetensors"
