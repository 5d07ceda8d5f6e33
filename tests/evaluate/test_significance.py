"""Oracles: scipy's permutation test with every sign, and Holm's procedure by its definition."""

from itertools import product

import numpy as np
import pytest
from scipy.stats import permutation_test

from pipeline.errors import DataError, ParamsError
from pipeline.evaluate.significance import holm, sign_flip_test


def test_p_values_approach_those_of_every_sign() -> None:
    differences = np.random.default_rng(0).normal(0.3, 1, (3, 9))
    exact = [
        permutation_test((row,), np.mean, permutation_type="samples", n_resamples=np.inf).pvalue for row in differences
    ]
    p_values = sign_flip_test(differences, n_permutations=20_000, seed=0)
    np.testing.assert_allclose(p_values, exact, atol=0.015)


def test_equal_sums_count_as_far_however_they_are_rounded() -> None:
    differences = np.array([[0.1, 0.1, 0.1, 0.3]])
    as_far = [abs(np.dot(signs, [1, 1, 1, 3])) >= 6 for signs in product([-1, 1], repeat=4)]
    assert sign_flip_test(differences, 20_000, seed=0)[0] == pytest.approx(np.mean(as_far), abs=0.01)


def test_the_signs_of_many_blocks_are_those_of_one_seed() -> None:
    differences = np.random.default_rng(0).normal(0.02, 1, (2, 5000))
    one, other, elsewhere = (sign_flip_test(differences, 2000, seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(one, other)
    assert (one != elsewhere).any()
    np.testing.assert_allclose(one, elsewhere, atol=0.06)


def test_no_p_value_is_zero_and_no_difference_has_p_value_one() -> None:
    p_values = sign_flip_test(np.array([np.ones(60), np.zeros(60)]), n_permutations=999, seed=0)
    assert p_values == pytest.approx([0.001, 1.0])


def test_p_values_of_no_effect_are_uniform() -> None:
    differences = np.random.default_rng(1).normal(size=(400, 30))
    p_values = sign_flip_test(differences, n_permutations=400, seed=0)
    assert (p_values <= 0.05).mean() == pytest.approx(0.05, abs=0.035)
    assert np.median(p_values) == pytest.approx(0.5, abs=0.1)


def test_holm_rejects_what_its_step_down_procedure_rejects() -> None:
    p_values = np.random.default_rng(2).uniform(0, 0.1, 8)
    corrected = holm(p_values)
    for alpha in np.linspace(0.005, 0.4, 80):
        rejected = np.zeros(8, dtype=bool)
        for step, i in enumerate(np.argsort(p_values)):
            if p_values[i] * (8 - step) > alpha:
                break
            rejected[i] = True
        np.testing.assert_array_equal(corrected <= alpha, rejected)


def test_holm_never_exceeds_one() -> None:
    assert holm(np.array([0.6, 0.9])).tolist() == [1.0, 1.0]


@pytest.mark.parametrize("differences", [np.zeros(3), np.zeros((2, 0)), np.array([[np.nan]])])
def test_what_is_no_table_of_finite_differences_is_refused(differences: np.ndarray) -> None:
    with pytest.raises(DataError, match=r"differences \(.*; expected \(n_sets, n_clips\) finite numbers"):
        sign_flip_test(differences, 10, seed=0)


def test_no_permutation_is_refused() -> None:
    with pytest.raises(ParamsError, match="n_permutations=0; expected at least 1"):
        sign_flip_test(np.ones((1, 2)), 0, seed=0)
