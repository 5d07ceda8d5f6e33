"""What is measured of many queries: each searches a whole gallery, on a CPU in threads, or on a GPU."""

import sys
from collections.abc import Callable
from functools import partial

import numpy as np

from pipeline.errors import DataError
from pipeline.retrieval.cosines import (
    Array,
    Embedding,
    Labels,
    blocks,
    check_embeddings,
    check_labels,
    check_relevant,
    unit_items,
)
from pipeline.retrieval.galleries import CpuGallery, ItemGallery
from pipeline.retrieval.hits import Counts, Hits
from pipeline.retrieval.threads import in_threads
from pipeline.settings.environment import may_have_gpu

SCORES_FOR_A_GPU = 2**28  # some seconds of a core: to look for a GPU takes two

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

    Where a GPU has no room, the CPU compares: the numbers are the same.

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
    kind = _kind_of_gallery(len(query) * len(gallery))
    compared = partial(_by_query_of_kind, measure, query, gallery, query_labels, gallery_labels, own)
    if kind is CpuGallery:
        return compared(kind)
    import torch

    try:
        return compared(kind)
    except torch.OutOfMemoryError:  # others may use the GPU too
        print(f"the GPU has no room for {len(gallery)} items: the CPU compares, to the same numbers", file=sys.stderr)
        return compared(CpuGallery)


def _by_query_of_kind(
    measure: Measure,
    query: Embedding,
    gallery: Embedding,
    query_labels: Labels,
    gallery_labels: Labels,
    own: Counts | None,
    kind: type[ItemGallery],
) -> Array:
    """What is measured of each query, by one kind of gallery."""
    by_class = np.argsort(gallery_labels, kind="stable")
    item_labels, items = gallery_labels[by_class], kind(unit_items(gallery[by_class]))
    own_place = None if own is None else np.argsort(by_class)[own]

    def of_lone(rows: Counts) -> Array:
        return measure(items.lone_hits(query[rows], np.searchsorted(item_labels, query_labels[rows])))

    def of_class(relevant: slice, rows: Counts) -> Array:
        if own_place is None:
            return measure(items.hits(query[rows], relevant))
        return measure(Hits(*(counts[:, :-1] for counts in items.hits(query[rows], relevant, own_place[rows]))))

    cut = partial(blocks, n_items=len(gallery), scores_per_block=kind.scores_per_block)
    lone = _lone_items(item_labels) if own is None else item_labels[:0]
    work = [(rows, of_lone) for rows in cut(np.flatnonzero(np.isin(query_labels, lone)))]
    for label in np.setdiff1d(query_labels, lone):
        first, last = (int(np.searchsorted(item_labels, label, side)) for side in ("left", "right"))
        if own is not None and last - first < 2:
            lone = np.flatnonzero(query_labels == label)[0]
            raise DataError(f"query {lone}: 0 relevant items beside itself; expected 2 or more of class {label}")
        of_rows = partial(of_class, slice(first, last))
        work += [(rows, of_rows) for rows in cut(np.flatnonzero(query_labels == label))]
    calls = [partial(of_rows, rows) for rows, of_rows in work]
    measured = in_threads(calls, len(query) * len(gallery)) if kind.takes_threads else [call() for call in calls]
    return np.concatenate(measured)[np.argsort(np.concatenate([rows for rows, _ in work]))]


def _kind_of_gallery(n_scores: int) -> type[ItemGallery]:
    """Where to compare: on a GPU where there is one and much to do."""
    if n_scores < SCORES_FOR_A_GPU or not may_have_gpu():
        return CpuGallery
    from pipeline.settings.device import chosen_device

    if chosen_device().type != "cuda":
        return CpuGallery
    from pipeline.retrieval.torch_hits import TorchGallery

    return TorchGallery


def _lone_items(item_labels: Labels) -> Labels:
    """The classes of one item, sorted."""
    labels, counts = np.unique(item_labels, return_counts=True)
    return np.asarray(labels[counts == 1])
