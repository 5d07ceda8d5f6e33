"""What the curves of the folds decide, against naive loops and hand-made scores."""

import math
from collections.abc import Sequence

import numpy as np
import pytest
from scipy import stats

from pipeline.errors import DataError
from pipeline.tune.choice import FoldCurve, Trial, best_epoch, changes, chosen_trial, lead, reason, scored

NAN = math.nan


def trial(number: int, *fold_maps: float) -> Trial:
    return Trial(number, float(np.mean(fold_maps)), NAN, list(fold_maps), {"rate": number})


def naive_best_epoch(curves: Sequence[FoldCurve]) -> int:
    best, best_sum = -1, -math.inf
    for epoch in range(len(curves[0])):
        total = 0.0
        for curve in curves:
            total += curve[epoch]
        if total > best_sum:
            best, best_sum = epoch, total
    return best


@pytest.mark.parametrize("seed", range(5))
def test_the_epoch_is_that_of_a_naive_loop_over_the_mean_curve(seed: int) -> None:
    curves = (np.random.default_rng(seed).integers(0, 8, (4, 9)) / 8).tolist()  # with ties, and sums that are exact
    assert best_epoch(curves) == naive_best_epoch(curves)
    found = scored(3, {"rate": 0.1}, curves, has_epochs=True)
    assert found.params == {"rate": 0.1, "epochs": naive_best_epoch(curves) + 1, "patience": None}
    assert found.fold_maps == [curve[naive_best_epoch(curves)] for curve in curves]
    assert found.validation_map == pytest.approx(np.mean(found.fold_maps))
    assert found.validation_map_sd == pytest.approx(np.std(found.fold_maps, ddof=1))


def test_where_trial_0_stays_its_epochs_and_its_patience_stay_too() -> None:
    trials = [scored(number, {"rate": 0.1}, [[0.5, 0.9, 0.7]] * 6, has_epochs=True) for number in range(2)]
    assert changes(trials[0]) == {}
    assert changes(trials[1]) == {"rate": 0.1, "epochs": 2, "patience": None}


def test_a_closed_form_has_no_epochs() -> None:
    assert scored(1, {"ridge": 0.1}, [[0.5], [0.7]], has_epochs=False).params == {"ridge": 0.1}
    assert scored(1, {"classifier": "logistic"}, [[0.5]], has_epochs=True).params == {"classifier": "logistic"}


def test_one_fold_that_diverged_takes_the_score_of_the_trial() -> None:
    found = scored(1, {"rate": 9.0}, [[0.5, 0.6], [NAN]], has_epochs=True)
    assert math.isnan(found.validation_map)
    assert found.params == {"rate": 9.0}


def test_a_trial_whose_folds_peak_by_luck_was_chosen_by_each_folds_best_epoch_and_is_not_by_the_mean_curve() -> None:
    rng = np.random.default_rng(0)
    steady = [[0.70, 0.80, 0.80, 0.80]] * 6
    uneven = (0.75 + 0.06 * rng.standard_normal((6, 40))).tolist()  # never better than 0.75 but by luck
    assert np.mean([max(curve) for curve in uneven]) > 0.82 > np.mean([max(curve) for curve in steady])
    trials = [scored(number, {}, curves, has_epochs=True) for number, curves in enumerate([steady, uneven])]
    assert trials[1].validation_map < trials[0].validation_map
    assert chosen_trial(trials, 6).number == 0


@pytest.mark.parametrize("seed", range(3))
def test_the_standard_error_is_that_of_a_paired_t_test(seed: int) -> None:
    shipped, challenger = np.random.default_rng(seed).uniform(size=(2, 6))
    found = lead(trial(1, *challenger), trial(0, *shipped), 6)
    assert found.difference / found.standard_error == pytest.approx(stats.ttest_rel(challenger, shipped).statistic)


# differences 0.01, 0.02, 0.03: mean 0.02, standard deviation 0.01, standard error 0.01 / sqrt(3) = 0.0058
CLEAR = trial(1, 0.51, 0.62, 0.73)
# differences 0.30, -0.10, -0.05: mean 0.05, standard error 0.126
LUCKY = trial(2, 0.80, 0.50, 0.65)
SHIPPED = trial(0, 0.50, 0.60, 0.70)


def test_a_higher_mean_within_one_standard_error_leaves_trial_0() -> None:
    assert chosen_trial([SHIPPED, LUCKY], 3) == SHIPPED
    said = "trial 0, the values of params.yaml, stays: the best challenger, trial 2, has +5.0 ± 12.6 points of MAP"
    assert reason([SHIPPED, LUCKY], 3) == f"{said} (one standard error)"


def test_a_clear_lead_wins_even_behind_a_higher_mean_that_is_not_clear() -> None:
    assert chosen_trial([SHIPPED, CLEAR, LUCKY], 3) == CLEAR
    said = "trial 1 takes the place of trial 0, the values of params.yaml: +2.0 ± 0.6 points of MAP"
    assert reason([SHIPPED, CLEAR, LUCKY], 3) == f"{said} (one standard error)"


def test_of_several_clear_leads_the_highest_is_chosen_and_of_equals_the_first() -> None:
    higher, equal = trial(4, 0.55, 0.64, 0.76), trial(5, 0.55, 0.64, 0.76)
    assert chosen_trial([equal, higher, CLEAR, SHIPPED], 3) == higher


def test_exactly_one_standard_error_is_not_more() -> None:
    shipped, challenger = trial(0, 0.0, 0.0), trial(1, 0.0, 0.5)  # difference 0.25, its standard error 0.25
    assert chosen_trial([shipped, challenger], 2) == shipped


def test_repeats_do_not_count_as_more_folds() -> None:
    once = lead(CLEAR, SHIPPED, 3)
    twice = lead(trial(1, *CLEAR.fold_maps * 2), trial(0, *SHIPPED.fold_maps * 2), 3)
    assert twice.difference == pytest.approx(once.difference)
    assert twice.standard_error == pytest.approx(once.standard_error * math.sqrt(2 * 2 / 5))  # ddof of 6 and of 3


def test_trials_that_did_not_reach_the_last_rung_are_not_compared() -> None:
    assert chosen_trial([SHIPPED, trial(1, 0.9, 0.9), CLEAR], 3) == CLEAR


def test_where_trial_0_diverged_the_best_of_the_others_needs_no_lead() -> None:
    trials = [trial(0, NAN, NAN, NAN), CLEAR, LUCKY]
    assert chosen_trial(trials, 3) == LUCKY
    assert reason(trials, 3).endswith("diverged, and trial 2 is the best of the others")


def test_one_fold_leaves_trial_0_and_the_words_say_why() -> None:
    trials = [trial(0, 0.5), trial(1, 0.9)]
    assert chosen_trial(trials, 1).number == 0
    assert reason(trials, 1).endswith("stays: one fold has no standard error, so none can be ahead")
    assert reason(trials[:1], 1) == "trial 0, the values of params.yaml, has no challenger"


def test_a_search_without_a_trial_that_trains_is_refused() -> None:
    with pytest.raises(DataError, match="all 2 trials diverged; expected one that trains"):
        chosen_trial([trial(0, NAN), trial(1, NAN)], 1)
