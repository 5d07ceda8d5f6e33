"""Long sounds in overlapping windows, and the windows put together again without seams."""

import itertools

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import DataError


def window_starts(n_samples: int, length: int, hop: int) -> list[int]:
    """Return where windows start that cover a sound; the last one ends with it where the sound is long enough.

    Args:
        n_samples: length of the sound, at least 1.
        length: of a window.
        hop: from one window to the next, at most ``length``.

    Example:
        >>> window_starts(25, 10, 5), window_starts(22, 10, 5), window_starts(7, 10, 5)
        ([0, 5, 10, 15], [0, 5, 10, 12], [0])
    """
    last = max(0, n_samples - length)
    return [*range(0, last, hop), last]


def overlap_add(pieces: NDArray[np.float32], starts: list[int], n_samples: int) -> NDArray[np.float32]:
    """Return the weighted mean of windows where they overlap, Hann-weighted: (n_sources, n_samples).

    Args:
        pieces: (n_windows, n_sources, length).
        starts: of the windows, rising.
        n_samples: length of the whole; what is beyond it is cut off.

    Raises:
        DataError: some sample lies in no window.
    """
    length = pieces.shape[-1]
    weight = np.sin(np.pi * (np.arange(length) + 0.5) / length) ** 2
    total = np.zeros((pieces.shape[1], max(n_samples, starts[-1] + length)))
    weights = np.zeros(total.shape[1])
    for piece, start in zip(pieces, starts, strict=True):
        total[:, start : start + length] += weight * piece
        weights[start : start + length] += weight
    if not weights[:n_samples].all():
        raise DataError(f"windows of {length} samples at {starts}; expected them to cover {n_samples} samples")
    return (total[:, :n_samples] / weights[:n_samples]).astype(np.float32)


def in_one_order(pieces: NDArray[np.float32], starts: list[int]) -> NDArray[np.float32]:
    """Return the windows with their sources in the order that agrees best with the window before.

    A network without any view of the sources numbers them anew in each window. Where two windows overlap they hold the
    same sound, so that the order of the later one is the one nearest to the earlier one there.

    Args:
        pieces: (n_windows, n_sources, length).
        starts: of the windows, rising.

    Returns:
        (n_windows, n_sources, length).

    References:
        Chen et al. (2020), Continuous speech separation: dataset and analysis, ICASSP.
    """
    ordered, length = pieces.copy(), pieces.shape[-1]
    for k in range(1, len(pieces)):
        shift = starts[k] - starts[k - 1]
        if shift < length:
            before, now = ordered[k - 1][:, shift:], pieces[k][:, : length - shift]
            ordered[k] = pieces[k][list(_nearest_order(now, before))]
    return ordered


def _nearest_order(now: NDArray[np.float32], before: NDArray[np.float32]) -> tuple[int, ...]:
    """The order of the sources (n_sources, n) that is nearest to another one's, in squared distance."""
    orders = itertools.permutations(range(len(now)))
    return min(orders, key=lambda order: float(np.square(now[list(order)] - before).sum()))
