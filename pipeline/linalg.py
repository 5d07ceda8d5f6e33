"""Canonical correlation in closed form, of paired rows and of clusters. Everything is float64.

The maths' letters: x is (n, dx), y is (m, dy), k components; xx, yy and xy are covariances.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import LinAlgError, cholesky, eigh, solve_triangular, svd

from pipeline.errors import DataError

FloatArray = NDArray[np.float64]

_ROWS_PER_BLOCK = 4096


class Covariances(NamedTuple):
    """Means and population covariances of two views.

    Attributes:
        x_mean: (dx,).
        y_mean: (dy,).
        xx: (dx, dx).
        yy: (dy, dy).
        xy: (dx, dy).
    """

    x_mean: FloatArray
    y_mean: FloatArray
    xx: FloatArray
    yy: FloatArray
    xy: FloatArray


class Cca(NamedTuple):
    """A fitted canonical correlation analysis.

    Attributes:
        x_mean: (dx,).
        y_mean: (dy,).
        x_projection: (dx, k); the variates of x have unit variance and are uncorrelated (up to the ridge).
        y_projection: (dy, k).
        correlations: (k,) in [0, 1], falling; of the variates of x and y, less than that where the ridge shrinks.
    """

    x_mean: FloatArray
    y_mean: FloatArray
    x_projection: FloatArray
    y_projection: FloatArray
    correlations: FloatArray

    def x_variates(self, x: NDArray[np.floating]) -> FloatArray:
        """Return (n, k) canonical variates of x (n, dx)."""
        return np.asarray((x - self.x_mean) @ self.x_projection)

    def y_variates(self, y: NDArray[np.floating]) -> FloatArray:
        """Return (n, k) canonical variates of y (n, dy)."""
        return np.asarray((y - self.y_mean) @ self.y_projection)


def cca(x: NDArray[np.floating], y: NDArray[np.floating], n_components: int, ridge: float) -> Cca:
    """Return the directions in which paired views correlate most.

    The sign of a component is free; the largest weight of its x projection is made positive.

    Args:
        x: (n, dx); row i belongs to row i of y.
        y: (n, dy).
        n_components: k, at most min(dx, dy).
        ridge: added to each variance, as a share of the view's mean variance; 0 for none.

    Raises:
        DataError: rows do not pair or are too few, a value is not finite, there are fewer than n_components
            directions, or a covariance is singular with this ridge or too large.

    References:
        Hotelling (1936), Relations between two sets of variates, Biometrika 28.
        Vinod (1976), Canonical ridge and econometrics of joint production, Journal of Econometrics 4, for the ridge.

    Example:
        >>> x = np.random.default_rng(0).normal(size=(100, 3))
        >>> y = x[:, :2] @ [[1, 2], [3, 4]] + 5  # a linear map of two of the three columns
        >>> cca(x, y, n_components=2, ridge=0).correlations.round(6).tolist()
        [1.0, 1.0]
    """
    return cca_from_covariances(covariances(x, y), n_components, ridge)


def cluster_cca(
    x: NDArray[np.floating],
    y: NDArray[np.floating],
    x_labels: NDArray[np.integer],
    y_labels: NDArray[np.integer],
    n_components: int,
    ridge: float,
) -> Cca:
    """Return the CCA of all pairs (x_i, y_j) of one class, without making a pair.

    The classes' means alone carry xy, so its rank is at most the number of classes less one: k is capped there (and at
    min(dx, dy)), because a further component would point anywhere.

    Args:
        x: (n, dx).
        y: (m, dy); its rows need not pair with those of x, nor be as many.
        x_labels: (n,) classes.
        y_labels: (m,) classes; rows of a class that only one view has are left out.
        n_components: k before the cap.
        ridge: as in ``cca``.

    Raises:
        DataError: as ``cca``, or labels do not match their rows, or fewer than two classes are in both views.

    References:
        Rasiwasia, Mahajan, Mahadevan & Aggarwal (2014), Cluster canonical correlation analysis, AISTATS.
    """
    n_classes = len(_shared_classes(x_labels, y_labels))
    n_directions = min(n_classes - 1, x.shape[1], y.shape[1])
    pairs = cluster_covariances(x, y, x_labels, y_labels)
    return cca_from_covariances(pairs, min(n_components, n_directions), ridge)


def covariances(x: NDArray[np.floating], y: NDArray[np.floating]) -> Covariances:
    """Return means and covariances over rows, each block of rows turned to float64 by itself.

    Args:
        x: (n, dx).
        y: (n, dy), row i paired with row i of x.

    Raises:
        DataError: x or y is no finite matrix, their numbers of rows differ, or there are fewer than two rows.
    """
    x_mean, y_mean = _finite_mean(x, "x"), _finite_mean(y, "y")
    if len(x) != len(y) or len(x) < 2:
        raise DataError(f"{len(x)} rows of x, {len(y)} rows of y; expected as many of both, at least 2")
    d_x, d_y = x.shape[1], y.shape[1]
    xx, yy, xy = np.zeros((d_x, d_x)), np.zeros((d_y, d_y)), np.zeros((d_x, d_y))
    for x_block, y_block in zip(_centred_blocks(x, x_mean), _centred_blocks(y, y_mean), strict=True):
        xx += x_block.T @ x_block
        yy += y_block.T @ y_block
        xy += x_block.T @ y_block
    return Covariances(x_mean, y_mean, xx / len(x), yy / len(x), xy / len(x))


def cluster_covariances(
    x: NDArray[np.floating], y: NDArray[np.floating], x_labels: NDArray[np.integer], y_labels: NDArray[np.integer]
) -> Covariances:
    """Return means and covariances over all pairs (x_i, y_j) of one class, exact, in time linear in n + m.

    A row of x occurs once for each row of y of its class, so class counts weigh the rows; and the sum over the pairs of
    a class of x_i y_j' factorises into the two class means.

    Args:
        x: (n, dx).
        y: (m, dy).
        x_labels: (n,).
        y_labels: (m,).

    Raises:
        DataError: as ``cluster_cca``.
    """
    for rows, labels, name in ((x, x_labels, "x"), (y, y_labels, "y")):
        _finite_mean(rows, name)
        if labels.shape != (len(rows),):
            raise DataError(f"labels of {name}: shape {labels.shape}; expected ({len(rows)},), one a row")
    classes = _shared_classes(x_labels, y_labels)
    x_counts = (x_labels == classes[:, None]).sum(axis=1)  # (n_classes,)
    y_counts = (y_labels == classes[:, None]).sum(axis=1)
    share = x_counts * y_counts / float(x_counts @ y_counts)  # of the pairs, by class
    x_means, y_means = _class_means(x, x_labels, classes), _class_means(y, y_labels, classes)
    x_mean, y_mean = _spared_of_rounding(share @ x_means, x), _spared_of_rounding(share @ y_means, y)
    xx = _weighted_covariance(x, x_mean, _row_weights(x_labels, classes, share / x_counts))
    yy = _weighted_covariance(y, y_mean, _row_weights(y_labels, classes, share / y_counts))
    xy = (share[:, None] * (x_means - x_mean)).T @ (y_means - y_mean)
    return Covariances(x_mean, y_mean, xx, yy, xy)


def cca_from_covariances(views: Covariances, n_components: int, ridge: float) -> Cca:
    """Return the CCA of two views of which only the covariances are known: a singular value decomposition, whitened.

    Args:
        views: means and covariances.
        n_components: k, at most min(dx, dy).
        ridge: as in ``cca``.

    Raises:
        DataError: n_components or ridge is out of range, or a covariance is singular with this ridge or too large.
    """
    if not 1 <= n_components <= min(views.xy.shape):
        raise DataError(
            f"n_components={n_components}; expected 1 to {min(views.xy.shape)}, the smaller of the views' widths"
        )
    if not ridge >= 0:
        raise DataError(f"ridge={ridge}; expected 0 or more (a share of the mean variance)")
    x_whitening, y_whitening = _whitening(views.xx, ridge, "x"), _whitening(views.yy, ridge, "y")
    u, correlations, v = _leading_triplets(x_whitening.T @ views.xy @ y_whitening, n_components)
    x_projection, y_projection = x_whitening @ u, y_whitening @ v  # (dx, k), (dy, k)
    largest = np.abs(x_projection).argmax(axis=0)
    signs = np.sign(x_projection[largest, np.arange(n_components)])
    return Cca(
        views.x_mean,
        views.y_mean,
        x_projection * signs,
        y_projection * signs,
        np.clip(correlations, 0.0, 1.0),
    )


def _leading_triplets(matrix: FloatArray, k: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    """The k largest singular values of a matrix (p, q), falling, between their vectors: (p, k), (k,), (q, k).

    A whole decomposition of a thousand columns takes seconds, and few of its directions are wanted. The eigenvectors of
    the smaller product of the matrix with itself span those; a decomposition within their span gives back the small
    values that the squares lose, to 1e-8 of the largest, and those above a thousandth of it to rounding.

    References:
        Parlett (1998), The Symmetric Eigenvalue Problem, chapter 11, for the best vectors within a span.
    """
    if matrix.shape[0] > matrix.shape[1]:
        v, values, u = _leading_triplets(matrix.T, k)
        return u, values, v
    span = eigh(matrix @ matrix.T, driver="evd")[1][:, : -k - 1 : -1]  # (p, k)
    # LAPACK's gesdd, scipy's default, gives up on some matrices of low rank; gesvd does not.
    turn, values, vt = svd(span.T @ matrix, full_matrices=False, lapack_driver="gesvd")
    return span @ turn, values, vt.T


def _whitening(covariance: FloatArray, ridge: float, view: str) -> FloatArray:
    """A matrix W (d, d) with W' (covariance + ridge) W = I, by the Cholesky factor of the correlations."""
    width = len(covariance)
    ridged = covariance + ridge * np.trace(covariance) / width * np.eye(width)
    if not np.isfinite(ridged).all():
        raise DataError(f"{view}: covariance with ridge={ridge} exceeds float64; expected smaller features or ridge")
    deviations = np.sqrt(np.diag(ridged))
    singular = DataError(
        f"{view}: covariance of {width} features is singular with ridge={ridge} (constant features, dependent ones, "
        f"or too few rows); expected a larger ridge"
    )
    if not deviations.min() > 0:
        raise singular
    try:
        factor = cholesky(ridged / np.outer(deviations, deviations), lower=True)
    except LinAlgError as error:
        raise singular from error
    if np.diag(factor).min() ** 2 < 10 * width * np.finfo(np.float64).eps:
        raise singular
    inverse = solve_triangular(factor, np.eye(width), lower=True)
    return np.asarray(inverse.T / deviations[:, None])


def _finite_mean(rows: NDArray[np.floating], name: str) -> FloatArray:
    """The mean (d,) of a matrix; a value that is not finite shows in it."""
    if rows.ndim != 2 or 0 in rows.shape:
        raise DataError(f"{name}: shape {rows.shape}; expected (n, d), neither of them 0")
    mean = rows.mean(axis=0, dtype=np.float64)
    if (bad := np.flatnonzero(~np.isfinite(mean))).size:
        raise DataError(f"{name}: feature {bad[0]} has NaN or infinite values; expected finite numbers")
    return _spared_of_rounding(mean, rows)


def _spared_of_rounding(mean: FloatArray, rows: NDArray[np.floating]) -> FloatArray:
    """The mean (d,), a constant feature's exactly its number: the rounding of its sum would look like a variance."""
    return np.asarray(np.where(np.ptp(rows, axis=0) == 0, rows[0], mean), np.float64)


def _centred_blocks(rows: NDArray[np.floating], mean: FloatArray) -> Iterator[FloatArray]:
    """Consecutive blocks of rows, as float64, less the mean."""
    for start in range(0, len(rows), _ROWS_PER_BLOCK):
        yield rows[start : start + _ROWS_PER_BLOCK] - mean


def _weighted_covariance(rows: NDArray[np.floating], mean: FloatArray, weights: FloatArray) -> FloatArray:
    """The sum of w_i (row_i - mean)(row_i - mean)', (d, d)."""
    total = np.zeros((rows.shape[1], rows.shape[1]))
    roots = np.sqrt(weights)[:, None]
    for i, block in enumerate(_centred_blocks(rows, mean)):
        block *= roots[i * _ROWS_PER_BLOCK : (i + 1) * _ROWS_PER_BLOCK]
        total += block.T @ block
    return total


def _shared_classes(x_labels: NDArray[np.integer], y_labels: NDArray[np.integer]) -> NDArray[np.integer]:
    """The classes in both views, sorted."""
    classes = np.intersect1d(x_labels, y_labels)
    if len(classes) < 2:
        raise DataError(f"{len(classes)} classes are in both views; expected at least 2")
    return classes


def _class_means(rows: NDArray[np.floating], labels: NDArray[np.integer], classes: NDArray[np.integer]) -> FloatArray:
    """The mean of each class, (n_classes, d)."""
    return np.stack([rows[labels == c].mean(axis=0, dtype=np.float64) for c in classes])


def _row_weights(labels: NDArray[np.integer], classes: NDArray[np.integer], class_weights: FloatArray) -> FloatArray:
    """Each row's weight: that of its class, 0 for a class not among ``classes``."""
    place = np.searchsorted(classes, labels).clip(max=len(classes) - 1)
    return np.where(classes[place] == labels, class_weights[place], 0.0)
