"""Oracles: scikit-learn on cosines, plain loops over sorted lists, and every order of a small gallery."""

from collections.abc import Callable
from itertools import permutations
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, ndcg_score, precision_recall_curve
from sklearn.metrics.pairwise import cosine_similarity

from pipeline.errors import DataError
from pipeline.evaluate.query_metrics import evaluate_retrieval, nearest_class, query_metrics
from pipeline.retrieval import average_map, average_precision, mean_average_precision
from pipeline.retrieval.average_precision import average_precisions
from pipeline.retrieval.queries import by_query

Array = NDArray[Any]
Problem = tuple[Array, Array, Array, Array]


def problem(n_queries: int = 40, n_gallery: int = 60, width: int = 5, n_classes: int = 4, seed: int = 0) -> Problem:
    """Random embeddings, and labels of which every class is in the gallery."""
    rng = np.random.default_rng(seed)
    query, gallery = rng.standard_normal((n_queries, width)), rng.standard_normal((n_gallery, width))
    gallery_labels = rng.permutation(np.arange(n_gallery) % n_classes)
    return query, gallery, rng.integers(0, n_classes, n_queries), gallery_labels


def tied_problem() -> Problem:
    """Embeddings on a coarse lattice, so that many items have one direction and a few are zero."""
    query, gallery, query_labels, gallery_labels = problem(width=2)
    return query.round(), gallery.round(), query_labels, gallery_labels


def scikit_learn_map(query: Array, gallery: Array, query_labels: Array, gallery_labels: Array) -> float:
    cosines = cosine_similarity(query, gallery).round(12)  # equal directions get one score
    rows = zip(query_labels, cosines, strict=True)
    return float(np.mean([average_precision_score(gallery_labels == label, row) for label, row in rows]))


def mean_over_orders(score: Array, relevant: Array, metric: Callable[[Array], float]) -> float:
    """The metric of the ranked relevance, over every order of the gallery, sorted by score with a stable sort."""
    orders = np.array(list(permutations(range(len(score)))))
    return float(np.mean([metric(relevant[o][np.argsort(-score[o], kind="stable")]) for o in orders]))


def with_scores(scores: list[float]) -> tuple[Array, Array]:
    """One query, and a gallery whose cosines with it are the scores."""
    heights = np.sqrt(1 - np.square(scores))
    return np.array([[1.0, 0.0]]), np.column_stack([scores, heights])


@pytest.mark.parametrize("make", [problem, tied_problem], ids=["no ties", "many ties"])
def test_map_agrees_with_scikit_learn(make: Callable[[], Problem]) -> None:
    assert mean_average_precision(*make()) == pytest.approx(scikit_learn_map(*make()), abs=1e-12)


@pytest.mark.parametrize("decimals", [1, 9], ids=["many ties", "no ties"])
def test_a_query_with_one_relevant_item_is_counted_as_scikit_learn_does(decimals: int) -> None:
    rng = np.random.default_rng(decimals)
    query, gallery = rng.standard_normal((30, 2)).round(decimals), rng.standard_normal((45, 2)).round(decimals)
    labels = np.concatenate([np.arange(30), rng.integers(0, 8, 15)])  # of eight classes several items, of others one
    lone = (query, gallery, labels[:30], labels)
    assert mean_average_precision(*lone) == pytest.approx(scikit_learn_map(*lone), abs=1e-12)


def test_without_labels_the_map_is_the_mean_reciprocal_rank_of_each_clip_s_partner() -> None:
    audio, visual, *_ = problem(40, 40)
    cosines = cosine_similarity(audio, visual)
    ranks = [1 + (scores > np.diag(scores)[:, None]).sum(axis=1) for scores in (cosines, cosines.T)]
    assert average_map(audio, visual, np.full(40, -1)) == pytest.approx(np.mean(1 / np.array(ranks)))


def test_clips_without_a_label_are_neither_queries_nor_items_beside_others() -> None:
    audio, visual, _, labels = problem(40, 40)
    some = np.where(np.arange(40) < 25, labels, -1)
    assert average_map(audio, visual, some) == average_map(audio[:25], visual[:25], labels[:25])


def test_map_agrees_with_scikit_learn_where_the_queries_of_a_class_fill_several_blocks() -> None:
    large = problem(n_queries=500, n_gallery=5000, n_classes=2)
    assert mean_average_precision(*large) == pytest.approx(scikit_learn_map(*large), abs=1e-12)


@pytest.mark.parametrize("decimals", [1, 8], ids=["many ties", "no ties"])
def test_average_precision_agrees_with_scikit_learn(decimals: int) -> None:
    rng = np.random.default_rng(0)
    similarity = rng.uniform(-1, 1, (20, 50)).round(decimals)
    relevant = rng.random((20, 50)) < 0.2
    expected = [average_precision_score(r, s) for r, s in zip(relevant, similarity, strict=True)]
    np.testing.assert_allclose(average_precision(similarity, relevant), expected, atol=1e-12)


def test_a_collapsed_model_scores_chance_even_in_a_sorted_gallery() -> None:
    relevant = np.array([[True, True, False, False]])
    assert average_precision(np.zeros((1, 4)), relevant) == pytest.approx([0.5])


def test_a_collapsed_embedding_gets_the_metrics_of_a_random_order_in_a_sorted_gallery() -> None:
    embedding, labels = np.full((10, 3), 0.1), np.repeat([0, 1], 5)
    metrics = evaluate_retrieval(embedding, embedding, labels, labels, [1, 6])
    drawn = {k: metrics[k] for k in ("map", "recall_at_1", "recall_at_6", "precision_at_6")}
    assert drawn == pytest.approx({"map": 0.5, "recall_at_1": 0.5, "recall_at_6": 1.0, "precision_at_6": 0.5})


@pytest.mark.parametrize("make", [problem, tied_problem], ids=["no ties", "many ties"])
def test_the_order_of_the_gallery_changes_no_number(make: Callable[[], Problem]) -> None:
    query, gallery, query_labels, gallery_labels = make()
    order = np.random.default_rng(1).permutation(len(gallery))
    as_given = evaluate_retrieval(query, gallery, query_labels, gallery_labels, [1, 3])
    assert evaluate_retrieval(query, gallery[order], query_labels, gallery_labels[order], [1, 3]) == as_given


def test_only_the_direction_of_an_embedding_counts() -> None:
    query, gallery, query_labels, gallery_labels = problem()
    lengths = np.random.default_rng(1).uniform(0.1, 10, (len(gallery), 1))
    expected = mean_average_precision(query, gallery, query_labels, gallery_labels)
    assert mean_average_precision(5 * query, lengths * gallery, query_labels, gallery_labels) == expected


@pytest.mark.parametrize("scale", [1e-200, 1e200])
def test_embeddings_whose_squares_have_no_float64_are_ranked_all_the_same(scale: float) -> None:
    query, gallery, query_labels, gallery_labels = problem()
    expected = scikit_learn_map(query, gallery, query_labels, gallery_labels)
    measured = mean_average_precision(scale * query, scale * gallery, query_labels, gallery_labels)
    assert measured == pytest.approx(expected, abs=1e-12)


def test_relevant_items_of_negative_cosine_count() -> None:
    query, gallery = with_scores([0.9, 0.2, -0.1, -0.5])
    labels = np.array([1, 0, 0, 1])
    assert mean_average_precision(query, gallery, np.array([1]), labels) == pytest.approx((1 / 1 + 2 / 4) / 2)


def test_a_zero_vector_lies_between_positive_and_negative_cosines() -> None:
    query, gallery = with_scores([0.5, 0.5, -0.5])
    gallery[1] = 0
    assert mean_average_precision(query, gallery, np.array([1]), np.array([0, 1, 0])) == pytest.approx(1 / 2)


def test_a_single_class_scores_one() -> None:
    query, gallery, query_labels, gallery_labels = problem(n_classes=1)
    assert mean_average_precision(query, gallery, query_labels, gallery_labels) == 1.0


def test_mrr_recall_and_precision_agree_with_a_loop_over_the_sorted_gallery() -> None:
    query, gallery, query_labels, gallery_labels = problem()
    expected = dict.fromkeys(("mrr", "recall_at_2", "recall_at_3", "precision_at_2", "precision_at_3"), 0.0)
    for label, cosines in zip(query_labels, cosine_similarity(query, gallery), strict=True):
        ranked = [bool(gallery_labels[i] == label) for i in sorted(range(len(gallery)), key=lambda i: -cosines[i])]
        expected["mrr"] += 1 / (ranked.index(True) + 1) / len(query)
        for k in (2, 3):
            expected[f"recall_at_{k}"] += any(ranked[:k]) / len(query)
            expected[f"precision_at_{k}"] += sum(ranked[:k]) / k / len(query)
    metrics = evaluate_retrieval(query, gallery, query_labels, gallery_labels, [2, 3])
    assert {name: metrics[name] for name in expected} == pytest.approx(expected)


@pytest.mark.parametrize("k", [2, 3, 4, 5, 6])
def test_with_ties_recall_and_precision_are_means_over_all_orders_of_the_gallery(k: int) -> None:
    scores, labels = [0.5, 0.1, 0.1, 0.1, 0.1, -0.5], np.array([0, 0, 1, 1, 0, 1])
    metrics = evaluate_retrieval(*with_scores(scores), np.array([1]), labels, [k])
    recall = mean_over_orders(np.array(scores), labels == 1, lambda ranked: float(ranked[:k].any()))
    precision = mean_over_orders(np.array(scores), labels == 1, lambda ranked: ranked[:k].mean())
    assert (metrics[f"recall_at_{k}"], metrics[f"precision_at_{k}"]) == pytest.approx((recall, precision))


def test_with_ties_mrr_is_the_mean_over_all_orders_of_the_gallery() -> None:
    scores, labels = [0.5, 0.1, 0.1, 0.1, 0.1, -0.5], np.array([0, 0, 1, 1, 0, 1])
    expected = mean_over_orders(np.array(scores), labels == 1, lambda ranked: 1 / (ranked.argmax() + 1))
    assert evaluate_retrieval(*with_scores(scores), np.array([1]), labels, [])["mrr"] == pytest.approx(expected)


def test_evaluate_retrieval_and_mean_average_precision_agree_on_map() -> None:
    assert evaluate_retrieval(*problem(), [1])["map"] == pytest.approx(mean_average_precision(*problem()))


def test_a_scope_past_the_gallery_counts_the_missing_items_as_misses() -> None:
    query, gallery, query_labels, _ = problem(n_gallery=4)
    all_relevant = np.zeros(4, dtype=int)
    metrics = query_metrics(query, gallery, np.zeros_like(query_labels), all_relevant, [1], scopes=[4, 8])
    np.testing.assert_allclose(metrics.precision_at_scope, [[1.0, 0.5]] * len(query))


def test_the_precision_scope_curve_is_precision_at_each_scope() -> None:
    metrics = query_metrics(*tied_problem(), [2, 7, 30], scopes=[2, 7, 30])
    expected = [metrics.scalars[f"precision_at_{k}"] for k in (2, 7, 30)]
    np.testing.assert_array_equal(metrics.precision_at_scope.T, expected)


@pytest.mark.parametrize("make", [problem, tied_problem], ids=["no ties", "many ties"])
def test_ndcg_agrees_with_scikit_learn(make: Callable[[], Problem]) -> None:
    query, gallery, query_labels, gallery_labels = make()
    metrics = evaluate_retrieval(query, gallery, query_labels, gallery_labels, [2, 5, 10, 200])
    cosines = cosine_similarity(query, gallery).round(12)
    relevant = (query_labels[:, None] == gallery_labels).astype(float)
    for k in (2, 5, 10, 200):
        assert metrics[f"ndcg_at_{k}"] == pytest.approx(ndcg_score(relevant, cosines, k=k), abs=1e-12)


@pytest.mark.parametrize("make", [problem, tied_problem], ids=["no ties", "many ties"])
def test_interpolated_precision_is_the_highest_on_scikit_learn_s_curve_at_that_recall_or_above(
    make: Callable[[], Problem],
) -> None:
    query, gallery, query_labels, gallery_labels = make()
    measured = query_metrics(query, gallery, query_labels, gallery_labels, [1]).precision_at_recall
    cosines = cosine_similarity(query, gallery).round(12)
    for row, scores, label in zip(measured, cosines, query_labels, strict=True):
        precision, recall, _ = precision_recall_curve(gallery_labels == label, scores)
        above_none = recall > 0  # the curve's last point is made up
        expected = [precision[above_none & (recall >= level / 10 - 1e-9)].max() for level in range(11)]
        np.testing.assert_allclose(row, expected, atol=1e-12)


def test_the_median_rank_is_that_of_the_first_relevant_item() -> None:
    query, gallery, query_labels, gallery_labels = problem(n_classes=12)
    ranks = []
    for label, cosines in zip(query_labels, cosine_similarity(query, gallery), strict=True):
        ranked = gallery_labels[np.argsort(-cosines)]
        ranks.append(int((ranked == label).argmax()) + 1)
    metrics = evaluate_retrieval(query, gallery, query_labels, gallery_labels, [1])
    assert metrics["median_rank"] == pytest.approx(np.median(ranks))
    assert metrics["median_rank"] > 1


def test_with_ties_the_rank_of_the_first_relevant_item_is_the_mean_over_all_orders_of_the_gallery() -> None:
    scores, labels = [0.5, 0.1, 0.1, 0.1, 0.1, -0.5], np.array([0, 0, 1, 1, 0, 1])
    expected = mean_over_orders(np.array(scores), labels == 1, lambda ranked: float(ranked.argmax() + 1))
    metrics = evaluate_retrieval(*with_scores(scores), np.array([1]), labels, [1])
    assert metrics["median_rank"] == pytest.approx(expected)


@pytest.mark.parametrize("make", [problem, tied_problem], ids=["no ties", "many ties"])
def test_a_query_that_is_not_searched_has_the_metrics_of_a_gallery_without_it(make: Callable[[], Problem]) -> None:
    _, items, _, labels = make()
    own = np.arange(len(items))[::3]
    within = query_metrics(items[own], items, labels[own], labels, [1, 5], own=own)
    for i, row in enumerate(own):
        others = np.delete(np.arange(len(items)), row)
        alone = query_metrics(items[[row]], items[others], labels[[row]], labels[others], [1, 5])
        np.testing.assert_allclose(within.precision_at_recall[i], alone.precision_at_recall[0], atol=1e-12)
        for name, values in within.scalars.items():
            assert values[i] == pytest.approx(alone.scalars[name][0], abs=1e-12), name


def test_a_query_alone_in_its_class_cannot_leave_the_gallery() -> None:
    items, labels = np.eye(3), np.array([0, 0, 1])
    with pytest.raises(DataError, match="query 2: 0 relevant items beside itself; expected 2 or more of class 1"):
        by_query(average_precisions, items, items, labels, labels, own=np.arange(3))


def test_scores_too_near_for_the_keys_are_still_told_apart() -> None:
    angles = np.pi / 3 + np.arange(8) * 1e-11  # cosines 1e-11 apart: under a step of the keys, above one of the cosines
    gallery = np.column_stack([np.cos(angles), np.sin(angles)])
    labels = np.array([1, 0, 0, 1, 0, 1, 1, 0])
    expected = average_precision_score(labels == 1, -np.arange(8))
    measured = mean_average_precision(np.array([[1.0, 0.0]]), gallery, np.array([1]), labels)
    assert measured == pytest.approx(expected, abs=1e-12)


def test_nearest_class_is_that_of_the_largest_cosine() -> None:
    query, gallery, _, gallery_labels = problem()
    expected = gallery_labels[cosine_similarity(query, gallery).argmax(axis=1)]
    np.testing.assert_array_equal(nearest_class(query, gallery, gallery_labels), expected)


def test_among_tied_items_the_lowest_class_is_nearest_in_any_order() -> None:
    query, gallery = with_scores([0.3, 0.3, 0.3, 0.1])
    labels = np.array([7, 2, 5, 0])
    assert nearest_class(query, gallery, labels) == nearest_class(query, gallery[::-1], labels[::-1]) == [2]
