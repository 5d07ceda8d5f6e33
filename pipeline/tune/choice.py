"""What the curves of the folds decide: the epochs of a trial, its score, and whether it takes the place of trial 0."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import DataError
from pipeline.tune.halving import SHIPPED

FoldCurve = list[float]
"""The MAP of a held-out fold after each epoch; of a model in closed form one number, of a fit that diverged NaN."""


FEWEST_GROUPS = 5
"""Groups of clips that folds hold out whole, such as voices or sources; of fewer, nothing is chosen but trial 0.

A standard error of n groups is itself an estimate, of n - 1 degrees of freedom. Where it comes out as 1, the true one
may be, at 95 %, up to 31.9 with two groups, 6.3 with three, 3.7 with four, 2.9 with five and 2.5 with six (by
chi-squared). And a trial that is no better is ahead by more than one of them in 25, 21, 20, 19 and 18 % of searches (by
Student's t), where a known error would let 16 % pass. From five on both hardly change. The fewer groups, the less do
they say of another one, too. ``studies.few_groups`` tried two to eight: on one of two data sets searches lost by fewer
than five, on the other by no number (docs/experiments.md).

References:
    Student (1908), The probable error of a mean, Biometrika 6.
"""


class Trial(NamedTuple):
    """One parameter set and its score.

    Attributes:
        number: 0 for the values of params.yaml.
        validation_map: mean of ``fold_maps``; NaN where the training diverged.
        validation_map_sd: their standard deviation; NaN for one fold.
        fold_maps: MAP of each fold that it was scored on, all after the same number of epochs.
        params: what was searched; of a model that learns by epochs also how many, and that none stops it early.
    """

    number: int
    validation_map: float
    validation_map_sd: float
    fold_maps: list[float]
    params: dict[str, Any]


class FoldLead(NamedTuple):
    """By how much a trial is ahead of trial 0, in MAP.

    Attributes:
        difference: mean over the folds.
        standard_error: of that mean, from the differences of the folds; NaN for one fold.
    """

    difference: float
    standard_error: float

    @property
    def is_clear(self) -> bool:
        """Whether it is more than one standard error."""
        return self.difference > self.standard_error


def why_too_few(n_groups: int) -> str:
    """Return in words why nothing is chosen by so few groups; empty where there are as many as ``FEWEST_GROUPS``.

    Args:
        n_groups: that the folds hold out whole, such as voices, places or sources, and of which test clips have others.

    Example:
        >>> why_too_few(2)
        'folds hold out 2 groups of clips, and 5 are needed: fewer say too little of the new ones that test clips have'
        >>> why_too_few(5)
        ''
    """
    if n_groups >= FEWEST_GROUPS:
        return ""
    why = "fewer say too little of the new ones that test clips have"
    return f"folds hold out {n_groups} groups of clips, and {FEWEST_GROUPS} are needed: {why}"


def best_epoch(curves: Sequence[FoldCurve]) -> int:
    """Return the epoch, from 0, after which the mean curve of the folds is highest; of equals the first.

    Args:
        curves: of one length, one for each fold.

    Example:
        >>> best_epoch([[0.2, 0.5, 0.4], [0.2, 0.3, 0.6]])
        2
    """
    mean_curve: NDArray[np.float64] = np.mean(curves, axis=0)
    return int(mean_curve.argmax())


def scored(number: int, drawn: dict[str, Any], curves: Sequence[FoldCurve], *, has_epochs: bool) -> Trial:
    """Return a trial with its score: the curves of its folds at one epoch, which its ``params`` name.

    Args:
        number: of the trial.
        drawn: the parameters that were searched.
        curves: one for each fold.
        has_epochs: the model's ``Params`` have ``epochs`` and ``patience``.
    """
    if any(math.isnan(value) for curve in curves for value in curve):
        return Trial(number, math.nan, math.nan, [math.nan] * len(curves), drawn)
    epoch = best_epoch(curves)
    maps = [curve[epoch] for curve in curves]
    spread = float(np.std(maps, ddof=1)) if len(maps) > 1 else math.nan
    learns = has_epochs and len(curves[0]) > 1
    params = drawn | ({"epochs": epoch + 1, "patience": None} if learns else {})
    return Trial(number, float(np.mean(maps)), spread, maps, params)


def lead(challenger: Trial, shipped: Trial, n_folds: int) -> FoldLead:
    """Return by how much a trial is ahead of trial 0 on the folds that both were scored on.

    Args:
        challenger: on as many folds as trial 0.
        shipped: trial 0.
        n_folds: into which the rows were cut. Folds of further draws (``repeats``) cut the same rows again: they steady
            the mean, but do not count for the standard error.
    """
    differences = np.subtract(challenger.fold_maps, shipped.fold_maps)
    spread = float(np.std(differences, ddof=1)) if len(differences) > 1 else math.nan
    return FoldLead(float(differences.mean()), spread / math.sqrt(n_folds))


def chosen_trial(trials: Sequence[Trial], n_folds: int) -> Trial:
    """Return trial 0, or the best of the trials that are ahead of it by more than one standard error.

    Args:
        trials: of a finished search. Those that were scored on all folds are compared, of equals the first is taken.
            Where trial 0 diverged, the best of the others needs no lead.
        n_folds: as in ``lead``.

    Raises:
        DataError: all trials diverged.

    Example:
        >>> shipped = Trial(0, 0.50, 0.01, [0.49, 0.51], {})
        >>> steady, uneven = Trial(1, 0.52, 0.01, [0.51, 0.53], {}), Trial(2, 0.6, 0.28, [0.4, 0.8], {})
        >>> chosen_trial([shipped, steady, uneven], 2).number
        1
    """
    shipped, challengers = _finalists(trials)
    if shipped is not None:
        challengers = [trial for trial in challengers if lead(trial, shipped, n_folds).is_clear]
    if not challengers and shipped is not None:
        return shipped
    return _best(challengers)


def changes(chosen: Trial) -> dict[str, Any]:
    """Return what a chosen trial changes in params.yaml: its parameters and epochs, or for trial 0 nothing at all.

    Where nothing is clearly better than the values of params.yaml, their number of epochs and their patience stay too.

    Example:
        >>> changes(Trial(0, 0.5, 0.01, [0.49, 0.51], {"dropout": 0.8, "epochs": 37, "patience": None}))
        {}
    """
    return {} if chosen.number == SHIPPED else chosen.params


def reason(trials: Sequence[Trial], n_folds: int) -> str:
    """Return in words why ``chosen_trial``, called with these arguments, chose as it did."""
    shipped, challengers = _finalists(trials)
    chosen = chosen_trial(trials, n_folds)
    if shipped is None:
        return (
            f"trial {SHIPPED}, the values of params.yaml, diverged, and trial {chosen.number} is the best of the others"
        )
    if not challengers:
        return f"trial {SHIPPED}, the values of params.yaml, has no challenger"
    nearest = chosen if chosen.number != SHIPPED else _best(challengers)
    found = lead(nearest, shipped, n_folds)
    if math.isnan(found.standard_error):
        return (
            f"trial {SHIPPED}, the values of params.yaml, stays: one fold has no standard error, so none can be ahead"
        )
    points = f"{100 * found.difference:+.1f} ± {100 * found.standard_error:.1f} points of MAP (one standard error)"
    if chosen.number == SHIPPED:
        stays = f"trial {SHIPPED}, the values of params.yaml, stays"
        return f"{stays}: the best challenger, trial {nearest.number}, has {points}"
    return f"trial {nearest.number} takes the place of trial {SHIPPED}, the values of params.yaml: {points}"


def _finalists(trials: Sequence[Trial]) -> tuple[Trial | None, list[Trial]]:
    """Trial 0, if it did not diverge, and the others that were scored on as many folds as any."""
    trained = [trial for trial in trials if not math.isnan(trial.validation_map)]
    if not trained:
        raise DataError(f"all {len(trials)} trials diverged; expected one that trains (lower learning_rate)")
    most = max(len(trial.fold_maps) for trial in trained)
    last = [trial for trial in trained if len(trial.fold_maps) == most]
    shipped = next((trial for trial in last if trial.number == SHIPPED), None)
    return shipped, [trial for trial in last if trial.number != SHIPPED]


def _best(trials: Sequence[Trial]) -> Trial:
    """The trial of the highest score, among equals the first."""
    return max(trials, key=lambda trial: (trial.validation_map, -trial.number))
