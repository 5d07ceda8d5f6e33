"""Lists of text as two arrays of numbers, so that one long name costs its own length and no other's."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

_OFFSETS = "_offsets"


def pack_texts(texts: Mapping[str, Sequence[str]]) -> dict[str, NDArray[Any]]:
    """Return each list as UTF-8 bytes, (n_bytes,) uint8, and where each text begins: ``NAME_offsets``, (n + 1,) int64.

    Args:
        texts: lists of n texts by name; n may differ.

    References:
        Apache Arrow, Columnar Format: variable-size binary layout.

    Example:
        >>> {name: array.tolist() for name, array in pack_texts({"classes": ["cat", "été"]}).items()}
        {'classes': [99, 97, 116, 195, 169, 116, 195, 169], 'classes_offsets': [0, 3, 8]}
    """
    arrays: dict[str, NDArray[Any]] = {}
    for name, values in texts.items():
        encoded = [value.encode() for value in values]  # pa.array would do it too, and load pandas where there is one
        starts = np.zeros(len(encoded) + 1, np.int64)
        np.cumsum(np.fromiter(map(len, encoded), np.int64, len(encoded)), out=starts[1:])
        arrays |= {name: np.frombuffer(b"".join(encoded), np.uint8), f"{name}{_OFFSETS}": starts}
    return arrays


def unpack_texts(arrays: Mapping[str, NDArray[Any]], name: str) -> list[str]:
    """Return the list that ``pack_texts`` was given under a name.

    Args:
        arrays: what ``pack_texts`` returned, (n_bytes,) uint8 and (n + 1,) int64 among others.
        name: of the list.

    Raises:
        KeyError: one of its two arrays is not there.
        ValueError: they are no packed texts: of other types, offsets out of order, or bytes that are no UTF-8.
    """
    data, offsets = arrays[name], arrays[f"{name}{_OFFSETS}"]
    if data.dtype != np.uint8 or offsets.dtype != np.int64 or offsets.ndim != 1 or not offsets.size:
        raise ValueError(f"{name}: {data.dtype} with {offsets.dtype} of shape {offsets.shape}; expected packed texts")
    buffers = (pa.py_buffer(np.ascontiguousarray(array)) for array in (offsets, data))
    texts = pa.LargeStringArray.from_buffers(len(offsets) - 1, *buffers)
    texts.validate(full=True)
    found: list[str] = texts.to_pylist()
    return found
