"""Published protocols that search with other queries, or other items, than all clips of a test split."""

import numpy as np

from pipeline.errors import DataError, ParamsError
from pipeline.evaluate.query_metrics import query_metrics
from pipeline.retrieval.cosines import Embedding, Labels, check_labels
from pipeline.retrieval.hits import Counts

NDCG_AT = 10


def few_queries_ndcg(
    audio: Embedding, visual: Embedding, labels: Labels, queries_per_class: int, seed: int
) -> dict[str, float]:
    """Return nDCG@10 where a few clips of each class search the others, ``audio_to_visual`` and ``visual_to_audio``.

    With the official test split of AVE, four queries a class and seed 42 this is the form of MTEB's retrieval tasks on
    AVE. The draw is our own, so that the queries need not be theirs.

    Args:
        audio: (n, d) embeddings.
        visual: (n, d) embeddings of the same clips.
        labels: (n,) classes.
        queries_per_class: as in ``draw_queries``.
        seed: likewise.

    Raises:
        DataError: an array is empty or not finite, widths or lengths do not match, or no class has two clips.
        ParamsError: queries_per_class is less than 1.
    """
    _check_lengths(audio, visual, labels)
    queries, corpus = draw_queries(labels, queries_per_class, seed)
    scores = {}
    for direction, query, gallery in (("audio_to_visual", audio, visual), ("visual_to_audio", visual, audio)):
        metrics = query_metrics(query[queries], gallery[corpus], labels[queries], labels[corpus], (NDCG_AT,))
        scores[direction] = float(metrics.scalars[f"ndcg_at_{NDCG_AT}"].mean())
    return scores


def draw_queries(labels: Labels, queries_per_class: int, seed: int) -> tuple[Counts, Counts]:
    """Return the rows that search, and those that are searched, both rising.

    Args:
        labels: (n,) classes.
        queries_per_class: drawn of each class; of a class that has no more clips than that, all but one.
        seed: of the draw.

    Raises:
        DataError: no class has two clips.
        ParamsError: queries_per_class is less than 1.
    """
    if queries_per_class < 1:
        raise ParamsError(f"queries_per_class={queries_per_class}; expected at least 1")
    rng = np.random.default_rng(seed)
    drawn = [np.zeros(0, np.int64)]
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        drawn.append(rng.choice(rows, min(queries_per_class, len(rows) - 1), replace=False))
    queries = np.sort(np.concatenate(drawn))
    if not queries.size:
        raise DataError("no class has two clips; expected one to search with and one to be found")
    return queries, np.setdiff1d(np.arange(len(labels)), queries)


def segment_retrieval(audio: Embedding, visual: Embedding, labels: Labels) -> dict[str, float]:
    """Return the mean reciprocal rank of the first segment of the query's class, across and within the modalities.

    Within a modality the query itself is not searched, and segments alone in their class are no queries.

    Args:
        audio: (n, d) embeddings, one event segment a video.
        visual: (n, d) embeddings of the same segments.
        labels: (n,) classes.

    Raises:
        DataError: an array is empty or not finite, widths or lengths do not match, or no class has two segments.

    References:
        Zhu, Wu, Latapie, Yang & Yan (2021), Learning Audio-Visual Correlations from Variational Cross-Modal
        Generation, ICASSP.
    """
    _check_lengths(audio, visual, labels)
    everyone, not_alone = np.arange(len(labels)), rows_not_alone(labels)
    ways = {
        "audio_to_visual": (audio, visual, everyone, None),
        "visual_to_audio": (visual, audio, everyone, None),
        "audio_to_audio": (audio, audio, not_alone, not_alone),
        "visual_to_visual": (visual, visual, not_alone, not_alone),
    }
    return {
        direction: float(query_metrics(query[rows], gallery, labels[rows], labels, (), own=own).scalars["mrr"].mean())
        for direction, (query, gallery, rows, own) in ways.items()
    }


def chance_segment_retrieval(labels: Labels) -> dict[str, float]:
    """Return what random orders get in ``segment_retrieval``: ``cross_modal`` and ``within_modality``.

    Raises:
        DataError: no class has two segments.
    """
    n_items = len(labels)
    class_sizes = _class_sizes(labels)
    within = class_sizes[rows_not_alone(labels)] - 1
    return {
        "cross_modal": float(np.mean([expected_reciprocal_rank(n_items, n) for n in class_sizes])),
        "within_modality": float(np.mean([expected_reciprocal_rank(n_items - 1, n) for n in within])),
    }


def _check_lengths(audio: Embedding, visual: Embedding, labels: Labels) -> None:
    """Refuse labels that do not match the rows of both modalities."""
    for name, rows in (("audio", audio), ("visual", visual)):
        check_labels(name, labels, len(rows))


def rows_not_alone(labels: Labels) -> Counts:
    """Return the rows whose class has others.

    Args:
        labels: (n,) classes.

    Raises:
        DataError: there are none.
    """
    rows = np.flatnonzero(_class_sizes(labels) > 1)
    if not rows.size:
        raise DataError("no class has two segments; expected a query and something to find")
    return rows


def _class_sizes(labels: Labels) -> Counts:
    """How many rows have each row's class, (n,)."""
    _, strata, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    return np.asarray(sizes[strata])


def expected_reciprocal_rank(n_items: int, n_relevant: int) -> float:
    """Return the mean, over all orders of a gallery, of the reciprocal rank of the first relevant item, in (0, 1]."""
    drawn = np.arange(n_items - n_relevant + 1)
    none_yet = np.concatenate([[1.0], np.cumprod((n_items - n_relevant - drawn) / (n_items - drawn))])
    return float((-np.diff(none_yet) / (drawn + 1)).sum())
