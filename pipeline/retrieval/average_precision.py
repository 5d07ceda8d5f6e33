"""Average precision; items of equal similarity share one rank, as in scikit-learn's average_precision_score.

No number depends on the order of the gallery. A model that gives all items one score gets what a random order gets on
average, or less.
"""

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import DataError
from pipeline.retrieval.cosines import Array, Embedding, Labels
from pipeline.retrieval.hits import Hits, exact_hits
from pipeline.retrieval.queries import by_query


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

    Example:
        >>> sounds, videos = np.array([[1.0, 0.0]]), np.array([[2.0, 0.1], [1.0, 1.0], [0.0, 3.0]])
        >>> mean_average_precision(sounds, videos, np.array([7]), np.array([7, 5, 7]))  # hits at ranks 1 and 3
        0.8333333333333333
    """
    return float(by_query(average_precisions, query, gallery, query_labels, gallery_labels).mean())


def average_map(audio: Embedding, visual: Embedding, labels: Labels) -> float:
    """Return the MAP of paired embeddings, the average of audio to visual and visual to audio, in (0, 1].

    It is that of the clips with a label among themselves. Where none has one, relevant is the own clip alone, and the
    average precision of a query is the reciprocal rank of its partner.

    Args:
        audio: (n, d), row i of clip i.
        visual: (n, d), of the clips of ``audio``.
        labels: (n,) classes of the clips, -1 for none.

    Raises:
        DataError: an array is empty or not finite, or widths or lengths do not match.
    """
    if len(labels) == len(audio) == len(visual) and (is_bare := labels < 0).any():
        if is_bare.all():
            labels = np.arange(len(labels))
        else:
            audio, visual, labels = audio[~is_bare], visual[~is_bare], labels[~is_bare]
    audio_to_visual = mean_average_precision(audio, visual, labels, labels)
    return (audio_to_visual + mean_average_precision(visual, audio, labels, labels)) / 2


def average_precision(similarity: Array, relevant: NDArray[np.bool_]) -> Array:
    """Return the average precision of each query over the whole gallery, (n_queries,) in (0, 1].

    Args:
        similarity: (n_queries, n_gallery), higher is nearer; any sign, no unit, taken as it is.
        relevant: (n_queries, n_gallery), True where query and item share a class.

    Raises:
        DataError: shapes differ, relevance is no bool, a similarity is not finite, or a query has no relevant item.
    """
    if similarity.shape != relevant.shape or similarity.ndim != 2:
        raise DataError(f"similarity {similarity.shape}, relevant {relevant.shape}; expected one matrix shape")
    if relevant.dtype != np.bool_:
        raise DataError(f"relevant: {relevant.dtype}; expected bool, True where query and item share a class")
    if not np.isfinite(similarity).all():
        raise DataError("similarity has NaN or infinite values; expected finite numbers")
    if (bare := np.flatnonzero(~relevant.any(axis=1))).size:
        raise DataError(f"query {bare[0]}: 0 relevant items; expected at least 1 in the gallery")
    rows = zip(similarity, relevant, strict=True)
    return np.array([average_precisions(exact_hits(scores, scores[hit])) for scores, hit in rows])


def average_precisions(hits: Hits) -> Array:
    """Return the mean over hits of the precision among all items that score as high or higher, (n_queries,)."""
    return np.asarray((hits.hits_up_to / hits.n_up_to).mean(axis=-1))
