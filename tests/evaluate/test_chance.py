"""What rankings get that know nothing: every order of a small gallery, and scikit-learn on random scores."""

from itertools import permutations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from pipeline.evaluate.chance import chance_map, expected_average_precision
from pipeline.localise.segments import expected_reciprocal_rank


def test_chance_is_the_mean_average_precision_of_every_order_of_the_gallery() -> None:
    labels = np.array([0, 1, 1, 1, 2])
    scores = np.arange(5.0)
    orders = [labels[list(order)] for order in permutations(range(5))]
    expected = np.mean([average_precision_score(order == label, scores) for order in orders for label in (0, 1)])
    assert chance_map(np.array([0, 1]), labels, 2, seed=0).mean == pytest.approx(expected)


def test_expected_metrics_of_a_random_order_are_means_over_all_orders() -> None:
    relevant, scores = np.array([1, 1, 0, 0, 0], dtype=bool), np.arange(5.0)
    orders = [relevant[list(order)] for order in permutations(range(5))]
    precisions = np.mean([average_precision_score(order, -scores) for order in orders])
    reciprocal_ranks = np.mean([1 / (order.argmax() + 1) for order in orders])
    assert expected_average_precision(5, 2) == pytest.approx(precisions)
    assert expected_reciprocal_rank(5, 2) == pytest.approx(reciprocal_ranks)


def test_maps_of_random_scores_spread_around_chance_as_chance_says() -> None:
    rng = np.random.default_rng(0)
    query_labels, gallery_labels = np.arange(20) % 2, np.arange(30) % 3
    scores = [
        np.mean([average_precision_score(gallery_labels == c, rng.random(30)) for c in query_labels]) for _ in range(40)
    ]
    chance = chance_map(query_labels, gallery_labels, n_permutations=1000, seed=0)
    assert np.mean(scores) == pytest.approx(chance.mean, abs=4 * chance.sd / np.sqrt(40))
    assert np.std(scores) == pytest.approx(chance.sd, rel=0.3)


def test_chance_is_the_same_for_the_same_seed() -> None:
    labels = np.arange(12) % 3
    assert chance_map(labels, labels, 10, seed=3) == chance_map(labels, labels, 10, seed=3)
    assert chance_map(labels, labels, 10, seed=3).sd != chance_map(labels, labels, 10, seed=4).sd


def test_chance_of_a_gallery_of_one_is_certain() -> None:
    assert chance_map(np.array([0]), np.array([0]), 2, seed=0) == (1.0, 0.0)
