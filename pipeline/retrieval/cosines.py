"""Cosines of queries with all items, a block of queries at a time, and what embeddings and labels must be.

Cosines that round to the same multiple of 2**-40 are equal: rounding errors would otherwise rank identical items. A
zero vector has cosine 0 with everything.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import DataError

Array = NDArray[np.float64]
Embedding = NDArray[np.floating]
Labels = NDArray[np.integer[Any]]

STEPS = 2.0**40
_SCORES_PER_BLOCK = 2**20
_ROWS_WORTH_A_PRODUCT, _MOST_SCORES = 16, 2**23  # 64 MB


def cosine_steps(query: Embedding, items: Array) -> Array:
    """Return cosines in whole steps of 2**-40: (n_queries, n_items) float64.

    Args:
        query: (n_queries, d).
        items: (n_items, d), rows of length 1 or 0, as ``unit_items`` gives them.
    """
    scores = unit_rows(query) * STEPS @ items.T
    return np.asarray(np.rint(scores, out=scores))


def unit_rows(rows: Embedding) -> Array:
    """Return rows (n, d) scaled to length 1, float64; a zero row stays zero.

    A power of two, which changes no digit, first brings the largest number of a row near 1: squares of very large or
    small ones have no float64.
    """
    exact = rows.astype(np.float64)
    largest = np.maximum(exact.max(axis=1, keepdims=True), -exact.min(axis=1, keepdims=True))
    np.ldexp(exact, -np.frexp(largest)[1], out=exact)
    norms = np.linalg.norm(exact, axis=1, keepdims=True)
    return np.asarray(np.divide(exact, norms, out=exact, where=norms > 0))


def unit_items(rows: Embedding) -> Array:
    """Return ``unit_rows`` (n, d), column by column in memory: a block of queries is compared in half the time."""
    return np.asfortranarray(unit_rows(rows))


def blocks(rows: NDArray[np.int64], n_items: int, scores_per_block: int | None = None) -> Iterator[NDArray[np.int64]]:
    """Yield rows in runs so short that their scores of all items fit a block.

    Args:
        rows: (n_rows,) numbers of rows, cut in their order.
        n_items: how many scores a row has.
        scores_per_block: most scores of a run, but for one row's; None: what a processor's caches hold, and more where
            that would be a few rows, whose products take longer.
    """
    most = scores_per_block or max(_SCORES_PER_BLOCK, min(_ROWS_WORTH_A_PRODUCT * n_items, _MOST_SCORES))
    size = max(1, most // n_items)
    for start in range(0, len(rows), size):
        yield rows[start : start + size]


def check_embeddings(query: Embedding, gallery: Embedding) -> None:
    """Refuse what has no cosines.

    Raises:
        DataError: an array is no matrix, is empty or not finite, or the widths differ.
    """
    for name, rows in (("query", query), ("gallery", gallery)):
        if rows.ndim != 2 or 0 in rows.shape:
            raise DataError(f"{name}: shape {rows.shape}; expected (n, d), neither of them 0")
        if (bad := np.flatnonzero(~np.isfinite(rows).all(axis=1))).size:
            raise DataError(f"{name}: row {bad[0]} has NaN or infinite values; expected finite numbers")
    if query.shape[1] != gallery.shape[1]:
        raise DataError(f"query is {query.shape[1]} wide, gallery {gallery.shape[1]}; expected one width")


def check_labels(name: str, labels: Labels, n_rows: int) -> None:
    """Refuse labels that do not match their rows.

    Raises:
        DataError: not one label a row.
    """
    if labels.shape != (n_rows,):
        raise DataError(f"{name} labels: shape {labels.shape}; expected ({n_rows},), one a row")


def check_relevant(query_labels: Labels, gallery_labels: Labels) -> None:
    """Refuse a query that nothing is relevant to.

    Raises:
        DataError: the class of a query is not in the gallery.
    """
    if (bare := np.flatnonzero(~np.isin(query_labels, gallery_labels))).size:
        raise DataError(
            f"query {bare[0]}: 0 relevant items; expected at least 1 of class {query_labels[bare[0]]} in the gallery"
        )
