"""The files that AVE is published with: Annotations.txt, and the order files that name its rows by number."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.dataset.feature_files.arrays import dataset, open_hdf5
from pipeline.dataset.layouts.locations import YOUTUBE_ID
from pipeline.errors import DataError
from pipeline.settings.paths import AnyPath

HEADER = "Category&"
FIELDS = "category&ID&quality&start&end"
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
        lines = path.read_text(encoding="utf-8-sig").splitlines()
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
    splits = [""] * n_rows
    for split, word in SPLITS.items():
        path = folder / f"{word}_order{ending}.h5"
        for row in _read_order(path):
            if not 0 <= row < n_rows:
                raise DataError(f"{path}: row {row}; expected 0 to {n_rows - 1}, as Annotations.txt has {n_rows} rows")
            if splits[row]:
                raise DataError(
                    f"{path}: row {row} is in {splits[row]} already; expected each row in one order file, once"
                )
            splits[row] = split
    if "" in splits:
        raise DataError(
            f"{folder}: {splits.count('')} of {n_rows} rows are in no order file, such as {splits.index('')}; "
            "expected Annotations.txt and order files of one release"
        )
    return splits


def _read_order(path: Path) -> NDArray[np.integer]:
    """(n,) integers: the rows of a split."""
    with open_hdf5(path) as file:
        order = dataset(file, "order")
        if order.ndim != 1 or order.dtype.kind not in "iu":
            raise DataError(f"{path}: order has shape {order.shape} of {order.dtype}; expected (n,) of integers")
        rows: NDArray[np.integer] = order[()]
        return rows
