"""Where the relevant items of each query stand among all items: every metric is computed from this alone.

The exact standing needs no ranking of float64 scores. They are rounded, order kept, to int32 keys whose last bit says
whether the item is relevant; one sort of the keys puts the hits in their places. Rounding may bring a hit to another
item's key, and equal scores share one in any case: such hits, few of them, are counted again by their exact scores.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.retrieval.cosines import STEPS, Array

Counts = NDArray[np.int64]

_KEYS_PER_STEP = (2.0**30 - 2**12) / STEPS  # doubled for the last bit, all keys fit int32
_MOST_COUNTED = 8


class Hits(NamedTuple):
    """The standing of the relevant items of some queries, each (n_queries, n_relevant), the best hit first.

    A metric is given queries of one class at a time: all of them have as many relevant items, R of the definitions in
    docs/evaluate.md, which is ``n_above.shape[1]``.

    Attributes:
        n_above: items of a higher score.
        n_up_to: items of this score or a higher one.
        hits_above: relevant items of a higher score.
        hits_up_to: relevant items of this score or a higher one.
    """

    n_above: Counts
    n_up_to: Counts
    hits_above: Counts
    hits_up_to: Counts


def find_hits(scores: Array, relevant: slice) -> Hits:
    """Return the standing of the relevant items.

    Args:
        scores: (n_queries, n_items), cosines in whole steps of 2**-40.
        relevant: columns of the relevant items, at least one.
    """
    n_queries, n_items = scores.shape
    keys = np.empty(scores.shape, np.int32)
    np.multiply(scores, _KEYS_PER_STEP, out=keys, casting="unsafe")
    keys <<= 1
    keys[:, relevant] |= 1
    keys.sort(axis=1)
    places = np.flatnonzero((keys & 1) == 1).reshape(n_queries, -1)  # (n_queries, n_relevant), rising
    n_up_to = (np.arange(1, n_queries + 1)[:, None] * n_items - places)[:, ::-1]
    hits_up_to = np.broadcast_to(np.arange(1, places.shape[1] + 1), places.shape)
    hits = Hits(n_up_to - 1, n_up_to, hits_up_to - 1, hits_up_to)
    unclear = _share_a_key(keys.ravel(), places)[:, ::-1]
    if unclear.any():
        hits = Hits(*(np.array(counts) for counts in hits))
    for i in np.flatnonzero(unclear.any(axis=1)).tolist():
        _count_again(hits, i, np.flatnonzero(unclear[i]), scores[i], scores[i, relevant])
    return hits


def exact_hits(scores: Array, hit_scores: Array) -> Hits:
    """Return the standing of one query's relevant items, each (n_relevant,), by any scores.

    Args:
        scores: (n_items,) of all items.
        hit_scores: (n_relevant,) of the relevant ones.
    """
    scores, hit_scores = np.sort(scores), np.sort(hit_scores)
    counts = []
    for among in (scores, hit_scores):
        first = np.searchsorted(among, hit_scores)
        is_tied = (among[1:] == among[:-1]).any()
        last = np.searchsorted(among, hit_scores, "right") if is_tied else first + 1
        counts += [(len(among) - last)[::-1], (len(among) - first)[::-1]]
    return Hits(*counts)


def _share_a_key(keys: NDArray[np.int32], places: Counts) -> NDArray[np.bool_]:
    """Whether the item before or behind a hit has its key but for the last bit, for each place."""
    hit_keys = keys[places] >> 1
    behind = keys[places + 1 - len(keys)] >> 1  # the last one's is the first, by a negative index
    return np.asarray((keys[places - 1] >> 1 == hit_keys) | (behind == hit_keys))


def _count_again(hits: Hits, i: int, unclear: Counts, scores: Array, hit_scores: Array) -> None:
    """Put right the standing of one query's unclear hits: few are counted one by one, many by sorting."""
    if len(unclear) > _MOST_COUNTED:
        for counts, exact in zip(hits, exact_hits(scores, hit_scores), strict=True):
            counts[i] = exact
        return
    by_rank = np.sort(hit_scores)[::-1]
    for j in unclear:
        score = by_rank[j]
        hits.n_above[i, j] = np.count_nonzero(scores > score)
        hits.n_up_to[i, j] = np.count_nonzero(scores >= score)
        hits.hits_above[i, j] = np.count_nonzero(hit_scores > score)
        hits.hits_up_to[i, j] = np.count_nonzero(hit_scores >= score)
