"""One segment of each event searches those of all others: how soon one of its class is found, and what chance gets."""

import numpy as np

from pipeline.errors import DataError
from pipeline.evaluate.query_metrics import query_metrics
from pipeline.retrieval.cosines import Embedding, Labels, check_labels
from pipeline.retrieval.hits import Counts

WAYS = ("audio_to_audio", "audio_to_visual", "visual_to_audio", "visual_to_visual")


def segment_retrieval(audio: Embedding, visual: Embedding, labels: Labels) -> dict[str, float]:
    """Return the mean reciprocal rank of the first segment of the query's class, by the four ``WAYS``, by cosines.

    Within a modality the query itself is not searched, and segments alone in their class are no queries.

    Args:
        audio: (n, d) embeddings, one event segment a clip.
        visual: (n, d) embeddings of the same segments.
        labels: (n,) classes.

    Raises:
        DataError: an array is empty or not finite, widths or lengths do not match, or no class has two segments.

    References:
        Zhu, Wu, Latapie, Yang & Yan (2021), Learning Audio-Visual Correlations from Variational Cross-Modal
        Generation, ICASSP.
    """
    for name, of_modality in (("audio", audio), ("visual", visual)):
        check_labels(name, labels, len(of_modality))
    modalities = {"audio": audio, "visual": visual}
    not_alone = rows_not_alone(labels)
    ranks = {}
    for way in WAYS:
        query, searched = way.split("_to_")
        rows, own = (not_alone, not_alone) if query == searched else (np.arange(len(labels)), None)
        found = query_metrics(modalities[query][rows], modalities[searched], labels[rows], labels, (), own=own)
        ranks[way] = float(found.scalars["mrr"].mean())
    return ranks


def chance_segment_retrieval(labels: Labels) -> dict[str, float]:
    """Return what random orders get in ``segment_retrieval``, by the four ``WAYS``.

    Raises:
        DataError: no class has two segments.
    """
    n_items, class_sizes = len(labels), _class_sizes(labels)
    within = class_sizes[rows_not_alone(labels)] - 1
    across_modalities = float(np.mean([expected_reciprocal_rank(n_items, n) for n in class_sizes]))
    in_one = float(np.mean([expected_reciprocal_rank(n_items - 1, n) for n in within]))
    return {way: in_one if len(set(way.split("_to_"))) == 1 else across_modalities for way in WAYS}


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


def expected_reciprocal_rank(n_items: int, n_relevant: int) -> float:
    """Return the mean, over all orders of a gallery, of the reciprocal rank of the first relevant item, in (0, 1]."""
    drawn = np.arange(n_items - n_relevant + 1)
    none_yet = np.concatenate([[1.0], np.cumprod((n_items - n_relevant - drawn) / (n_items - drawn))])
    return float((-np.diff(none_yet) / (drawn + 1)).sum())


def _class_sizes(labels: Labels) -> Counts:
    """How many rows have each row's class, (n,)."""
    _, strata, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    return np.asarray(sizes[strata])
