"""The feature table of a set that is too large for memory: rows stay in the file, and are read some at a time."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import DataError
from pipeline.formats.feature_table import FEATURES, FeatureTable, check_clips, check_finite, table_parts
from pipeline.formats.shards import StoredRows
from pipeline.settings.paths import AnyPath

STREAMED_FROM_BYTES = 2 << 30
"""From this size of its file on a table is streamed: 466,000 clips of 1024 and 128 numbers.

A constant and not a share of the machine's memory, since a streamed fit sees the train rows in another order, and a
number may not depend on the machine. A fit in memory holds 2.9 times the features: 6 GB of this size, 12 GB of two at
a time, so that what a machine of 16 GB can train in memory is trained there.
"""

_ROWS_AT_ONCE = 4096
_LARGEST_GAP = 4  # rows that are read in vain rather than begin another reading


class SelectedRows:
    """Some rows of a matrix in a file: a slice of them is read when it is asked for.

    Args:
        stored: (n_stored, width) float32.
        places: (n,) which rows, rising.
    """

    def __init__(self, stored: StoredRows, places: NDArray[np.int64]) -> None:
        self.shape = (len(places), *stored.shape[1:])
        self._stored, self._places = stored, places

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self._places)

    def __getitem__(self, rows: slice) -> NDArray[np.float32]:
        """Return rows that follow each other, a new array (m, width).

        Raises:
            DataError: the file has become shorter.
        """
        wanted = self._places[rows]
        read = np.empty((len(wanted), *self.shape[1:]), np.float32)
        first = 0
        for run in np.split(wanted, np.flatnonzero(np.diff(wanted) > _LARGEST_GAP) + 1) if len(wanted) else []:
            read[first : first + len(run)] = self._stored[run[0] : run[-1] + 1][run - run[0]]
            first += len(run)
        return read

    def at(self, places: NDArray[Any]) -> "SelectedRows":
        """Return some of these rows, still in the file.

        Args:
            places: (m,) numbers of rows, rising, or (n,) bool.
        """
        return SelectedRows(self._stored, self._places[places])


@dataclass(frozen=True, kw_only=True)
class StoredFeatures:
    """Paired rows of all clips, as in a ``FeatureTable``, whose features lie in their file.

    Attributes:
        clip_ids: n names.
        splits: n times ``train``, ``validation`` or ``test``.
        labels: (n,) int64 places in ``classes``; -1 where the class is not known.
        classes: names of the classes, sorted.
        audio: (n, audio width) float32.
        visual: (n, visual width) float32.
        provenance: what made the features.

    Raises:
        DataError: as ``FeatureTable``; every row is looked at, some at a time.
    """

    clip_ids: list[str]
    splits: list[str]
    labels: NDArray[np.int64]
    classes: list[str]
    audio: StoredRows
    visual: StoredRows
    provenance: dict[str, Any]

    def __post_init__(self) -> None:
        """Refuse a table that cannot be right."""
        check_clips(self)
        for name in FEATURES:
            stored: StoredRows = getattr(self, name)
            if stored.dtype != np.float32:
                raise DataError(f"feature table: {name} of {stored.dtype}; expected float32")
            for start in range(0, len(stored), _ROWS_AT_ONCE):
                rows = slice(start, start + _ROWS_AT_ONCE)
                check_finite(stored[rows], name, self.clip_ids[rows])

    def rows(self, split: str) -> tuple[SelectedRows, SelectedRows, NDArray[np.int64]]:
        """Return audio, visual and labels of one split: (n, audio width), (n, visual width), (n,).

        Raises:
            DataError: the split has no row.
        """
        places = np.flatnonzero([of_row == split for of_row in self.splits])
        if not len(places):
            raise DataError(f"feature table: no row of split {split!r}; expected at least one")
        return SelectedRows(self.audio, places), SelectedRows(self.visual, places), self.labels[places]


def is_streamed(path: AnyPath) -> bool:
    """Return whether a table is so large that its rows stay in the file.

    Raises:
        OSError: there is no such file.
    """
    return Path(path).stat().st_size >= STREAMED_FROM_BYTES


def open_features(path: AnyPath) -> FeatureTable | StoredFeatures:
    """Return the table of a file that ``FeatureTable.save`` wrote: in memory, or in the file where it is large.

    Raises:
        DataError: the file is missing or is no such table.
    """
    if not (Path(path).exists() and is_streamed(path)):
        return FeatureTable.load(path)
    return StoredFeatures(**table_parts(path, FEATURES))
