"""What retrieval says of embeddings, labels and numbers that it cannot take."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.errors import DataError, ParamsError
from pipeline.evaluate.chance import chance_map
from pipeline.evaluate.query_metrics import evaluate_retrieval
from pipeline.retrieval import average_precision, mean_average_precision

Array = NDArray[Any]


def problem() -> tuple[Array, Array, Array, Array]:
    """40 queries and 60 items, 5 wide, and their labels."""
    rng = np.random.default_rng(0)
    return rng.standard_normal((40, 5)), rng.standard_normal((60, 5)), np.arange(40) % 4, np.arange(60) % 4


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_row_that_is_not_finite_is_named(value: float) -> None:
    query, gallery, query_labels, gallery_labels = problem()
    gallery[7, 2] = value
    with pytest.raises(DataError, match="gallery: row 7 has NaN or infinite values"):
        mean_average_precision(query, gallery, query_labels, gallery_labels)


def test_different_widths_are_refused() -> None:
    query, gallery, query_labels, gallery_labels = problem()
    with pytest.raises(DataError, match="query is 4 wide, gallery 5; expected one width"):
        mean_average_precision(query[:, :4], gallery, query_labels, gallery_labels)


def test_an_empty_gallery_is_refused() -> None:
    query, gallery, query_labels, gallery_labels = problem()
    with pytest.raises(DataError, match=r"gallery: shape \(0, 5\); expected \(n, d\)"):
        mean_average_precision(query, gallery[:0], query_labels, gallery_labels[:0])


@pytest.mark.parametrize("side", ["query", "gallery"])
def test_labels_that_do_not_match_their_rows_are_refused(side: str) -> None:
    query, gallery, query_labels, gallery_labels = problem()
    labels = {"query": query_labels, "gallery": gallery_labels}
    labels[side] = labels[side][:-1]
    with pytest.raises(DataError, match=rf"{side} labels: shape .*; expected .*, one a row"):
        mean_average_precision(query, gallery, labels["query"], labels["gallery"])


def test_a_query_whose_class_is_not_in_the_gallery_is_named() -> None:
    query, gallery, query_labels, gallery_labels = problem()
    query_labels[3] = 9
    with pytest.raises(DataError, match="query 3: 0 relevant items; expected at least 1 of class 9 in the gallery"):
        mean_average_precision(query, gallery, query_labels, gallery_labels)


def test_a_similarity_row_with_nothing_relevant_is_named() -> None:
    with pytest.raises(DataError, match="query 1: 0 relevant items"):
        average_precision(np.zeros((2, 2)), np.array([[True, False], [False, False]]))


def test_a_similarity_that_is_not_finite_is_refused() -> None:
    with pytest.raises(DataError, match="similarity has NaN or infinite values"):
        average_precision(np.array([[np.nan, 0.0]]), np.array([[True, False]]))


def test_similarity_and_relevance_of_different_shapes_are_refused() -> None:
    with pytest.raises(DataError, match=r"similarity \(1, 2\), relevant \(1, 3\); expected one matrix shape"):
        average_precision(np.zeros((1, 2)), np.ones((1, 3), dtype=bool))


def test_relevance_in_numbers_is_refused_because_numbers_would_count_as_places() -> None:
    with pytest.raises(DataError, match="relevant: int64; expected bool"):
        average_precision(np.array([[0.9, 0.8, 0.1]]), np.array([[0, 0, 1]]))


def test_a_cutoff_below_one_is_refused() -> None:
    with pytest.raises(ParamsError, match="first 0 items; expected a number of at least 1"):
        evaluate_retrieval(*problem(), [1, 0])


def test_fewer_than_two_permutations_are_refused() -> None:
    with pytest.raises(ParamsError, match="n_permutations=1; expected at least 2"):
        chance_map(np.array([0]), np.array([0]), 1, seed=0)
