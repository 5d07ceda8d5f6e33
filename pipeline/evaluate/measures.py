"""Metrics of a ranking beside average precision, each from where the hits stand.

Where items tie, a metric is its expectation over the orders of the tied items; the interpolated precision looks at
whole groups of ties, as scikit-learn's precision_recall_curve does.
"""

import numpy as np
from numpy.typing import NDArray

from pipeline.retrieval.cosines import Array
from pipeline.retrieval.hits import Hits

Cutoffs = NDArray[np.int64]

N_RECALL_LEVELS = 11


def first_hits(hits: Hits, cutoffs: Cutoffs) -> Array:
    """Return of the best hit: its reciprocal rank, its rank, and whether it is among the first K, for each K.

    Args:
        hits: of n queries.
        cutoffs: (n_cutoffs,) numbers K of results.

    Returns:
        (n, 2 + n_cutoffs) expectations: in (0, 1], at least 1, and in [0, 1].
    """
    n_above, n_hits = hits.n_above[:, 0], hits.hits_up_to[:, 0]
    n_tied = hits.n_up_to[:, 0] - n_above
    rank = n_above + (n_tied + 1) / (n_hits + 1)
    found = np.column_stack([1 / (n_above + 1), rank, n_above[:, None] < cutoffs])
    for i in np.flatnonzero(n_hits < n_tied):
        none_yet = _none_yet(int(n_tied[i]), int(n_hits[i]))
        ranks = n_above[i] + np.arange(1, len(none_yet))
        found[i, 0] = (-np.diff(none_yet) / ranks).sum()
        found[i, 2:] = 1 - none_yet[np.clip(cutoffs - n_above[i], 0, len(none_yet) - 1)]
    return found


def precisions(hits: Hits, cutoffs: Cutoffs) -> Array:
    """Return the share of relevant items among the first K, for each K: (n, n_cutoffs) in [0, 1].

    It is divided by K even where the gallery is smaller.

    Args:
        hits: of n queries.
        cutoffs: (n_cutoffs,) numbers K of results.
    """
    n_above, n_up_to = _until(hits, int(cutoffs.max(initial=0)))
    chances = [np.clip((k - n_above) / (n_up_to - n_above), 0, 1).sum(axis=1) / k for k in cutoffs]
    return np.reshape(chances, (len(cutoffs), len(n_above))).T


def ndcgs(hits: Hits, cutoffs: Cutoffs) -> Array:
    """Return the normalised discounted cumulative gain of the first K, for each K: (n, n_cutoffs) in [0, 1].

    A relevant item gains 1, discounted by log2(1 + rank); the sum is divided by that of a perfect order.

    Args:
        hits: of n queries.
        cutoffs: (n_cutoffs,) numbers K of results.

    References:
        Järvelin & Kekäläinen (2002), Cumulated gain-based evaluation of IR techniques, ACM TOIS 20(4). McSherry &
        Najork (2008), Computing information retrieval performance measures efficiently in the presence of tied scores.
    """
    n_above, n_up_to = _until(hits, int(cutoffs.max(initial=0)))
    n_relevant = hits.n_above.shape[1]
    columns = []
    for k in cutoffs:
        gains = np.concatenate([[0.0], np.cumsum(1 / np.log2(np.arange(2, k + 2)))])  # of the first 0, 1, ... k ranks
        shares = (gains[np.minimum(n_up_to, k)] - gains[np.minimum(n_above, k)]) / (n_up_to - n_above)
        columns.append(shares.sum(axis=1) / gains[min(n_relevant, k)])
    return np.reshape(columns, (len(cutoffs), len(n_above))).T


def interpolated_precisions(hits: Hits) -> Array:
    """Return the highest precision at a recall of 0, 0.1, ... 1 or more: (n, 11) in (0, 1].

    References:
        Manning, Raghavan & Schütze (2008), Introduction to Information Retrieval, 8.4.
    """
    n_relevant = hits.n_above.shape[1]
    from_last = (hits.hits_up_to / hits.n_up_to)[:, ::-1]
    highest = np.maximum.accumulate(from_last, axis=1)[:, ::-1]
    n_hits_needed = -(-np.arange(N_RECALL_LEVELS) * n_relevant // (N_RECALL_LEVELS - 1))
    return np.asarray(highest[:, np.maximum(n_hits_needed, 1) - 1])


def _until(hits: Hits, k: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """How many items stand above, and up to, the hits that may be among the first k."""
    n_columns = int((hits.n_above < k).sum(axis=1).max(initial=0))
    return hits.n_above[:, :n_columns], hits.n_up_to[:, :n_columns]


def _none_yet(n_tied: int, n_hits: int) -> Array:
    """The chances that none of the first 0, 1, 2... of the tied items is a hit."""
    drawn = np.arange(n_tied - n_hits + 1)
    return np.concatenate([[1.0], np.cumprod((n_tied - n_hits - drawn) / (n_tied - drawn))])
