"""Successive halving against a simulation of it, fit by fit."""

import math

import numpy as np
import pytest

from pipeline.tune.halving import n_fits, rungs, survivors


@pytest.mark.parametrize(
    ("n_folds", "expected"),
    [(1, [1]), (2, [2]), (3, [2, 3]), (4, [2, 4]), (5, [2, 3, 5]), (6, [2, 3, 6]), (24, [2, 3, 6, 12, 24])],
)
def test_rungs_double_from_two_folds_to_all(n_folds: int, expected: list[int]) -> None:
    assert rungs(n_folds) == expected


@pytest.mark.parametrize("n_folds", [1, 2, 3, 5, 6, 10, 12])
@pytest.mark.parametrize("n_trials", [1, 2, 3, 8, 12, 30, 31])
def test_the_budget_in_fits_is_that_of_going_through_the_rungs(n_trials: int, n_folds: int) -> None:
    scores, fits = np.random.default_rng(n_trials).uniform(size=n_trials), set()
    alive = list(range(n_trials))
    for rung, n_scored in enumerate(rungs(n_folds)):
        alive = survivors({number: scores[number] for number in alive}) if rung else alive
        fits |= {(number, fold) for number in alive for fold in range(n_scored)}
    assert n_fits(n_trials, n_folds) == len(fits)


def test_trial_0_goes_on_however_bad_it_is_and_the_best_challenger_too() -> None:
    scores = {number: float(number) for number in range(30)}
    for _ in range(5):
        scores = {number: scores[number] for number in survivors(scores)}
        assert {0, 29} <= scores.keys()
    assert scores.keys() == {0, 29}


def test_a_trial_that_diverged_ends_even_if_it_is_trial_0() -> None:
    assert survivors({0: math.nan, 1: 0.1, 2: math.nan}) == [1]
    assert survivors({0: 0.5, 1: math.nan, 2: math.nan}) == [0]


def test_of_equals_the_lower_number_goes_on() -> None:
    assert survivors({0: 0.5, 1: 0.4, 2: 0.6, 3: 0.6, 4: 0.6}) == [0, 2, 3]
