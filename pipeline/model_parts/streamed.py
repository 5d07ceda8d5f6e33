"""Pairs whose features lie in a file, and what a model has that can be fitted on them."""

from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import DataError
from pipeline.formats.stored_features import SelectedRows
from pipeline.model_parts.base import History, LearnsFrom, Pairs, drawn_rows
from pipeline.settings.paths import AnyPath


class NeedsMemoryError(DataError):
    """A model takes all rows into memory, and they are too many for it.

    Args:
        n_rows: of the train clips.
        expected: what else would do.
    """

    def __init__(self, n_rows: int, expected: str) -> None:
        super().__init__(f"it takes all {n_rows} train rows into memory, and so many are streamed; expected {expected}")


class StreamedPairs(NamedTuple):
    """Clips as paired features that lie in a file, as ``Pairs`` of a set that is too large for memory.

    Attributes:
        audio: (n, audio width).
        visual: (n, visual width).
        labels: (n,) int64 in 0..n_classes - 1; -1 where the class is not known.
    """

    audio: SelectedRows
    visual: SelectedRows
    labels: NDArray[np.int64]

    def drawn(self, n_most: int, seed: int) -> Pairs:
        """Return all pairs (n, width) in memory if they are few, else a draw of them in their order.

        Args:
            n_most: how many that are, at most.
            seed: of the draw.
        """
        pairs = self
        if len(self.labels) > n_most:
            rows = drawn_rows(len(self.labels), n_most, seed)
            pairs = StreamedPairs(self.audio.at(rows), self.visual.at(rows), self.labels[rows])
        return Pairs(pairs.audio[:], pairs.visual[:], pairs.labels)


@runtime_checkable
class StreamedModel(Protocol):
    """A model that can be fitted on pairs whose features stay in their file."""

    def fit_streamed(self, train: StreamedPairs, validation: StreamedPairs, scratch: AnyPath) -> History:
        """Return the history of learning from ``train``, as ``fit`` does.

        Args:
            train: what it learns from.
            validation: what may choose between epochs.
            scratch: a folder on whose disk temporary files are made, as large as the train rows.

        Raises:
            DataError: the pairs cannot be used.
            NeedsMemoryError: what the parameters ask for takes all of them at once.
            DiskError: the disk is full or fails.
        """
        ...


def learnt_rows(train: StreamedPairs, learns_from: LearnsFrom) -> StreamedPairs:
    """Return the train clips that a model learns from: all, or those with a label.

    Args:
        train: what ``fit_streamed`` received; the table they are of has been looked at.
        learns_from: of the model.

    Raises:
        DataError: the model learns from labels and there is none.
    """
    is_labelled = train.labels >= 0
    if learns_from != "labels" or is_labelled.all():
        return train
    if not is_labelled.any():
        raise DataError(f"train: none of {len(train.labels)} clips has a label; expected some, as the model needs them")
    return StreamedPairs(train.audio.at(is_labelled), train.visual.at(is_labelled), train.labels[is_labelled])
