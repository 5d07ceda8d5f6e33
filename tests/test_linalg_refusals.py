"""What views CCA takes, and what it says of those that it cannot."""

import numpy as np
import pytest

from pipeline.errors import DataError
from pipeline.linalg import cca, cca_from_covariances, cluster_cca, covariances
from tests.helpers.correlated import clusters, views


@pytest.mark.parametrize("n_components", [0, 5])
def test_components_that_cannot_be_are_refused(n_components: int) -> None:
    with pytest.raises(DataError, match=f"n_components={n_components}; expected 1 to 4"):
        cca(*views(), n_components, ridge=0)


@pytest.mark.parametrize("ridge", [-0.1, np.nan])
def test_a_ridge_below_zero_is_refused(ridge: float) -> None:
    with pytest.raises(DataError, match=r"ridge=.*; expected 0 or more"):
        cca_from_covariances(covariances(*views()), 1, ridge)


@pytest.mark.parametrize("spoil", ["constant", "copied", "combined"])
def test_a_singular_covariance_asks_for_a_ridge(spoil: str) -> None:
    x, y = views()
    x[:, 5] = {"constant": np.full(200, 2.5), "copied": x[:, 0], "combined": x[:, 0] - 3 * x[:, 1]}[spoil]
    with pytest.raises(DataError, match=r"x: covariance of 6 features is singular with ridge=0 .*larger ridge"):
        cca(x, y, 2, ridge=0)


@pytest.mark.parametrize("value", [0.1, 0.3, 1e8 / 3])  # their sums are rounded, and so is the mean
def test_a_constant_feature_has_no_variance_of_rounding(value: float) -> None:
    x, y = views()
    x[:, 5] = value
    labels = np.arange(200) % 7
    with pytest.raises(DataError, match="x: covariance of 6 features is singular with ridge=0"):
        cca(x, y, 2, ridge=0)
    with pytest.raises(DataError, match="x: covariance of 6 features is singular with ridge=0"):
        cluster_cca(x, y, labels, labels, 2, ridge=0)


@pytest.mark.parametrize("seed", range(8))
def test_a_covariance_that_only_rounding_errors_make_regular_is_singular(seed: int) -> None:
    x, y = views(seed=seed)
    x[:, 5] = x[:, 0] - 3 * x[:, 1]
    with pytest.raises(DataError, match="singular with ridge=0"):
        cca(x, y, 2, ridge=0)


def test_fewer_rows_than_features_ask_for_a_ridge() -> None:
    x, y = views(n=5)
    with pytest.raises(DataError, match="singular with ridge=0"):
        cca(x, y, 2, ridge=0)


def test_a_ridge_makes_a_singular_covariance_usable() -> None:
    x, y = views()
    with_copy = np.hstack([x, x[:, :1]])
    assert np.isfinite(cca(with_copy, y, 4, ridge=1e-4).x_projection).all()


def test_features_whose_squares_have_no_float64_are_refused() -> None:
    x, y = views()
    too_large = r"y: covariance with ridge=0.1 exceeds float64; expected smaller features"
    with np.errstate(all="ignore"), pytest.raises(DataError, match=too_large):
        cca(x, 1e200 * y, 1, ridge=0.1)


def test_rows_that_do_not_pair_are_refused() -> None:
    x, y = views()
    with pytest.raises(DataError, match="200 rows of x, 199 rows of y; expected as many of both"):
        cca(x, y[:-1], 2, ridge=0)


def test_two_rows_correlate_but_for_what_the_ridges_take() -> None:
    x, y = views(n=2)  # a single direction each, of all the variance: 6 and 4 times the mean
    expected = 1 / np.sqrt((1 + 0.1 / 6) * (1 + 0.1 / 4))
    np.testing.assert_allclose(cca(x, y, 1, ridge=0.1).correlations, expected, rtol=1e-9)


def test_one_row_is_refused() -> None:
    with pytest.raises(DataError, match="1 rows of x, 1 rows of y; expected as many of both, at least 2"):
        cca(*views(n=1), 1, ridge=0.1)


def test_a_view_that_is_no_matrix_is_refused() -> None:
    with pytest.raises(DataError, match=r"y: shape \(200,\); expected \(n, d\)"):
        cca(views()[0], views()[1][:, 0], 1, ridge=0)


def test_a_view_without_features_is_refused() -> None:
    x, y = views()
    with pytest.raises(DataError, match=r"x: shape \(200, 0\); expected \(n, d\), neither of them 0"):
        cca(x[:, :0], y, 1, ridge=0)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_feature_that_is_not_finite_is_named(value: float) -> None:
    x, y = views()
    y[11, 3] = value
    with pytest.raises(DataError, match="y: feature 3 has NaN or infinite values"):
        cca(x, y, 1, ridge=0)


def test_a_feature_of_clusters_that_is_not_finite_is_named() -> None:
    x, y, x_labels, y_labels = clusters()
    x[4, 2] = np.nan
    with pytest.raises(DataError, match="x: feature 2 has NaN or infinite values"):
        cluster_cca(x, y, x_labels, y_labels, 2, ridge=0.1)


def test_labels_that_do_not_match_their_rows_are_refused() -> None:
    x, y, x_labels, y_labels = clusters()
    with pytest.raises(DataError, match=r"labels of y: shape \(21,\); expected \(22,\), one a row"):
        cluster_cca(x, y, x_labels, y_labels[:-1], 2, ridge=0.1)


def test_a_single_shared_class_is_refused() -> None:
    x, y, x_labels, y_labels = clusters()
    with pytest.raises(DataError, match="1 classes are in both views; expected at least 2"):
        cluster_cca(x, y, np.where(x_labels == 3, 3, 8), y_labels, 2, ridge=0.1)
