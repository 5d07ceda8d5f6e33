import numpy as np
import pytest

from pipeline.separation.measures.intervals import mean_and_margin, people_weights


def test_a_score_counts_as_often_as_all_of_its_people_were_drawn() -> None:
    people = [("a",), ("b",), ("a", "b"), ("b", "c")]
    weights = people_weights(people, 50, 0)
    np.testing.assert_array_equal(weights[:, 2], weights[:, 0] * weights[:, 1])
    c = 3 - weights[:, 0] - weights[:, 1]
    np.testing.assert_array_equal(weights[:, 3], weights[:, 1] * c)


def test_many_clips_of_few_people_do_not_narrow_the_interval() -> None:
    rng = np.random.default_rng(0)
    of_person = rng.normal(size=8)
    margins = []
    for n_clips in (1, 50):
        people = [(f"p{k}",) for k in range(8) for _ in range(n_clips)]
        values = np.repeat(of_person, n_clips)
        margins.append(mean_and_margin(values, people_weights(people, 2000, 0))[1])
    assert margins[1] == pytest.approx(margins[0], rel=0.02)


def test_the_interval_of_independent_people_is_that_of_the_normal_distribution() -> None:
    values = np.random.default_rng(1).normal(size=200)
    _, margin = mean_and_margin(values, people_weights([(str(k),) for k in range(200)], 4000, 0))
    assert margin == pytest.approx(1.96 * values.std() / 200**0.5, rel=0.1)


def test_without_two_draws_there_is_no_margin() -> None:
    assert mean_and_margin(np.array([1.0, 2.0]), np.array([[0.0, 0.0], [1.0, 1.0]])) == (1.5, None)
