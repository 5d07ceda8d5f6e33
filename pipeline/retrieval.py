"""Retrieval metrics over a whole gallery, by cosine similarity; an item is relevant when it has the query's class.

No number depends on the order of the gallery. Items of equal similarity share one rank in average precision (the rule
of scikit-learn's average_precision_score); every other metric is its expectation over the orders of tied items. A
model that gives all items one score thus gets what a random order gets on average, or less.

Cosines that round to the same multiple of 2**-40 are equal: rounding errors would otherwise rank identical items. A
zero vector has cosine 0 with everything.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import DataError, ParamsError

Array = NDArray[np.float64]
Embedding = NDArray[np.floating]
Labels = NDArray[np.integer[Any]]
Metric = Callable[[Array, Array], float | Array]
"""A function of one query's scores of all items, and its scores of the relevant ones (its hits), both rising."""

_COSINE_STEPS = 2.0**40
_SCORES_PER_BLOCK = 2**21


class Chance(NamedTuple):
    """The MAP of random rankings: its mean, and its standard deviation from one set of rankings to the next."""

    mean: float
    sd: float


def mean_average_precision(query: Embedding, gallery: Embedding, query_labels: Labels, gallery_labels: Labels) -> float:
    """Return the mean over queries of the average precision over the whole gallery, in (0, 1].

    Args:
        query: (n_queries, d) embeddings of one modality.
        gallery: (n_gallery, d) embeddings of the other; a query's own clip stays in.
        query_labels: (n_queries,) classes.
        gallery_labels: (n_gallery,) classes.

    Raises:
        DataError: an array is empty or not finite, widths or lengths do not match, or a query has no relevant item.

    References:
        Manning, Raghavan & Schütze (2008), Introduction to Information Retrieval, 8.4.
    """
    return float(_by_query(_average_precision, query, gallery, query_labels, gallery_labels).mean())


def average_precision(similarity: Array, relevant: NDArray[np.bool_]) -> Array:
    """Return the average precision of each query over the whole gallery, (n_queries,) in (0, 1].

    Args:
        similarity: (n_queries, n_gallery), higher is nearer; any sign, no unit, taken as it is.
        relevant: (n_queries, n_gallery), True where query and item share a class.

    Raises:
        DataError: shapes differ, a similarity is not finite, or a query has no relevant item.
    """
    if similarity.shape != relevant.shape or similarity.ndim != 2:
        raise DataError(f"similarity {similarity.shape}, relevant {relevant.shape}; expected one matrix shape")
    if not np.isfinite(similarity).all():
        raise DataError("similarity has NaN or infinite values; expected finite numbers")
    if (bare := np.flatnonzero(~relevant.any(axis=1))).size:
        raise DataError(f"query {bare[0]}: 0 relevant items; expected at least 1 in the gallery")
    rows = zip(similarity, relevant, strict=True)
    return np.array([_average_precision(np.sort(scores), np.sort(scores[hit])) for scores, hit in rows])


def evaluate_retrieval(
    query: Embedding, gallery: Embedding, query_labels: Labels, gallery_labels: Labels, recall_at: Sequence[int]
) -> dict[str, float]:
    """Return ``map``, ``mrr``, and ``recall_at_K`` and ``precision_at_K`` of each K, all in [0, 1], means over queries.

    mrr is of the first relevant item; recall_at_K is the share of queries with a relevant item among the first K;
    precision_at_K the share of relevant items among the first K (divided by K even where the gallery is smaller).

    Args:
        query: as in ``mean_average_precision``, like the next three.
        gallery: likewise.
        query_labels: likewise.
        gallery_labels: likewise.
        recall_at: the K, each at least 1.

    Raises:
        DataError: as in ``mean_average_precision``.
        ParamsError: a K is less than 1.
    """
    cutoffs = _checked_cutoffs(recall_at)

    def metrics(scores: Array, hits: Array) -> Array:
        ap, first = _average_precision(scores, hits), _first_hit(scores, hits)
        return np.hstack(
            [ap, _reciprocal_rank(*first), _hit_rates(*first, cutoffs), _precisions(scores, hits, cutoffs)]
        )

    means = _by_query(metrics, query, gallery, query_labels, gallery_labels).mean(axis=0)
    names = ["map", "mrr", *(f"recall_at_{k}" for k in cutoffs), *(f"precision_at_{k}" for k in cutoffs)]
    return dict(zip(names, means.tolist(), strict=True))


def precision_scope(
    query: Embedding, gallery: Embedding, query_labels: Labels, gallery_labels: Labels, scopes: Sequence[int]
) -> Array:
    """Return the mean precision among the first K items, for each scope K: (n_scopes,) in [0, 1].

    Args and Raises are those of ``evaluate_retrieval``, with the scopes in place of ``recall_at``.
    """
    cutoffs = _checked_cutoffs(scopes)

    def precisions(scores: Array, hits: Array) -> Array:
        return _precisions(scores, hits, cutoffs)

    return np.asarray(_by_query(precisions, query, gallery, query_labels, gallery_labels).mean(axis=0))


def per_class_map(
    query: Embedding, gallery: Embedding, query_labels: Labels, gallery_labels: Labels
) -> dict[int, float]:
    """Return the MAP of the queries of each class, by class in rising order.

    Args and Raises are those of ``mean_average_precision``.
    """
    scores = _by_query(_average_precision, query, gallery, query_labels, gallery_labels)
    return {int(label): float(scores[query_labels == label].mean()) for label in np.unique(query_labels)}


def nearest_class(query: Embedding, gallery: Embedding, gallery_labels: Labels) -> Labels:
    """Return the class of each query's most similar item, (n_queries,); among tied items the lowest class.

    Args:
        query: (n_queries, d).
        gallery: (n_gallery, d).
        gallery_labels: (n_gallery,) classes.

    Raises:
        DataError: an array is empty or not finite, or widths or lengths do not match.
    """
    _check_embeddings(query, gallery)
    _check_labels("gallery", gallery_labels, len(gallery))
    by_class = np.argsort(gallery_labels, kind="stable")
    items = _unit_rows(gallery[by_class])
    nearest = [_scores(query[rows], items).argmax(axis=1) for rows in _blocks(np.arange(len(query)), len(items))]
    return np.asarray(gallery_labels[by_class][np.concatenate(nearest)])


def chance_map(query_labels: Labels, gallery_labels: Labels, n_permutations: int, seed: int) -> Chance:
    """Return the MAP that labels permuted at random would get.

    The mean is exact: with R relevant items among n, and H the n-th harmonic number, the expected average precision of
    a random order is (H + (R - 1) / (n - 1) * (n - H)) / n. The standard deviation is that of the MAP when each query
    has a random order of its own, from ``n_permutations`` orders a class.

    Args:
        query_labels: (n_queries,) classes.
        gallery_labels: (n_gallery,) classes.
        n_permutations: random orders drawn for each class, at least 2.
        seed: of the orders.

    Raises:
        DataError: a query has no relevant item, or there is no query.
        ParamsError: n_permutations is less than 2.
    """
    if n_permutations < 2:
        raise ParamsError(f"n_permutations={n_permutations}; expected at least 2")
    _check_labels("query", query_labels, max(1, len(query_labels)))
    _check_relevant(query_labels, gallery_labels)
    rng = np.random.default_rng(seed)
    n_items = len(gallery_labels)
    harmonic = (1 / np.arange(1, n_items + 1)).sum()
    mean, variance = 0.0, 0.0
    for label, n_queries in zip(*np.unique(query_labels, return_counts=True), strict=True):
        n_relevant = int((gallery_labels == label).sum())
        share = n_queries / len(query_labels)
        mean += share * (harmonic + (n_relevant - 1) / max(1, n_items - 1) * (n_items - harmonic)) / n_items
        draws = [_random_average_precision(n_items, n_relevant, rng) for _ in range(n_permutations)]
        variance += share**2 / n_queries * np.var(draws, ddof=1)
    return Chance(float(mean), float(np.sqrt(variance)))


def _by_query(
    metric: Metric, query: Embedding, gallery: Embedding, query_labels: Labels, gallery_labels: Labels
) -> Array:
    """The metric of each query, (n_queries,) or (n_queries, n_metrics)."""
    _check_embeddings(query, gallery)
    _check_labels("query", query_labels, len(query))
    _check_labels("gallery", gallery_labels, len(gallery))
    _check_relevant(query_labels, gallery_labels)
    by_class = np.argsort(gallery_labels, kind="stable")
    items, item_labels = _unit_rows(gallery[by_class]), gallery_labels[by_class]
    results: list[float | Array] = [0.0] * len(query)
    for label in np.unique(query_labels):
        relevant = slice(*(np.searchsorted(item_labels, label, side) for side in ("left", "right")))
        for rows in _blocks(np.flatnonzero(query_labels == label), len(items)):
            scores = _scores(query[rows], items)  # (n_rows, n_gallery)
            hits = np.sort(scores[:, relevant], axis=1)
            scores.sort(axis=1)
            for i, row in enumerate(rows):
                results[row] = metric(scores[i], hits[i])
    return np.array(results)


def _average_precision(scores: Array, hits: Array) -> float:
    """Mean over relevant items of the precision among all items that score as high or higher."""
    ranks = len(scores) - np.searchsorted(scores, hits)
    n_hits = np.arange(len(hits), 0, -1)
    if (hits[1:] == hits[:-1]).any():
        n_hits = len(hits) - np.searchsorted(hits, hits)
    return float((n_hits / ranks).mean())


def _first_hit(scores: Array, hits: Array) -> tuple[int, Array]:
    """How many items score above the best hit; the chances of no hit among the first 0, 1, 2... of those tied."""
    first, last = (int(np.searchsorted(scores, hits[-1], side)) for side in ("left", "right"))
    n_tied, n_tied_hits = last - first, len(hits) - np.searchsorted(hits, hits[-1])
    drawn = np.arange(n_tied - n_tied_hits + 1)
    still_none = np.cumprod((n_tied - n_tied_hits - drawn) / (n_tied - drawn))
    return len(scores) - last, np.concatenate([[1.0], still_none])


def _reciprocal_rank(n_above: int, none_yet: Array) -> float:
    """Expected reciprocal rank of the first relevant item."""
    ranks = n_above + np.arange(1, len(none_yet))
    return float((-np.diff(none_yet) / ranks).sum())


def _hit_rates(n_above: int, none_yet: Array, cutoffs: NDArray[np.int64]) -> Array:
    """Expected presence of a relevant item among the first K, (n_cutoffs,)."""
    return np.asarray(1 - none_yet[np.clip(cutoffs - n_above, 0, len(none_yet) - 1)])


def _precisions(scores: Array, hits: Array, cutoffs: NDArray[np.int64]) -> Array:
    """Expected share of relevant items among the first K, (n_cutoffs,)."""
    n_kept = np.minimum(cutoffs, len(scores))
    last_kept = scores[len(scores) - n_kept]
    n_above = len(scores) - np.searchsorted(scores, last_kept, "right")
    n_tied = len(scores) - np.searchsorted(scores, last_kept, "left") - n_above
    n_hits_above = len(hits) - np.searchsorted(hits, last_kept, "right")
    n_hits_tied = len(hits) - np.searchsorted(hits, last_kept, "left") - n_hits_above
    return np.asarray((n_hits_above + n_hits_tied * (n_kept - n_above) / n_tied) / cutoffs)


def _random_average_precision(n_items: int, n_relevant: int, rng: np.random.Generator) -> float:
    """Average precision of a random order."""
    ranks = np.sort(rng.permutation(n_items)[:n_relevant]) + 1
    return float((np.arange(1, n_relevant + 1) / ranks).mean())


def _scores(query: Embedding, items: Array) -> Array:
    """Cosines in whole steps of 2**-40, (n_queries, n_items)."""
    scores = _unit_rows(query) * _COSINE_STEPS @ items.T
    return np.asarray(np.rint(scores, out=scores))


def _unit_rows(rows: Embedding) -> Array:
    """Rows of length 1, float64; a zero row stays zero."""
    exact = rows.astype(np.float64)
    norms = np.linalg.norm(exact, axis=1, keepdims=True)
    return np.asarray(np.divide(exact, norms, out=exact, where=norms > 0))


def _blocks(rows: NDArray[np.int64], n_items: int) -> Iterator[NDArray[np.int64]]:
    """The rows in runs whose scores fit the block size."""
    size = max(1, _SCORES_PER_BLOCK // n_items)
    for start in range(0, len(rows), size):
        yield rows[start : start + size]


def _checked_cutoffs(cutoffs: Sequence[int]) -> NDArray[np.int64]:
    """The cut-offs as an array."""
    if too_small := [k for k in cutoffs if k < 1]:
        raise ParamsError(f"first {too_small[0]} items; expected a number of at least 1")
    return np.array(cutoffs, dtype=np.int64)


def _check_embeddings(query: Embedding, gallery: Embedding) -> None:
    for name, rows in (("query", query), ("gallery", gallery)):
        if rows.ndim != 2 or 0 in rows.shape:
            raise DataError(f"{name}: shape {rows.shape}; expected (n, d), neither of them 0")
        if (bad := np.flatnonzero(~np.isfinite(rows).all(axis=1))).size:
            raise DataError(f"{name}: row {bad[0]} has NaN or infinite values; expected finite numbers")
    if query.shape[1] != gallery.shape[1]:
        raise DataError(f"query is {query.shape[1]} wide, gallery {gallery.shape[1]}; expected one width")


def _check_labels(name: str, labels: Labels, n_rows: int) -> None:
    if labels.shape != (n_rows,):
        raise DataError(f"{name} labels: shape {labels.shape}; expected ({n_rows},), one a row")


def _check_relevant(query_labels: Labels, gallery_labels: Labels) -> None:
    if (bare := np.flatnonzero(~np.isin(query_labels, gallery_labels))).size:
        raise DataError(
            f"query {bare[0]}: 0 relevant items; expected at least 1 of class {query_labels[bare[0]]} in the gallery"
        )
