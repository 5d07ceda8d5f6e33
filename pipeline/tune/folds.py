"""Which rows of a feature table a search fits on, and which it holds out; none of them is test."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.model_selection import StratifiedGroupKFold

from pipeline.dataset.groups import connected_groups
from pipeline.errors import DataError
from pipeline.formats.feature_table import FeatureTable

N_COMPONENTS = 5  # that k-means sees

Integers = NDArray[np.int64]


def folds(table: FeatureTable, n_folds: int, seed: int, *, by_cluster: bool) -> Iterator[tuple[Integers, Integers]]:
    """Yield the rows to fit on and the rows to hold out, of each fold.

    A sound or a picture that comes in several rows is never on both sides: data sets are made of pairs of few pictures.

    Args:
        table: whose rows of the split ``test`` are left alone.
        n_folds: with 1 the table's own validation rows are held out.
        seed: of the draw, or of k-means.
        by_cluster: a fold is a cluster of sounds; see ``residual_clusters``.

    Raises:
        DataError: there are no validation rows for 1 fold, a class has fewer rows of its own than folds or lies in one
            cluster, or nothing is left to fit on.
    """
    splits = np.array(table.splits)
    if n_folds == 1:
        if not (splits == "validation").any():
            raise DataError("no clip is of the split 'validation'; expected some for 1 fold, or more folds")
        yield np.flatnonzero(splits == "train"), np.flatnonzero(splits == "validation")
        return
    usable = np.flatnonzero(splits != "test")
    groups = groups_of_equal(table.audio[usable], table.visual[usable])
    parts = _clusters(table, usable, n_folds, seed) if by_cluster else _draws(table, usable, groups, n_folds, seed)
    for fold, held in enumerate(parts):
        is_fit = ~np.isin(groups, groups[held])
        if len(np.unique(table.labels[usable[is_fit]])) < len(np.unique(table.labels[usable])):
            raise DataError(
                f"fold {fold}: a class has no clip left to fit on; expected some that share no sound or picture"
            )
        yield usable[is_fit], usable[held]


def groups_of_equal(audio: NDArray[np.float32], visual: NDArray[np.float32]) -> Integers:
    """Return the group of each clip, (n,), from 0: clips of one sound or picture, directly or by way of others.

    Args:
        audio: (n, width) features.
        visual: (n, width) features.
    """
    sounds, pictures = (np.unique(rows, axis=0, return_inverse=True)[1].tolist() for rows in (audio, visual))
    return connected_groups([(("sound", s), ("picture", p)) for s, p in zip(sounds, pictures, strict=True)])


def residual_clusters(rows: NDArray[np.float32], labels: Integers, n_clusters: int, seed: int) -> Integers:
    """Return the cluster of each row, (n,): k-means of what is left of the rows without their class means.

    Clips of one voice or one room differ alike from the rest of their classes, and end up in one cluster.

    Args:
        rows: (n, width) features.
        labels: (n,).
        n_clusters: how many there are.
        seed: of k-means, which sees the leading principal components.

    Raises:
        DataError: a class lies in one cluster alone, so that a fold would not know it; or there are more clusters than
            rows.
    """
    if len(rows) < n_clusters:
        raise DataError(f"{len(rows)} clips that are not test; expected at least {n_clusters}, one a cluster")
    residuals = rows.astype(np.float64)
    for label in np.unique(labels):
        residuals[labels == label] -= residuals[labels == label].mean(axis=0)
    leading = PCA(min(N_COMPONENTS, *rows.shape), svd_solver="full").fit_transform(residuals)
    clusters: Integers = KMeans(n_clusters, n_init=10, random_state=seed).fit_predict(leading)
    for label in np.unique(labels):
        if len(np.unique(clusters[labels == label])) == 1:
            raise DataError(f"class {label} lies in one of {n_clusters} clusters; expected it in two at least")
    return clusters


def _clusters(table: FeatureTable, usable: Integers, n_folds: int, seed: int) -> Iterator[Integers]:
    """Each cluster once; places among the usable rows."""
    clusters = residual_clusters(table.audio[usable], table.labels[usable], n_folds, seed)
    for cluster in range(n_folds):
        yield np.flatnonzero(clusters == cluster)


def _draws(table: FeatureTable, usable: Integers, groups: Integers, n_folds: int, seed: int) -> Iterator[Integers]:
    """Stratified draws of whole groups, each held out once; places among the usable rows."""
    labels = table.labels[usable]
    classes, sizes = np.unique(np.unique(np.column_stack([labels, groups]), axis=0)[:, 0], return_counts=True)
    if sizes.min() < n_folds:
        smallest = table.classes[classes[sizes.argmin()]]
        raise DataError(
            f"class {smallest!r} has {sizes.min()} clips that are not test and share no sound or picture; expected at "
            f"least {n_folds}, one a fold"
        )
    for _, held_rows in StratifiedGroupKFold(n_folds, shuffle=True, random_state=seed).split(usable, labels, groups):
        yield held_rows
