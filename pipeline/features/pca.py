"""Principal components, fitted on the rows of the train split."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from pipeline.errors import DataError, in_words
from pipeline.settings.paths import AnyPath
from pipeline.settings.regular_files import check_regular

CHUNK_ROWS = 4096  # that are held in double precision


class Pca(NamedTuple):
    """A fitted PCA, all float64: mean (d,), components (k, d) in rows, eigenvalues (k,) of the covariance, falling."""

    mean: NDArray[np.float64]
    components: NDArray[np.float64]
    eigenvalues: NDArray[np.float64]


NO_PCA = Pca(np.zeros(0), np.zeros((0, 0)), np.zeros(0))  # of features that were imported, and went through none


def fit_pca(rows: NDArray[Any], n_components: int) -> Pca:
    """Return the leading principal components of rows, of which some at a time are held in double precision.

    Each component's coefficient of largest magnitude is positive, which makes its sign unique. scikit-learn's ``PCA``
    gives the same up to rounding, but holds all rows in double precision twice, and its solver (LAPACK's syevd, here
    syevr) rounds the last bits in another way.

    Args:
        rows: (n, d) finite numbers.
        n_components: how many to keep; less come back where the centred rows have a smaller rank.

    Returns:
        k = min(n_components, rank) components; the eigenvalues are variances with n - 1 in the denominator.

    Raises:
        DataError: the rows are no matrix or not finite, there are fewer than two, all are equal, or n_components is not
            positive.

    References:
        Jolliffe (2002), Principal component analysis, Springer.

    Example:
        >>> fitted = fit_pca(np.array([[1.0, 2.0], [4.0, 6.0]]), n_components=2)  # one direction, of length 5
        >>> fitted.components.round(3).tolist(), fitted.eigenvalues.round(3).tolist()
        ([[0.6, 0.8]], [12.5])
    """
    from scipy.linalg import eigh  # what only applies a PCA starts without it

    if n_components < 1:
        raise DataError(f"PCA: n_components={n_components}; expected at least 1")
    _check_rows(rows, None)
    if len(rows) < 2:
        raise DataError(f"PCA: {len(rows)} row(s); expected at least 2 to fit on")
    mean = _mean(rows)
    scatter = sum(centred.T @ centred for centred in _centred_chunks(rows, mean))  # (d, d)
    if not np.any(scatter):
        raise DataError("PCA: all rows are equal; expected rows that differ")
    eigenvalues, vectors = eigh(scatter / (len(rows) - 1))
    eigenvalues, components = eigenvalues[::-1], vectors.T[::-1]
    k = min(n_components, _rank(eigenvalues, len(rows)))
    return Pca(mean, _with_unique_sign(components[:k]), eigenvalues[:k].copy())


def transform(pca: Pca, rows: NDArray[Any], whiten: bool, epsilon: float) -> NDArray[np.float32]:
    """Return rows as coordinates on the principal components; only some rows at a time are held in double precision.

    Args:
        pca: what `fit_pca` returned.
        rows: (n, d) finite numbers.
        whiten: divide each coordinate by sqrt(eigenvalue + epsilon).
        epsilon: keeps weak components from being blown up; in the unit of the eigenvalues, used only to whiten.

    Returns:
        (n, k) float32.

    Raises:
        DataError: the rows are no matrix, are not finite, or have another width than the rows that were fitted.

    References:
        Abu-El-Haija et al. (2016), YouTube-8M: a large-scale video classification benchmark, arXiv:1609.08675.
    """
    _check_rows(rows, len(pca.mean))
    axes = pca.components.T  # (d, k)
    if whiten:
        axes = axes / np.sqrt(pca.eigenvalues + epsilon)
    chunks = [(centred @ axes).astype(np.float32) for centred in _centred_chunks(rows, pca.mean)]
    return np.concatenate([np.empty((0, axes.shape[1]), np.float32), *chunks])


def save_pca(pca: Pca, path: AnyPath) -> None:
    """Write a PCA to one safetensors file; equal PCAs give equal bytes."""
    save_file({name: np.ascontiguousarray(array) for name, array in pca._asdict().items()}, path)


def load_pca(path: AnyPath) -> Pca:
    """Return the PCA of a file that `save_pca` wrote.

    Raises:
        DataError: the file is missing or holds no PCA.
    """
    path = Path(path)
    try:
        check_regular(path)
        return Pca(**load_file(path))
    except (OSError, SafetensorError, TypeError) as error:
        raise DataError(f"{path}: {in_words(error)}; expected a PCA that the stage `features` wrote") from error


def _check_rows(rows: NDArray[Any], width: int | None) -> None:
    """Refuse what has no principal components, or other ones than those of ``width``."""
    if rows.ndim != 2:
        raise DataError(f"PCA: an array of shape {rows.shape}; expected (n_rows, n_features)")
    if width is not None and rows.shape[1] != width:
        raise DataError(f"PCA: rows of width {rows.shape[1]}; expected {width}, as in the rows it is fitted on")
    finite = np.isfinite(rows).all(axis=1)
    if not finite.all():
        raise DataError(f"PCA: row {np.argmin(finite)} has NaN or infinite values; expected finite numbers")


def _mean(rows: NDArray[Any]) -> NDArray[np.float64]:
    """(d,) means of the columns; that of a column of equal numbers is exactly that number, so it has no scatter."""
    is_constant = (rows == rows[0]).all(axis=0)
    mean: NDArray[np.float64] = np.where(is_constant, rows[0], rows.mean(axis=0, dtype=np.float64))
    return mean


def _centred_chunks(rows: NDArray[Any], mean: NDArray[np.float64]) -> Iterator[NDArray[np.float64]]:
    """The rows less the mean, CHUNK_ROWS at a time."""
    for start in range(0, len(rows), CHUNK_ROWS):
        yield rows[start : start + CHUNK_ROWS] - mean


def _rank(eigenvalues: NDArray[np.float64], n_rows: int) -> int:
    """How many of the falling eigenvalues stand out from rounding; n centred rows span n - 1 dimensions at most."""
    rounding = eigenvalues[0] * len(eigenvalues) * np.finfo(np.float64).eps
    return min(n_rows - 1, int((eigenvalues > rounding).sum()))


def _with_unique_sign(components: NDArray[np.float64]) -> NDArray[np.float64]:
    """Turn each row so that its coefficient of largest magnitude is positive."""
    largest = np.abs(components).argmax(axis=1)
    signs: NDArray[np.float64] = np.sign(components[np.arange(len(components)), largest])
    return components * signs[:, None]
