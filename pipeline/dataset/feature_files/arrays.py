"""Arrays of published feature files, read with suspicion: every problem names the file and the key."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from pipeline.errors import DataError
from pipeline.settings.limits import Limits, load_limits

NUMBERS = "fiu"  # kinds of dtype: floating, signed, unsigned
BLOCK_BYTES = 1 << 28  # of text that is read at a time


def check_numbers(array: Any, name: str) -> None:  # noqa: ANN401 - h5py has no types
    """Refuse an array or dataset, of any shape, whose type is none of a number.

    Raises:
        DataError: with its type.
    """
    if array.dtype.kind not in NUMBERS:
        raise DataError(f"{name}: type {array.dtype}, of shape {array.shape}; expected numbers, whole or floating")


def checked_matrix(array: NDArray[Any], name: str) -> NDArray[np.float32]:
    """Return vectors as float32.

    Args:
        array: what was read.
        name: file and key, for the message.

    Returns:
        (n, width) finite numbers.

    Raises:
        DataError: no matrix of numbers, or NaN or infinity in it.
    """
    check_numbers(array, name)
    if array.ndim != 2 or 0 in array.shape:
        raise DataError(f"{name}: shape {array.shape}; expected numbers of shape (n, width)")
    with np.errstate(over="ignore"):
        matrix = np.ascontiguousarray(array, np.float32)
    if (broken := np.flatnonzero(~np.isfinite(matrix).all(axis=1))).size:
        raise DataError(f"{name}: row {broken[0]} has NaN or infinity; expected finite numbers")
    return matrix


def checked_labels(array: NDArray[Any], name: str, *, lowest: int = 0) -> NDArray[np.int64]:
    """Return labels as whole numbers.

    Args:
        array: (n,) or (n, 1), of any number type.
        name: file and key, for the message.
        lowest: the smallest label; ``NO_LABEL`` where clips may have none.

    Returns:
        (n,) int64, ``lowest`` or more.

    Raises:
        DataError: another shape or type, or a label that is not whole or below ``lowest``.
    """
    check_numbers(array, name)
    if array.ndim not in (1, 2) or array.size != len(array):
        is_turned = array.ndim == 2 and len(array) == 1
        hint = ": it looks transposed, its axis 1 has the labels" if is_turned else ""
        raise DataError(f"{name}: shape {array.shape}; expected numbers of shape (n,) or (n, 1){hint}")
    flat = array.reshape(-1)
    values = flat.astype(np.float64)
    is_label = (values == np.floor(values)) & (values >= lowest) & (values < np.iinfo(np.int32).max)
    if not is_label.all():
        row = int(np.argmin(is_label))
        raise DataError(f"{name}: row {row} is {flat[row]}; expected a whole number from {lowest} on")
    return flat.astype(np.int64)


def words(array: Any, name: str) -> list[str]:  # noqa: ANN401 - h5py has no types
    """Return a dataset of text or whole numbers as n strings.

    Args:
        array: (n,) or (n, 1) dataset of bytes, str or numbers.
        name: file and key, for the message.

    Raises:
        DataError: another shape, objects that are no text, text that is no UTF-8, or more of it than the limits allow.
    """
    if array.shape not in ((len(array),), (len(array), 1)):
        raise DataError(f"{name}: shape {array.shape}; expected (n,) or (n, 1)")
    if h5py.check_string_dtype(array.dtype) is not None:
        return _texts(array, name, load_limits())
    if array.dtype.kind in NUMBERS:
        return [str(value).removesuffix(".0") for value in array[:].reshape(-1).tolist()]
    raise DataError(f"{name}: {array.dtype}; expected text or numbers")


def _texts(array: Any, name: str, limits: Limits) -> list[str]:  # noqa: ANN401 - h5py has no types
    """The text of a dataset, whatever encoding it claims: NumPy's bytes are written as ASCII.

    A text of any length may lie in the file once and be in every row. So few rows are read at a time that they stay
    below `BLOCK_BYTES` even where each is as long as the file.
    """
    n_file_bytes = Path(array.file.filename).stat().st_size
    texts, n_bytes, n_at_once = list[str](), 0, max(1, BLOCK_BYTES // max(1, n_file_bytes))
    rows = array.asstr("utf-8")
    for start in range(0, len(array), n_at_once):
        try:
            block = rows[start : start + n_at_once].reshape(-1).tolist()
        except UnicodeDecodeError as error:
            raise DataError(f"{name}: {error}; expected text in UTF-8") from error
        texts += block
        n_bytes += sum(map(len, block))
        longest = max(map(len, block))
        if longest > limits.text_characters:
            expected = f"at most {limits.named('text_characters')}"
            raise DataError(f"{name}: a text of {longest} characters; expected {expected}")
        if n_bytes > limits.expansion_factor * n_file_bytes:
            expected = f"at most {limits.named('expansion_factor')}"
            raise DataError(f"{name}: {n_bytes} characters from a file of {n_file_bytes} bytes; expected {expected}")
    return texts


def check_lengths(where: str, arrays: dict[str, Sequence[Any] | NDArray[Any]]) -> None:
    """Refuse arrays (n, ...) of one row a clip whose lengths n disagree, or that are empty.

    Raises:
        DataError: with the length of each.
    """
    lengths = {name: len(array) for name, array in arrays.items()}
    if len(set(lengths.values())) != 1 or 0 in lengths.values():
        raise DataError(
            f"{where}: rows {lengths}; expected the same number everywhere, and at least one{_turned(arrays)}"
        )


def _turned(arrays: dict[str, Sequence[Any] | NDArray[Any]]) -> str:
    """A word about matrices whose other axis has the length of what is no matrix."""
    shapes = {name: array.shape for name, array in arrays.items() if isinstance(array, np.ndarray) and array.ndim == 2}
    lengths = {len(array) for name, array in arrays.items() if name not in shapes}
    turned = [name for name, (n_rows, width) in shapes.items() if width in lengths and n_rows not in lengths]
    return f": {' and '.join(turned)} look transposed, axis 1 has a clip a column" if turned else ""
