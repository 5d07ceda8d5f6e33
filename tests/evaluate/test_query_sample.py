"""The oracle is the mean over all queries, which a sample only estimates."""

import numpy as np
import pytest

from pipeline.errors import ParamsError
from pipeline.evaluate.query_sample import sample_queries
from pipeline.retrieval.average_precision import average_precisions, mean_average_precision
from pipeline.retrieval.queries import by_query

LABELS = np.repeat([3, 5, 8], [100, 60, 7])


def values(rng: np.random.Generator) -> np.ndarray:
    """Scores whose mean and spread differ from class to class."""
    return rng.normal(LABELS / 10, LABELS / 30)


def test_every_class_is_drawn_in_proportion_and_at_least_twice() -> None:
    sample = sample_queries(LABELS, 20, seed=0)
    assert np.unique(LABELS[sample.rows], return_counts=True)[1].tolist() == [11, 7, 2]
    assert len(set(sample.rows.tolist())) == 20
    assert sample.rows.tolist() == sorted(sample.rows)


@pytest.mark.parametrize("max_queries", [None, 167, 10_000])
def test_as_many_queries_as_there_are_is_all_of_them(max_queries: int | None) -> None:
    sample = sample_queries(LABELS, max_queries, seed=0)
    assert sample.rows.tolist() == list(range(167))
    np.testing.assert_allclose(sample.weights, 1 / 167)
    assert sample.margin(values(np.random.default_rng(0))) == 0


def test_estimates_scatter_around_the_mean_of_all_and_19_intervals_of_20_cover_it() -> None:
    scores = values(np.random.default_rng(0))
    errors, covered = [], []
    for seed in range(400):
        sample = sample_queries(LABELS, 60, seed)
        error = sample.weights @ scores[sample.rows] - scores.mean()
        errors.append(error)
        covered.append(abs(error) <= sample.margin(scores[sample.rows]))
    assert abs(np.mean(errors)) < 3 * np.std(errors) / 20
    assert 0.91 <= np.mean(covered) <= 0.98


def test_the_interval_of_a_sampled_map_covers_the_exact_one() -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(600) % 5
    query, gallery = (np.eye(5)[labels] + rng.normal(size=(600, 5)) for _ in range(2))
    exact = mean_average_precision(query, gallery, labels, labels)
    sample = sample_queries(labels, 100, seed=0)
    drawn = by_query(average_precisions, query[sample.rows], gallery, labels[sample.rows], labels)
    assert 0 < abs(sample.weights @ drawn - exact) <= sample.margin(drawn) < 0.05


def test_the_seed_alone_decides_which_queries_are_drawn() -> None:
    one, same, other = (sample_queries(LABELS, 30, seed).rows.tolist() for seed in (1, 1, 2))
    assert one == same != other


def test_too_few_queries_for_two_a_class_are_refused() -> None:
    with pytest.raises(ParamsError, match="max_queries=5; expected at least 6, two a class"):
        sample_queries(LABELS, 5, seed=0)
