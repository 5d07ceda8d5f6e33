"""The rows of the tables: all metrics, what each query got, and the points of the plots."""

from collections.abc import Mapping, Sequence

import numpy as np

from pipeline.evaluate.metrics import N_RECALL_LEVELS
from pipeline.evaluate.model_metrics import CROSS_MODAL, Measured, Table, clip_scores
from pipeline.evaluate.query_metrics import nearest_class
from pipeline.evaluate.query_sample import QuerySample
from pipeline.formats.embeddings import Embeddings
from pipeline.retrieval.cosines import Array

OWN = "own clip"


def metric_rows(models: Mapping[str, Mapping[str, Mapping[str, float]]]) -> Table:
    """Return a row a model and direction with every metric there is.

    Args:
        models: by model, direction and name of the metric.
    """
    ways = [(name, way, metrics) for name, of_model in models.items() for way, metrics in of_model.items()]
    return [{"model": name, "direction": way, **metrics} for name, way, metrics in ways]


def query_rows(clip_ids: Sequence[str], measured: Measured) -> Table:
    """Return a row a query and direction across the modalities: what it got, the mean over the seeds.

    Args:
        clip_ids: of the test clips, in the order of their embeddings.
        measured: of one model.
    """
    rows: Table = []
    for name in CROSS_MODAL:
        scalars, drawn = measured[name].scalars, measured[name].sample.rows.tolist()
        columns = zip(drawn, scalars["map"].mean(axis=0), scalars["median_rank"].mean(axis=0), strict=True)
        rows += [
            {"clip_id": clip_ids[row], "direction": name, "average_precision": score, "first_rank": rank}
            for row, score, rank in columns
        ]
    return rows


def precision_scope_rows(embeddings: Embeddings, measured: Measured, scope_sizes: Sequence[int]) -> Table:
    """Return a row a scope K: the mean precision among the first K results, each way; K above the gallery is left out.

    References:
        Zeng et al. (2023), whose figures show this curve.
    """
    curves = {name: _mean(measured[name].sample, measured[name].precision_at_scope) for name in CROSS_MODAL}
    scopes = embeddings.scopes(scope_sizes)
    return [{"scope": size, **{name: curve[i] for name, curve in curves.items()}} for i, size in enumerate(scopes)]


def precision_recall_rows(measured: Measured) -> Table:
    """Return a row a recall of 0, 0.1, ... 1: the mean of the queries' highest precision at it or above, each way."""
    curves = {name: _mean(measured[name].sample, measured[name].precision_at_recall) for name in CROSS_MODAL}
    levels = range(N_RECALL_LEVELS)
    return [{"recall": i / (N_RECALL_LEVELS - 1), **{name: curve[i] for name, curve in curves.items()}} for i in levels]


def class_map_rows(embeddings: Embeddings, measured: Measured) -> Table:
    """Return a row a class: the MAP of its queries, each way."""
    rows: Table = [{"class": label} for label in embeddings.classes]
    for name in CROSS_MODAL:
        strata = measured[name].sample.strata
        means = np.bincount(strata, clip_scores(measured, (name,))) / np.bincount(strata)
        for row, mean in zip(rows, means, strict=True):
            row[name] = mean
    return rows


def confusion_rows(embeddings: Embeddings, measured: Measured) -> Table:
    """Return a row a query, of both directions and all seeds: its class, and the class of its nearest item.

    Where relevant is the own clip, it is whether that is the nearest.
    """
    if embeddings.own is not None:
        return _own_clip_rows(measured)
    classes, labels = embeddings.classes, embeddings.labels
    rows: Table = []
    for name in CROSS_MODAL:
        drawn = measured[name].sample.rows
        queries, galleries = (getattr(embeddings, modality) for modality in name.split("_to_"))
        for query, gallery in zip(queries, galleries, strict=True):
            nearest = nearest_class(query[drawn], gallery, labels)
            pairs = zip(labels[drawn].tolist(), nearest.tolist(), strict=True)
            rows += [{"actual": classes[actual], "predicted": classes[predicted]} for actual, predicted in pairs]
    return rows


def _own_clip_rows(measured: Measured) -> Table:
    """A row a query, of both directions and all seeds: whether its own clip is the nearest."""
    ranks = np.concatenate([measured[name].scalars["median_rank"].ravel() for name in CROSS_MODAL])
    return [{"actual": OWN, "predicted": OWN if rank == 1 else "another clip"} for rank in ranks.tolist()]


def _mean(sample: QuerySample, values: Array) -> Array:
    """Mean of (n_seeds, n_queries, ...) over seeds and queries."""
    return np.tensordot(sample.weights, values.mean(axis=0), axes=1)
