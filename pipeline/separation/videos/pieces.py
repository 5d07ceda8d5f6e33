"""A long sound taken apart piece by piece, and the pieces put together again without seams."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.separation.parts.windows import in_one_order, window_starts

PIECE_SECONDS = 60.0
SHARED_SECONDS = (
    8.0  # by one piece and the next; windows of separators are shorter, so that its middle is as in a whole
)


class Piece(NamedTuple):
    """A part of a sound.

    Attributes:
        start: its first sample.
        stop: the one behind its last.
        first_used: from which sample on it takes the place of the piece before.
    """

    start: int
    stop: int
    first_used: int


def pieces_of(n_samples: int, rate: int) -> Iterator[Piece]:
    """Yield overlapping pieces that cover a sound, in their order.

    Example:
        >>> [tuple(piece) for piece in pieces_of(100, 1)]
        [(0, 60, 0), (40, 100, 43)]
    """
    length = round(PIECE_SECONDS * rate)
    shared = round(SHARED_SECONDS * rate)
    for start in window_starts(n_samples, length, length - shared):
        first_used = start + 3 * shared // 8 if start else 0
        yield Piece(start, min(start + length, n_samples), first_used)


class Joined:
    """The sounds of a whole as its pieces become known; from one to the next they change over two seconds.

    Args:
        n_samples: of the whole.
        rate: in Hz.
        is_ordered: whether the sources of every piece come in one order; if not, it is the one that agrees best with
            the piece before in what they share.
    """

    def __init__(self, n_samples: int, rate: int, *, is_ordered: bool) -> None:
        self._n_samples, self._fade, self._is_ordered = n_samples, round(SHARED_SECONDS / 4 * rate), is_ordered
        self.sounds = np.empty((0, n_samples), np.float32)

    def add(self, piece: Piece, sounds: NDArray[np.float32]) -> None:
        """Take the sounds (n_sources, stop - start) of the next piece."""
        if piece.start == 0:
            self.sounds = np.zeros((len(sounds), self._n_samples), np.float32)
            self.sounds[:, : piece.stop] = sounds
            return
        if not self._is_ordered:
            before = self.sounds[:, piece.start : piece.start + sounds.shape[1]]
            sounds = in_one_order(np.stack([before, sounds]), [0, 0])[1]
        used = sounds[:, piece.first_used - piece.start :]
        weight = np.minimum(1, (np.arange(used.shape[1], dtype=np.float32) + 0.5) / self._fade)
        place = self.sounds[:, piece.first_used : piece.stop]
        place += weight * (used - place)
