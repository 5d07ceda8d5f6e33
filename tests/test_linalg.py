"""Oracles: scikit-learn's iterative CCA, the identities of canonical variates, and pairs of a class written out."""

from typing import Any

import numpy as np
import pytest
import scipy.linalg
from numpy.typing import NDArray
from sklearn.cross_decomposition import CCA

from pipeline.errors import DataError
from pipeline.linalg import Cca, Covariances, cca, cca_from_covariances, cluster_cca, cluster_covariances, covariances

Array = NDArray[Any]


def views(n: int = 200, x_width: int = 6, y_width: int = 4, seed: int = 0) -> tuple[Array, Array]:
    """Two views of three hidden variables, each under noise and a mixing of its own."""
    rng = np.random.default_rng(seed)
    hidden = rng.standard_normal((n, 3)) * [1.0, 0.7, 0.4]
    x = hidden @ rng.standard_normal((3, x_width)) + rng.standard_normal((n, x_width)) + 5
    y = hidden @ rng.standard_normal((3, y_width)) + rng.standard_normal((n, y_width)) - 3
    return x, y


def clusters() -> tuple[Array, Array, Array, Array]:
    """Views of unequal, unpaired counts: x alone has class 8, y alone class 1."""
    rng = np.random.default_rng(0)
    x_labels, y_labels = np.repeat([0, 3, 5, 8], [7, 12, 4, 3]), np.repeat([0, 1, 3, 5], [5, 6, 2, 9])
    centres = rng.standard_normal((9, 5))
    x = centres[x_labels] + 0.5 * rng.standard_normal((26, 5))
    y = centres[y_labels, :4] + 0.5 * rng.standard_normal((22, 4))
    order = rng.permutation(26)
    return x[order], y, x_labels[order], y_labels


def written_out(x: Array, y: Array, x_labels: Array, y_labels: Array) -> tuple[Array, Array]:
    """All pairs (x_i, y_j) of one class, as paired rows."""
    i, j = np.nonzero(x_labels[:, None] == y_labels[None, :])
    return x[i], y[j]


def assert_same(found: Cca | Covariances, expected: Cca | Covariances, tolerance: float) -> None:
    for name, a, b in zip(found._fields, found, expected, strict=True):
        np.testing.assert_allclose(a, b, atol=tolerance, err_msg=name)


def test_correlations_agree_with_scikit_learn() -> None:
    x, y = views()
    x_scores, y_scores = CCA(n_components=3, max_iter=5000, tol=1e-12).fit_transform(x, y)
    expected = [np.corrcoef(x_scores[:, k], y_scores[:, k])[0, 1] for k in range(3)]
    np.testing.assert_allclose(cca(x, y, 3, ridge=0).correlations, expected, atol=1e-6)


@pytest.mark.parametrize(("x_width", "y_width"), [(40, 70), (70, 40)])
@pytest.mark.parametrize("n_components", [1, 12, 40])
def test_the_leading_components_are_those_of_the_whole_decomposition(
    x_width: int, y_width: int, n_components: int
) -> None:
    x, y = views(n=150, x_width=x_width, y_width=y_width)
    white = [scipy.linalg.inv(scipy.linalg.sqrtm(np.cov(view, rowvar=False, bias=True))) for view in (x, y)]
    between = (x - x.mean(axis=0)).T @ (y - y.mean(axis=0)) / len(x)
    u, values, vt = scipy.linalg.svd(white[0] @ between @ white[1], lapack_driver="gesvd")
    expected_x, expected_y = white[0] @ u[:, :n_components], white[1] @ vt[:n_components].T
    signs = np.sign(expected_x[np.abs(expected_x).argmax(axis=0), np.arange(n_components)])
    found = cca(x, y, n_components, ridge=0)
    np.testing.assert_allclose(found.correlations, values[:n_components], atol=1e-12)
    np.testing.assert_allclose(found.x_projection, expected_x * signs, atol=1e-8)
    np.testing.assert_allclose(found.y_projection, expected_y * signs, atol=1e-8)


@pytest.mark.parametrize("smallest", [1e-3, 1e-16])
@pytest.mark.parametrize(("x_width", "y_width"), [(30, 50), (50, 30)])
def test_correlations_that_are_nearly_nothing_keep_their_size_and_white_variates(
    smallest: float, x_width: int, y_width: int
) -> None:
    rng = np.random.default_rng(0)
    known = np.geomspace(1, smallest, 30)
    turns = [np.linalg.qr(rng.standard_normal((width, width)))[0][:, :30] for width in (x_width, y_width)]
    between = turns[0] * known @ turns[1].T
    of_white = Covariances(np.zeros(x_width), np.zeros(y_width), np.eye(x_width), np.eye(y_width), between)
    found = cca_from_covariances(of_white, 30, ridge=0)
    np.testing.assert_allclose(found.correlations, known, atol=1e-12 if smallest > 1e-8 else 1e-8)
    for projection in (found.x_projection, found.y_projection):
        np.testing.assert_allclose(projection.T @ projection, np.eye(30), atol=1e-12)


def test_more_components_than_rows_have_the_correlations_of_the_whole_decomposition() -> None:
    x, y = views(n=12, x_width=60, y_width=50)
    found = cca(x, y, 50, ridge=0.1)
    ridged = [
        of + 0.1 * np.diag(of).mean() * np.eye(len(of)) for of in (np.cov(v, rowvar=False, bias=True) for v in (x, y))
    ]
    white = [np.linalg.inv(np.linalg.cholesky(of)) for of in ridged]
    between = white[0] @ ((x - x.mean(axis=0)).T @ (y - y.mean(axis=0)) / 12) @ white[1].T
    np.testing.assert_allclose(found.correlations, np.linalg.svd(between, compute_uv=False), atol=1e-9)
    assert found.correlations[11:].max() < 1e-9
    for projection, of in zip((found.x_projection, found.y_projection), ridged, strict=True):
        np.testing.assert_allclose(projection.T @ of @ projection, np.eye(50), atol=1e-9)


def test_the_projected_views_correlate_as_stated() -> None:
    x, y = views()
    fitted = cca(x, y, 4, ridge=0)
    found = np.corrcoef(fitted.x_variates(x), fitted.y_variates(y), rowvar=False)[:4, 4:]
    np.testing.assert_allclose(found, np.diag(fitted.correlations), atol=1e-10)


def test_variates_are_white() -> None:
    x, y = views()
    fitted = cca(x, y, 4, ridge=0)
    for variates in (fitted.x_variates(x), fitted.y_variates(y)):
        np.testing.assert_allclose(np.cov(variates, rowvar=False, bias=True), np.eye(4), atol=1e-10)


def test_variates_of_the_fitted_rows_have_mean_zero() -> None:
    x, y = views()
    fitted = cca(x, y, 4, ridge=0.1)
    np.testing.assert_allclose([fitted.x_variates(x).mean(axis=0), fitted.y_variates(y).mean(axis=0)], 0, atol=1e-10)


def test_a_view_correlates_fully_with_itself() -> None:
    x, _ = views()
    np.testing.assert_allclose(cca(x, x, 6, ridge=0).correlations, 1, atol=1e-9)


def test_independent_views_hardly_correlate() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((20_000, 3)), rng.standard_normal((20_000, 3))
    assert cca(x, y, 3, ridge=0).correlations.max() < 0.03


def test_without_a_ridge_affine_maps_of_a_view_change_no_correlation() -> None:
    x, y = views()
    mixing = np.random.default_rng(1).standard_normal((6, 6)) * np.logspace(-4, 4, 6)
    expected = cca(x, y, 4, ridge=0).correlations
    np.testing.assert_allclose(cca(x @ mixing + 100, y, 4, ridge=0).correlations, expected, atol=1e-8)


def test_swapping_the_views_swaps_the_projections() -> None:
    x, y = views()
    forth, back = cca(x, y, 4, ridge=0.01), cca(y, x, 4, ridge=0.01)
    np.testing.assert_allclose(np.abs(back.x_projection), np.abs(forth.y_projection), atol=1e-9)


def test_the_ridge_is_a_share_of_the_mean_variance() -> None:
    x, y = views()
    expected = cca(x, y, 4, ridge=0.2).correlations
    np.testing.assert_allclose(cca(1000 * x, y / 1000, 4, ridge=0.2).correlations, expected, atol=1e-12)


def test_a_ridge_whitens_the_covariance_plus_that_share_of_its_mean_diagonal() -> None:
    x, y = views()
    projection = cca(x, y, 4, ridge=0.2).x_projection
    covariance = np.cov(x, rowvar=False, bias=True)
    ridged = covariance + 0.2 * np.diag(covariance).mean() * np.eye(6)
    np.testing.assert_allclose(projection.T @ ridged @ projection, np.eye(4), atol=1e-10)


def test_the_largest_weight_of_each_component_is_positive() -> None:
    projection = cca(*views(), 4, ridge=0).x_projection
    assert (projection.max(axis=0) == np.abs(projection).max(axis=0)).all()


def test_covariances_agree_with_numpy_over_several_blocks_of_float32() -> None:
    x, y = (view.astype(np.float32) for view in views(n=10_000))
    expected = np.cov(np.hstack([x, y]).astype(np.float64), rowvar=False, bias=True)
    found = covariances(x, y)
    np.testing.assert_allclose(np.block([[found.xx, found.xy], [found.xy.T, found.yy]]), expected, atol=1e-12)
    np.testing.assert_allclose(found.x_mean, x.astype(np.float64).mean(axis=0), rtol=1e-12)


def test_a_far_mean_costs_no_precision() -> None:
    x, y = views()
    shifted = covariances(x + 1e6, y - 1e6)
    np.testing.assert_allclose(shifted.xy, covariances(x, y).xy, atol=1e-8)


def test_cluster_covariances_are_those_of_all_pairs_of_a_class() -> None:
    expected = covariances(*written_out(*clusters()))
    assert_same(cluster_covariances(*clusters()), expected, 1e-12)


def test_cluster_covariances_of_float32_rows_are_summed_in_float64() -> None:
    x, y, *labels = clusters()
    rows = [(view + 100).astype(np.float32) for view in (x, y)]
    expected = covariances(*written_out(*(view.astype(np.float64) for view in rows), *labels))
    assert_same(cluster_covariances(*rows, *labels), expected, 1e-11)


def test_cluster_covariances_are_exact_over_several_blocks_of_rows() -> None:
    x, y = views(n=10_000)
    x_labels, y_labels = np.arange(10_000) % 7 // 2, np.array([0, 0, 1, 2, 3])
    expected = covariances(*written_out(x, y[:5], x_labels, y_labels))
    assert_same(cluster_covariances(x, y[:5], x_labels, y_labels), expected, 1e-11)


def test_cluster_cca_is_the_cca_of_all_pairs_of_a_class() -> None:
    expected = cca(*written_out(*clusters()), 2, ridge=0.01)
    assert_same(cluster_cca(*clusters(), 2, ridge=0.01), expected, 1e-9)


def test_cluster_cca_of_one_clip_a_class_is_cca() -> None:
    x, y = views(n=30)
    classes = np.arange(30)
    assert_same(cluster_cca(x, y, classes, classes, 4, ridge=0.01), cca(x, y, 4, ridge=0.01), 1e-9)


def test_two_shared_classes_are_enough() -> None:
    x, y, x_labels, y_labels = clusters()
    two = x[x_labels != 0], y, x_labels[x_labels != 0], y_labels
    assert_same(cluster_cca(*two, 3, ridge=0.01), cca(*written_out(*two), 1, ridge=0.01), 1e-9)


def test_cluster_components_are_capped_at_the_shared_classes_less_one() -> None:
    assert cluster_cca(*clusters(), 5, ridge=0.01).correlations.shape == (2,)


def test_cluster_components_are_capped_at_the_width_of_the_narrower_view() -> None:
    x, y = views(n=30)
    classes = np.arange(30)
    assert cluster_cca(x, y, classes, classes, 9, ridge=0.01).correlations.shape == (4,)
    assert cluster_cca(y, x, classes, classes, 9, ridge=0.01).correlations.shape == (4,)


def test_beyond_the_cap_nothing_correlates() -> None:
    assert cca(*written_out(*clusters()), 3, ridge=0.01).correlations[2] == pytest.approx(0, abs=1e-9)


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
