"""All metrics of queries against a whole gallery: of each query, and their means."""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from pipeline.errors import ParamsError
from pipeline.evaluate.metrics import OfQueries, interpolated_precisions, over_queries, precisions, with_cutoffs
from pipeline.retrieval.cosines import (
    Array,
    Embedding,
    Labels,
    blocks,
    check_embeddings,
    check_labels,
    cosine_steps,
    unit_items,
)
from pipeline.retrieval.hits import Counts, Hits
from pipeline.retrieval.queries import by_query
from pipeline.retrieval.threads import in_threads


class QueryMetrics(NamedTuple):
    """What is measured of each query.

    Attributes:
        scalars: (n_queries,) each, by the full name of the metric: ``map`` is the average precision, ``median_rank``
            the rank of the first relevant item.
        precision_at_scope: (n_queries, n_scopes), the precision among the first K for each scope K.
        precision_at_recall: (n_queries, 11), the highest precision at a recall of 0, 0.1, ... 1 or more.
    """

    scalars: dict[str, Array]
    precision_at_scope: Array
    precision_at_recall: Array


def query_metrics(
    query: Embedding,
    gallery: Embedding,
    query_labels: Labels,
    gallery_labels: Labels,
    recall_at: Sequence[int],
    scopes: Sequence[int] = (),
    own: Counts | None = None,
) -> QueryMetrics:
    """Return every metric of each query, in one pass over the gallery.

    Args:
        query: (n_queries, d) embeddings.
        gallery: (n_gallery, d) embeddings.
        query_labels: (n_queries,) classes.
        gallery_labels: (n_gallery,) classes.
        recall_at: the K of recall, precision and nDCG, each at least 1.
        scopes: the K of the precision-scope curve, each at least 1.
        own: (n_queries,) each query's own row of the gallery, which is then not searched; None: all items are.

    Raises:
        DataError: an array is empty or not finite, widths or lengths do not match, or a query has no relevant item.
        ParamsError: a K is less than 1.
    """
    functions = with_cutoffs(_checked_cutoffs(recall_at))
    at_scopes: list[OfQueries] = [partial(precisions, k=k) for k in _checked_cutoffs(scopes)]

    def measure(hits: Hits) -> Array:
        columns = [of_queries(hits) for of_queries in [*functions.values(), *at_scopes]]
        return np.column_stack([*columns, interpolated_precisions(hits)])

    columns = by_query(measure, query, gallery, query_labels, gallery_labels, own)
    scalars, at_scope, at_recall = np.split(columns, [len(functions), len(functions) + len(scopes)], axis=1)
    return QueryMetrics(dict(zip(functions, scalars.T, strict=True)), at_scope, at_recall)


def evaluate_retrieval(
    query: Embedding, gallery: Embedding, query_labels: Labels, gallery_labels: Labels, recall_at: Sequence[int]
) -> dict[str, float]:
    """Return what stands for all queries, the mean or the median, of every scalar of ``QueryMetrics``.

    Args and Raises are those of ``query_metrics``; all items are searched.
    """
    values = query_metrics(query, gallery, query_labels, gallery_labels, recall_at).scalars
    weights = np.full(len(query), 1 / len(query))
    return {name: float(over_queries(name, value, weights)) for name, value in values.items()}


def nearest_class(query: Embedding, gallery: Embedding, gallery_labels: Labels) -> Labels:
    """Return the class of each query's most similar item, (n_queries,); among tied items the lowest class.

    Args:
        query: (n_queries, d).
        gallery: (n_gallery, d).
        gallery_labels: (n_gallery,) classes.

    Raises:
        DataError: an array is empty or not finite, or widths or lengths do not match.
    """
    check_embeddings(query, gallery)
    check_labels("gallery", gallery_labels, len(gallery))
    by_class = np.argsort(gallery_labels, kind="stable")
    items = unit_items(gallery[by_class])

    def nearest_of(rows: Counts) -> Counts:
        return np.asarray(cosine_steps(query[rows], items).argmax(axis=1))

    calls = [partial(nearest_of, rows) for rows in blocks(np.arange(len(query)), len(items))]
    nearest = in_threads(calls, len(query) * len(items))
    return np.asarray(gallery_labels[by_class][np.concatenate(nearest)])


def _checked_cutoffs(cutoffs: Sequence[int]) -> Sequence[int]:
    """The cut-offs, which are numbers of items."""
    if too_small := [k for k in cutoffs if k < 1]:
        raise ParamsError(f"first {too_small[0]} items; expected a number of at least 1")
    return cutoffs
