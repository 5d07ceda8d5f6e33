"""Where the relevant items of each query stand among all items: every metric is computed from this alone.

The exact standing needs no ranking of float64 scores. They are rounded, order kept, to int32 keys whose last bit says
whether the item is relevant; one sort of the keys puts the hits in their places. Rounding may bring a hit to another
item's key, and equal scores share one in any case: such hits, few of them, are counted again by their exact scores.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from pipeline.errors import DataError
from pipeline.retrieval.cosines import (
    STEPS,
    Array,
    Embedding,
    Labels,
    blocks,
    check_embeddings,
    check_labels,
    check_relevant,
    cosine_steps,
    unit_rows,
)
from pipeline.settings.environment import chosen_workers

Counts = NDArray[np.int64]

_KEYS_PER_STEP = (2.0**30 - 2**12) / STEPS  # doubled for the last bit, all keys fit int32
_MOST_COUNTED = 8
_SCORES_OF_ONE_THREAD = 2**22  # a tenth of a second
_OWN_SCORE = -STEPS - 2.0**20  # a key below that of any cosine


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


Measure = Callable[[Hits], Array]
"""A metric, or several: (n_queries,) or (n_queries, n_metrics) of the hits of some queries."""


def by_query(
    measure: Measure,
    query: Embedding,
    gallery: Embedding,
    query_labels: Labels,
    gallery_labels: Labels,
    own: Counts | None = None,
) -> Array:
    """Return what is measured of each query, (n_queries,) or (n_queries, n_metrics).

    Args:
        measure: the metric; it is given queries of one class at a time, where there are many in threads, one a core.
        query: (n_queries, d) embeddings.
        gallery: (n_gallery, d) embeddings.
        query_labels: (n_queries,) classes.
        gallery_labels: (n_gallery,) classes.
        own: (n_queries,) each query's own row of the gallery, which is then not searched; None: all items are.

    Raises:
        DataError: an array is empty or not finite, widths or lengths do not match, or a query has no relevant item.
    """
    check_embeddings(query, gallery)
    check_labels("query", query_labels, len(query))
    check_labels("gallery", gallery_labels, len(gallery))
    check_relevant(query_labels, gallery_labels)
    by_class = np.argsort(gallery_labels, kind="stable")
    items, item_labels = unit_rows(gallery[by_class]), gallery_labels[by_class]
    own_place = None if own is None else np.argsort(by_class)[own]

    def of_lone(rows: Counts) -> Array:
        scores = cosine_steps(query[rows], items)  # (n_rows, n_gallery)
        return measure(_lone_hits(scores, np.searchsorted(item_labels, query_labels[rows])))

    def of_class(relevant: slice, rows: Counts) -> Array:
        scores = cosine_steps(query[rows], items)  # (n_rows, n_gallery)
        if own_place is None:
            return measure(find_hits(scores, relevant))
        scores[np.arange(len(rows)), own_place[rows]] = _OWN_SCORE
        return measure(Hits(*(counts[:, :-1] for counts in find_hits(scores, relevant))))

    lone = _lone_items(item_labels) if own is None else item_labels[:0]
    work = [(rows, of_lone) for rows in blocks(np.flatnonzero(np.isin(query_labels, lone)), len(items))]
    for label in np.setdiff1d(query_labels, lone):
        first, last = (int(np.searchsorted(item_labels, label, side)) for side in ("left", "right"))
        if own is not None and last - first < 2:
            lone = np.flatnonzero(query_labels == label)[0]
            raise DataError(f"query {lone}: 0 relevant items beside itself; expected 2 or more of class {label}")
        of_rows = partial(of_class, slice(first, last))
        work += [(rows, of_rows) for rows in blocks(np.flatnonzero(query_labels == label), len(items))]
    measured = _all_of(work, len(query) * len(items))
    return np.concatenate(measured)[np.argsort(np.concatenate([rows for rows, _ in work]))]


def _all_of(work: Sequence[tuple[Counts, Callable[[Counts], Array]]], n_scores: int) -> list[Array]:
    """What each function makes of its rows, in their order; of many scores in threads, as sorting frees Python."""
    n_threads = min(len(work), chosen_workers()) if n_scores > _SCORES_OF_ONE_THREAD else 1
    if n_threads == 1:
        return [of_rows(rows) for rows, of_rows in work]
    with threadpool_limits(1, "blas"), ThreadPoolExecutor(n_threads) as pool:
        running = [pool.submit(of_rows, rows) for rows, of_rows in work]
        try:
            return [task.result() for task in running]
        finally:
            pool.shutdown(cancel_futures=True)  # after an error, or Ctrl-C, nothing is begun that is not


def _lone_items(item_labels: Labels) -> Labels:
    """The classes of one item, sorted."""
    labels, counts = np.unique(item_labels, return_counts=True)
    return np.asarray(labels[counts == 1])


def _lone_hits(scores: Array, places: Counts) -> Hits:
    """The standing of one relevant item a query, (n_queries, 1): to count is quicker than to sort."""
    own = scores[np.arange(len(scores)), places][:, None]
    n_above, n_up_to = ((compare(scores, own)).sum(axis=1)[:, None] for compare in (np.greater, np.greater_equal))
    return Hits(n_above, n_up_to, np.zeros_like(n_above), np.ones_like(n_above))


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
