"""The results of each query, best first: the first ones of a large gallery, or the whole ranking."""

from functools import partial
from itertools import chain
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.retrieval.cosines import STEPS, Array, Embedding, blocks, check_embeddings, cosine_steps, unit_items
from pipeline.retrieval.hits import Counts
from pipeline.retrieval.threads import in_threads


class Ranking(NamedTuple):
    """What some queries found.

    Attributes:
        items: (n_queries, n_kept) rows of the gallery, the nearest first; tied ones in the gallery's order.
        cosines: (n_queries, n_kept) of each with its query.
        ranks: (n_queries, n_kept), 1 and as many as have a higher cosine: tied items share theirs.
    """

    items: Counts
    cosines: Array
    ranks: Counts


def first_results(query: Embedding, gallery: Embedding, n_kept: int) -> Ranking:
    """Return the first results of each query.

    Cosines are those that every metric looks at, in whole steps of 2**-40, so that what ties there ties here.

    Args:
        query: (n_queries, d) embeddings.
        gallery: (n_gallery, d) embeddings.
        n_kept: how many results to keep of a query, at least 1; all of a smaller gallery.

    Raises:
        DataError: an array is empty or not finite, or the widths differ.

    Example:
        >>> found = first_results(np.array([[1.0, 0.0]]), np.array([[0.0, 1.0], [3.0, 0.0], [1.0, 0.0]]), 2)
        >>> found.items.tolist(), found.ranks.tolist()
        ([[1, 2]], [[1, 1]])
    """
    check_embeddings(query, gallery)
    items, n_kept = unit_items(gallery), min(n_kept, len(gallery))

    def of_block(rows: Counts) -> list[tuple[Counts, Array]]:
        return [_of_scores(row, n_kept) for row in cosine_steps(query[rows], items)]

    calls = [partial(of_block, rows) for rows in blocks(np.arange(len(query)), len(items))]
    kept = chain.from_iterable(in_threads(calls, len(query) * len(items)))
    chosen, steps = (np.stack(parts) for parts in zip(*kept, strict=True))
    return Ranking(chosen, steps / STEPS, _shared_ranks(steps))


def _of_scores(scores: Array, n_kept: int) -> tuple[NDArray[np.int64], Array]:
    """The best items of one query and their scores: those above the last one kept, and the first of its equals."""
    last = np.partition(scores, len(scores) - n_kept)[len(scores) - n_kept]
    candidates = np.flatnonzero(scores >= last)
    best = candidates[np.argsort(-scores[candidates], kind="stable")][:n_kept]
    return best, scores[best]


def _shared_ranks(scores: Array) -> Counts:
    """The ranks of falling scores, (n_queries, n_kept): each has that of the first of its equals."""
    places = np.broadcast_to(np.arange(1, scores.shape[1] + 1), scores.shape)
    is_first = np.ones(scores.shape, bool)
    is_first[:, 1:] = scores[:, 1:] < scores[:, :-1]
    return np.asarray(np.maximum.accumulate(np.where(is_first, places, 0), axis=1))
