"""Oracles: scikit-learn's iterative CCA, the identities of canonical variates, and pairs of a class written out."""

import numpy as np
import pytest
import scipy.linalg
from sklearn.cross_decomposition import CCA

from pipeline.linalg import Cca, Covariances, cca, cca_from_covariances, cluster_cca, cluster_covariances, covariances
from tests.helpers.correlated import Array, clusters, views


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
