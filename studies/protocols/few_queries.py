"""A published protocol that searches with other queries, and other items, than all clips of a test split."""

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


def _check_lengths(audio: Embedding, visual: Embedding, labels: Labels) -> None:
    """Refuse labels that do not match the rows of both modalities."""
    for name, rows in (("audio", audio), ("visual", visual)):
        check_labels(name, labels, len(rows))
