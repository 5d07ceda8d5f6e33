"""The files that AVE is published with: Annotations.txt, and the order files that name its rows by number."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.dataset.layouts.locations import YOUTUBE_ID
from pipeline.errors import DataError
from pipeline.formats.hdf5 import dataset, open_hdf5
from pipeline.settings.paths import AnyPath
from pipeline.settings.regular_files import read_regular

ANNOTATIONS = "Annotations.txt"
HEADER = "Category&"
FIELDS = "category&ID&quality&start&end"
ORDER_KEY = "order"
SPLITS = {"train": "train", "validation": "val", "test": "test"}


class Annotation(NamedTuple):
    """One row of Annotations.txt: an event of a video."""

    label: str
    video_id: str
    start_seconds: float
    end_seconds: float


def read_annotations(path: AnyPath) -> list[Annotation]:
    """Return the rows of Annotations.txt; the header that some copies have is no row.

    Raises:
        DataError: a line is no annotation; its number is named.
    """
    path = Path(path)
    try:
        lines = read_regular(path).decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: {error}; expected lines of {FIELDS} in UTF-8") from error
    numbered = [(number, line) for number, line in enumerate(lines, start=1) if line.strip()]
    if numbered and numbered[0][1].startswith(HEADER):
        del numbered[0]
    return [_annotation(f"{path}: line {number}", line) for number, line in numbered]


def _annotation(place: str, line: str) -> Annotation:
    """One line."""
    label, *others = line.split("&")
    try:
        video_id, _, *times = others
        start_seconds, end_seconds = map(float, times)
    except ValueError as error:
        raise DataError(f"{place}: {line!r}; expected {FIELDS}, the times in seconds") from error
    if not (label.strip() and YOUTUBE_ID.fullmatch(video_id) and 0 <= start_seconds <= end_seconds < np.inf):
        raise DataError(f"{place}: {line!r}; expected a category, a YouTube ID, and 0 <= start <= end")
    return Annotation(label, video_id, start_seconds, end_seconds)


def read_orders(files: Mapping[str, AnyPath], n_rows: int) -> dict[str, NDArray[np.int64]]:
    """Return the rows of each split, (n,) from 0 in the order of its file.

    Args:
        files: the order file of each split.
        n_rows: of the data set; not all of them need a split.

    Raises:
        DataError: an order file is missing or damaged, or a row is no row of the data set or stands there twice.
    """
    orders = {split: _read_order(Path(path)) for split, path in files.items()}
    taken: dict[int, str] = {}
    for split, path in files.items():
        for row in orders[split].tolist():
            if not 0 <= row < n_rows:
                raise DataError(f"{path}: row {row}; expected 0 to {n_rows - 1}, as there are {n_rows} rows")
            if row in taken:
                raise DataError(f"{path}: row {row} is in {taken[row]} already; expected each row in one file, once")
            taken[row] = split
    return orders


def order_files(ending: str) -> dict[str, str]:
    """Return the name of the order file of each split.

    Args:
        ending: what the names have after ``order``, such as ``_match``.

    Example:
        >>> order_files("_match")["validation"]
        'val_order_match.h5'
    """
    return {split: f"{word}_order{ending}.h5" for split, word in SPLITS.items()}


def read_splits(folder: AnyPath, ending: str, n_rows: int) -> list[str]:
    """Return the split of every row of Annotations.txt.

    Args:
        folder: where ``train_order.h5``, ``val_order.h5`` and ``test_order.h5`` are.
        ending: what the names have after ``order``, such as ``_match``.
        n_rows: of Annotations.txt.

    Raises:
        DataError: an order file is missing or damaged, or a row is in none of them, or in two.
    """
    folder = Path(folder)
    orders = read_orders({split: folder / name for split, name in order_files(ending).items()}, n_rows)
    splits = {row: split for split, rows in orders.items() for row in rows.tolist()}
    if missing := sorted(set(range(n_rows)) - splits.keys()):
        raise DataError(
            f"{folder}: {len(missing)} of {n_rows} rows are in no order file, such as {missing[0]}; "
            "expected Annotations.txt and order files of one release"
        )
    return [splits[row] for row in range(n_rows)]


def _read_order(path: Path) -> NDArray[np.int64]:
    """(n,): the rows of a split."""
    with open_hdf5(path) as file:
        order = dataset(file, ORDER_KEY)
        if order.ndim != 1 or order.dtype.kind not in "iu":
            raise DataError(f"{path}: {ORDER_KEY} has shape {order.shape} of {order.dtype}; expected (n,) of integers")
        rows: NDArray[np.int64] = order[()].astype(np.int64)
        return rows
