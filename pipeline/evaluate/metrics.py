"""The metrics: what each one is of a query, from where its hits stand, and what stands for all queries.

Where items tie, a metric is its expectation over the orders of the tied items; the average precision and the
interpolated precision look at whole groups of ties, as scikit-learn's precision_recall_curve does.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Literal, NamedTuple

import numpy as np

from pipeline.retrieval.average_precision import average_precisions
from pipeline.retrieval.cosines import Array
from pipeline.retrieval.hits import Counts, Hits

N_RECALL_LEVELS = 11


def reciprocal_ranks(hits: Hits) -> Array:
    """Return 1 / rank of the first relevant item: (n,) in (0, 1].

    References:
        Voorhees (1999), The TREC-8 question answering track report.
    """
    return _expected(lambda ranks: 1 / ranks, hits)


def first_ranks(hits: Hits) -> Array:
    """Return the rank of the first relevant item: (n,), at least 1.

    Among tied items it is (items + 1) / (hits + 1) places behind what stands above them.
    """
    n_above, n_tied, n_hits = _first_group(hits)
    return np.asarray(n_above + (n_tied + 1) / (n_hits + 1))


def recalls(hits: Hits, k: int) -> Array:
    """Return whether a relevant item is among the first k: (n,) in [0, 1], as cross-modal papers count."""
    return _expected(lambda ranks: np.less_equal(ranks, k).astype(np.float64), hits)


def precisions(hits: Hits, k: int) -> Array:
    """Return the share of relevant items among the first k: (n,) in [0, 1]; k divides it in a smaller gallery too."""
    n_above, n_up_to = _until(hits, k)
    return np.asarray(np.clip((k - n_above) / (n_up_to - n_above), 0, 1).sum(axis=1) / k)


def ndcgs(hits: Hits, k: int) -> Array:
    """Return the normalised discounted cumulative gain of the first k: (n,) in [0, 1].

    A relevant item gains 1, discounted by log2(1 + rank); the sum is divided by that of a perfect order.

    References:
        Järvelin & Kekäläinen (2002), Cumulated gain-based evaluation of IR techniques, ACM TOIS 20(4). McSherry &
        Najork (2008), Computing information retrieval performance measures efficiently in the presence of tied scores.
    """
    n_above, n_up_to = _until(hits, k)
    n_relevant = hits.n_above.shape[1]
    gains = np.concatenate([[0.0], np.cumsum(1 / np.log2(np.arange(2, k + 2)))])  # of the first 0, 1, ... k ranks
    shares = (gains[np.minimum(n_up_to, k)] - gains[np.minimum(n_above, k)]) / (n_up_to - n_above)
    return np.asarray(shares.sum(axis=1) / gains[min(n_relevant, k)])


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


OfQueries = Callable[[Hits], Array]


class Metric(NamedTuple):
    """A metric of the ranking of each query, and what stands for all of them.

    Attributes:
        name: as in the tables; one of the first K items is called ``NAME_at_K``.
        of_queries: returns (n,) of the hits of n queries; where there is a cut-off it takes K too.
        least_cutoff: the smallest K that it is computed for; None: it looks at the whole ranking.
        over_queries: what stands for all queries.
    """

    name: str
    of_queries: Callable[..., Array]
    least_cutoff: int | None = None
    over_queries: Literal["mean", "median"] = "mean"


METRICS = (
    Metric("map", average_precisions),
    Metric("mrr", reciprocal_ranks),
    Metric("median_rank", first_ranks, over_queries="median"),
    Metric("recall", recalls, least_cutoff=1),
    Metric("precision", precisions, least_cutoff=2),  # of the first item alone it is the recall, and nDCG is too
    Metric("ndcg", ndcgs, least_cutoff=2),
)
"""All metrics, in the order of the tables. A new one is a function above and a line here."""


def with_cutoffs(recall_at: Sequence[int]) -> dict[str, OfQueries]:
    """Return every metric by its full name, such as ``mrr`` and ``recall_at_5``: functions of hits to (n,).

    Args:
        recall_at: the cut-offs K, each at least 1.
    """
    functions: dict[str, OfQueries] = {}
    for name, of_queries, least, _ in METRICS:
        if least is None:
            functions[name] = of_queries
        else:
            functions |= {f"{name}_at_{k}": partial(of_queries, k=k) for k in recall_at if k >= least}
    return functions


def over_queries(name: str, values: Array, weights: Array) -> Array:
    """Return what stands for all queries, (...): the weighted mean, or the median, which no weight changes.

    Args:
        name: full name of the metric.
        values: (..., n_queries).
        weights: (n_queries,) share of all queries that each one stands for, sum 1.

    Example:
        >>> over_queries("median_rank", np.array([1.0, 2.0, 9.0]), np.full(3, 1 / 3)).item()
        2.0
    """
    metric = next(metric for metric in METRICS if metric.name == name.partition("_at_")[0])
    return np.asarray(np.median(values, axis=-1) if metric.over_queries == "median" else values @ weights)


def _first_group(hits: Hits) -> tuple[Counts, Counts, Counts]:
    """How many items stand above the best hit's group of ties, are in it, and are hits in it: (n,) each."""
    n_above, n_hits = hits.n_above[:, 0], hits.hits_up_to[:, 0]
    return n_above, hits.n_up_to[:, 0] - n_above, n_hits


def _expected(value: Callable[[Array], Array], hits: Hits) -> Array:
    """The expectation of what a rank is worth, for the rank of the best hit: (n,)."""
    n_above, n_tied, n_hits = _first_group(hits)
    expected = value((n_above + 1).astype(np.float64))
    for i in np.flatnonzero(n_hits < n_tied):
        none_yet = _none_yet(int(n_tied[i]), int(n_hits[i]))
        ranks = n_above[i] + np.arange(1, len(none_yet))
        expected[i] = -np.diff(none_yet) @ value(ranks.astype(np.float64))
    return expected


def _until(hits: Hits, k: int) -> tuple[Counts, Counts]:
    """How many items stand above, and up to, the hits that may be among the first k."""
    n_columns = int((hits.n_above < k).sum(axis=1).max(initial=0))
    return hits.n_above[:, :n_columns], hits.n_up_to[:, :n_columns]


def _none_yet(n_tied: int, n_hits: int) -> Array:
    """The chances that none of the first 0, 1, 2... of the tied items is a hit."""
    drawn = np.arange(n_tied - n_hits + 1)
    return np.concatenate([[1.0], np.cumprod((n_tied - n_hits - drawn) / (n_tied - drawn))])
