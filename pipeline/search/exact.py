"""The nearest rows, exactly: every row is compared, and equal scores stand in the order of their names.

A product in float32 finds all rows that can be among the nearest; these few are compared again in float64, in whole
steps of 2**-40 as ``pipeline.retrieval`` does it, so that rounding errors rank nothing.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.retrieval.cosines import STEPS, Array, cosine_steps, unit_rows

ROWS_PER_PRODUCT = 1 << 16
_ROUNDING = 2.0**-24  # of one float32 operation


class Side(NamedTuple):
    """One comparison: a query's vector with one modality of all rows.

    Attributes:
        query: (k,).
        items: (n, k) float32, rows of length 1; zeros where a row lacks the modality.
        has: (n,) whether a row has it.
    """

    query: NDArray[np.floating]
    items: NDArray[np.float32]
    has: NDArray[np.bool_]


class Nearest(NamedTuple):
    """The nearest rows, the best first.

    Attributes:
        rows: (m,) their places.
        scores: (m,) float64, the mean of their cosines.
    """

    rows: NDArray[np.int64]
    scores: Array


def nearest(
    sides: Sequence[Side], top: int, tie_order: NDArray[np.int64], allowed: NDArray[np.bool_] | None = None
) -> Nearest:
    """Return the rows with the highest mean of cosines over the sides that they have.

    Args:
        sides: at least one comparison, each with (k,) and (n, k) vectors.
        top: how many rows at most.
        tie_order: (n,) the place of each row among rows of equal score.
        allowed: (n,) which rows may be found; None: all.

    Example:
        >>> items = np.array([[1, 0], [0, 1], [0.6, 0.8], [0, 1]], np.float32)
        >>> side = Side(np.array([0.0, 2.0]), items, np.ones(4, bool))
        >>> nearest([side], 3, tie_order=np.array([0, 3, 2, 1])).rows.tolist()
        [3, 1, 2]
    """
    counts = _counts(sides)
    usable = counts > 0 if allowed is None else allowed & (counts > 0)
    if np.count_nonzero(usable) > top:
        rough = _rough_means(sides, counts)
        rough[~usable] = -np.inf
        places = _can_be_nearest(rough, top, sides[0].items.shape[1])
    else:
        places = np.flatnonzero(usable)
    steps = sum((_steps(side, places) for side in sides), np.zeros(len(places))) / np.maximum(counts[places], 1)
    order = np.lexsort((tie_order[places], -steps))[:top]
    return Nearest(places[order], steps[order] / STEPS)


def _counts(sides: Sequence[Side]) -> NDArray[np.int8]:
    """How many of the sides each row has, (n,)."""
    return np.asarray(np.sum([side.has for side in sides], axis=0, dtype=np.int8))


def _rough_means(sides: Sequence[Side], counts: NDArray[np.int8]) -> NDArray[np.float32]:
    """The mean cosines of all rows (n,), in float32, a block of rows at a time."""
    total = np.zeros(len(counts), np.float32)
    for side in sides:
        query = _unit(side.query).astype(np.float32)
        for start in range(0, len(total), ROWS_PER_PRODUCT):
            total[start : start + ROWS_PER_PRODUCT] += side.items[start : start + ROWS_PER_PRODUCT] @ query
    return np.asarray(total / np.maximum(counts, 1), np.float32) if len(sides) > 1 else total


def _can_be_nearest(rough: NDArray[np.float32], top: int, width: int) -> NDArray[np.int64]:
    """The places of all scores that rounding may have brought below the nearest ones."""
    threshold = np.partition(rough, len(rough) - top)[len(rough) - top]
    most_off = (width + 8) * _ROUNDING  # of a sum of products of unit vectors (Higham 2002, 3.1), and of their lengths
    return np.flatnonzero(rough >= threshold - np.float32(2 * most_off))


def _steps(side: Side, places: NDArray[np.int64]) -> Array:
    """Cosines of some rows in whole steps, 0 where a row lacks the modality."""
    if not len(places):
        return np.zeros(0)
    return np.asarray(cosine_steps(side.query[np.newaxis], unit_rows(side.items[places]))[0])


def _unit(vector: NDArray[np.floating]) -> Array:
    """The vector (k,) scaled to length 1."""
    return np.asarray(unit_rows(vector[np.newaxis])[0])
