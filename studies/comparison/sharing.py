"""Whether sound and picture of one clip share more than their class: what a model of pairs could learn beyond labels.

On rows that are not test, fold by fold: class means are taken away, a CCA is fitted on what is left of the pairs, and
each held-out sound looks for its own picture among those of its class. Where pairs share the class alone, the own
picture is as likely before as behind any other.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline import linalg
from pipeline.errors import DataError
from pipeline.formats.clips import Clip
from pipeline.formats.feature_table import FeatureTable
from pipeline.retrieval.cosines import Array, unit_rows
from pipeline.tune.folds import folds

N_FOLDS = 6
N_COMPONENTS = 10
RIDGE = 1.0  # of the mean variance
N_PERMUTATIONS = 2_000
SEED = 0


class Sharing(NamedTuple):
    """How well clips find their own partner within their class.

    Attributes:
        place: mean share of the class's other pictures that are farther than the own one, from 0 to 1; 0.5: by chance.
        p: of no more than chance, one-sided: pairs are drawn anew within fold and class.
    """

    place: float
    p: float


def own_partners(table: FeatureTable, clips: Sequence[Clip] = ()) -> Sharing:
    """Return how well clips find their own partner within their class, by what a CCA finds on other clips.

    Args:
        table: a class needs so many clips that are not test as there are folds.
        clips: of the table; those of one recording are never on both sides of a fold.

    Raises:
        DataError: there are fewer, or no fold holds out two clips of one class.

    References:
        Phipson & Smyth (2010), Permutation P-values Should Never Be Zero, for the p-value.
    """
    places = [
        _places(similarity)
        for kept, held in folds(table, N_FOLDS, SEED, clips=clips)
        for similarity in _similarities_by_class(table, kept, held)
    ]
    if not places:
        raise DataError(f"no fold of {N_FOLDS} holds out two clips of one class; expected more clips that are not test")
    found = _mean_of_pairs(places, [np.arange(len(of)) for of in places])
    rng = np.random.default_rng(SEED)
    drawn = [_mean_of_pairs(places, [rng.permutation(len(of)) for of in places]) for _ in range(N_PERMUTATIONS)]
    as_high = sum(value >= found - 1e-12 for value in drawn)
    return Sharing(found, (as_high + 1) / (N_PERMUTATIONS + 1))


def _similarities_by_class(table: FeatureTable, kept: NDArray[np.int64], held: NDArray[np.int64]) -> list[Array]:
    """The similarities (m, m) of the held-out sounds and pictures of each class that has two or more."""
    views = []
    for features in (table.audio.astype(np.float64), table.visual.astype(np.float64)):
        means = np.stack(
            [features[kept[table.labels[kept] == label]].mean(axis=0) for label in range(len(table.classes))]
        )
        left = features - means[table.labels]
        deviations = left[kept].std(axis=0)
        views.append(left / np.where(deviations > 0, deviations, 1.0))
    audio, visual = views
    n_components = min(N_COMPONENTS, audio.shape[1], visual.shape[1])
    fitted = linalg.cca(audio[kept], visual[kept], n_components, RIDGE)
    sounds = unit_rows(fitted.x_variates(audio[held]) * fitted.correlations)
    pictures = unit_rows(fitted.y_variates(visual[held]) * fitted.correlations)
    of_class = [np.flatnonzero(table.labels[held] == label) for label in range(len(table.classes))]
    return [sounds[rows] @ pictures[rows].T for rows in of_class if len(rows) > 1]


def _places(similarity: Array) -> Array:
    """The share of the other columns (m, m) that each entry of a row is above; of equals a half."""
    below = (similarity[:, :, None] > similarity[:, None, :]).sum(axis=2)
    equal = (similarity[:, :, None] == similarity[:, None, :]).sum(axis=2) - 1
    return np.asarray((below + 0.5 * equal) / (len(similarity) - 1))


def _mean_of_pairs(places: list[Array], partners: list[NDArray[np.int64]]) -> float:
    """The mean place of one partner for each sound."""
    return float(np.concatenate([of[np.arange(len(of)), own] for of, own in zip(places, partners, strict=True)]).mean())
