"""Which rows of a feature table a search fits on, and which it holds out; none of them is test."""

import hashlib
from collections.abc import Hashable, Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.model_selection import StratifiedGroupKFold

from pipeline.errors import DataError
from pipeline.formats.clips import Clip
from pipeline.formats.feature_table import NO_LABEL, FeatureTable, label_names
from pipeline.groups import groups_of, row_hashes

N_COMPONENTS = 5  # that k-means sees
N_SCORED = 1000  # rows of a fold whose MAP is followed, at most

Integers = NDArray[np.int64]
Fold = tuple[Integers, Integers]  # rows to fit on, rows that are held out


def folds(
    table: FeatureTable, n_folds: int, seed: int, *, by_cluster: bool = False, clips: Iterable[Clip] = ()
) -> Iterator[Fold]:
    """Yield the rows to fit on and the rows to hold out, of each fold.

    What repeats is never on both sides: a sound or a picture that comes in several rows, as in data sets that are made
    of pairs of few pictures, a file that comes under several names, and clips that were cut from one recording.

    Args:
        table: whose rows of the split ``test`` are left alone.
        n_folds: with 1 the table's own validation rows are held out.
        seed: of the draw, or of k-means.
        by_cluster: a fold is a cluster of sounds; see ``residual_clusters``.
        clips: rows of clips.csv, which know the bytes and the recording; a row of the table without one goes by its
            features alone.

    Raises:
        DataError: there are no validation rows for 1 fold, a class has fewer rows of its own than folds or lies in one
            cluster, or nothing is left to fit on. Clips without a label are of no class.
    """
    splits = np.array(table.splits)
    if n_folds == 1:
        if not (splits == "validation").any():
            raise DataError("no clip is of the split 'validation'; expected some for 1 fold, or more folds")
        yield np.flatnonzero(splits == "train"), np.flatnonzero(splits == "validation")
        return
    usable, groups = _usable_groups(table, clips)
    parts = _clusters(table, usable, n_folds, seed) if by_cluster else _draws(table, usable, groups, n_folds, seed)
    for fold, held in enumerate(parts):
        is_fit = ~np.isin(groups, groups[held])
        lost = np.setdiff1d(table.labels[usable], table.labels[usable[is_fit]])
        if (lost != NO_LABEL).any() or not is_fit.any():
            raise DataError(
                f"fold {fold}: a class has no clip left to fit on; expected some that share no sound or picture"
            )
        yield usable[is_fit], usable[held]


def n_groups(table: FeatureTable, clips: Iterable[Clip] = ()) -> int:
    """Return into how many groups the rows fall that a fold holds out as a whole, or not at all.

    Args:
        table: whose rows of the split ``test`` are left alone.
        clips: as for ``folds``.
    """
    return len(np.unique(_usable_groups(table, clips)[1]))


def repeated_folds(
    table: FeatureTable,
    n_folds: int,
    n_repeats: int,
    seed: int,
    *,
    by_cluster: bool = False,
    clips: Sequence[Clip] = (),
) -> list[Fold]:
    """Return the folds of several draws, one draw after the other; of a fold at most ``N_SCORED`` rows are held out.

    Those with a label come first: where some have one, a fold is scored by these.

    Args:
        table: as for ``folds``.
        n_folds: likewise.
        n_repeats: draws; the first is that of ``seed`` itself.
        seed: of all draws.
        by_cluster: as for ``folds``.
        clips: likewise.

    Raises:
        DataError: as ``folds``; or some clips have a label, and none of those that a fold holds out.
    """
    seeds = [seed, *(int(np.random.SeedSequence([seed, r]).generate_state(1)[0]) for r in range(1, n_repeats))]
    drawn = [fold for s in seeds for fold in folds(table, n_folds, s, by_cluster=by_cluster, clips=clips)]
    has_label = table.labels != NO_LABEL
    if has_label[_usable(table)].any():
        for number, (_, held) in enumerate(drawn):
            if not has_label[held].any():
                raise DataError(f"fold {number}: no clip held out has a label; expected fewer folds, or more labels")
    return [(fit, _scored(held, has_label[held], seed)) for fit, held in drawn]


def folds_sha256(parts: Iterable[Fold]) -> str:
    """Return a hash of which rows the folds fit on and hold out, in hex."""
    found = hashlib.sha256()
    for rows in (rows for part in parts for rows in part):
        found.update(np.array([len(rows), *rows], "<i8").tobytes())
    return found.hexdigest()


def groups_of_equal(
    audio: NDArray[np.float32], visual: NDArray[np.float32], *relations: Sequence[Hashable]
) -> Integers:
    """Return the group of each clip, (n,), from 0: clips of one sound or picture, directly or by way of others.

    Args:
        audio: (n, width) features.
        visual: (n, width) features.
        relations: what else each of the n clips may share, such as its recording; an empty text is unknown.
    """
    return groups_of(row_hashes(audio), row_hashes(visual), *relations)


def _usable_groups(table: FeatureTable, clips: Iterable[Clip]) -> tuple[Integers, Integers]:
    """The rows that are not test, (n,), and the group of each."""
    usable = _usable(table)
    known = {clip.clip_id: clip for clip in clips}
    rows = [known.get(table.clip_ids[row]) for row in usable]
    origins = ([getattr(clip, name, "") for clip in rows] for name in ("source_id", "sha256"))
    return usable, groups_of_equal(table.audio[usable], table.visual[usable], *origins)


def _usable(table: FeatureTable) -> Integers:
    """The rows that are not test."""
    return np.flatnonzero(np.array(table.splits) != "test")


def _scored(held: Integers, has_label: NDArray[np.bool_], seed: int) -> Integers:
    """At most ``N_SCORED`` of the rows, those with a label first: a fold is scored by these, if there are any."""
    labelled, others = _some(held[has_label], seed), held[~has_label]
    n_left = N_SCORED - len(labelled)
    if len(others) > n_left:
        others = np.sort(np.random.default_rng(seed).choice(others, n_left, replace=False))
    return np.sort(np.concatenate([labelled, others]))


def _some(rows: Integers, seed: int) -> Integers:
    """All rows if they are few, else a draw of them in their order: the MAP of each epoch costs their square."""
    if len(rows) <= N_SCORED:
        return rows
    return np.sort(np.random.default_rng(seed).choice(rows, N_SCORED, replace=False))


def residual_clusters(rows: NDArray[np.float32], labels: Integers, n_clusters: int, seed: int) -> Integers:
    """Return the cluster of each row, (n,): k-means of what is left of the rows without their class means.

    Clips of one voice or one room differ alike from the rest of their classes, and end up in one cluster.

    Args:
        rows: (n, width) features.
        labels: (n,); those without one count as a class whose mean is taken away too.
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
    for label in np.unique(labels[labels != NO_LABEL]):
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
    strata = _strata(table.labels[usable], groups, n_folds)
    classes, sizes = _sizes(strata, groups)
    if sizes.min() < n_folds:
        (smallest,) = label_names(classes[[sizes.argmin()]], table.classes)
        raise DataError(
            f"{f'class {smallest!r}' if smallest else 'the table'} has {sizes.min()} clips that are not test and share "
            f"no sound or picture; expected at least {n_folds}, one a fold"
        )
    for _, held_rows in StratifiedGroupKFold(n_folds, shuffle=True, random_state=seed).split(usable, strata, groups):
        yield held_rows


def _strata(labels: Integers, groups: Integers, n_folds: int) -> Integers:
    """The labels; clips without one go with the largest class where they are too few to be in every fold."""
    classes, sizes = _sizes(labels, groups)
    if classes[0] != NO_LABEL or sizes[0] >= n_folds or len(classes) == 1:
        return labels
    return np.where(labels == NO_LABEL, classes[1:][sizes[1:].argmax()], labels)


def _sizes(labels: Integers, groups: Integers) -> tuple[Integers, Integers]:
    """The labels that occur, rising, and over how many groups the clips of each lie."""
    return np.unique(np.unique(np.column_stack([labels, groups]), axis=0)[:, 0], return_counts=True)
