"""Principal components, fitted on the rows of the train split."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import scipy.linalg
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from pipeline.errors import DataError

CHUNK_ROWS = 4096


class Pca(NamedTuple):
    """A fitted PCA, all float64: mean (d,), components (k, d) in rows, eigenvalues (k,) of the covariance, falling."""

    mean: NDArray[np.float64]
    components: NDArray[np.float64]
    eigenvalues: NDArray[np.float64]


def fit_pca(rows: NDArray[Any], n_components: int) -> Pca:
    """Return the leading principal components of some rows.

    Each component's coefficient of largest magnitude is positive, which makes its sign unique.

    Args:
        rows: (n, d) finite numbers.
        n_components: how many to keep; less come back where the centred rows have a smaller rank.

    Returns:
        k = min(n_components, rank) components; the eigenvalues are variances with n - 1 in the denominator.

    Raises:
        DataError: the rows are no matrix, fewer than two, not finite or all equal, or n_components is not positive.

    References:
        Jolliffe (2002), Principal component analysis, Springer.
    """
    _check_matrix(rows)
    if len(rows) < 2:
        raise DataError(f"PCA: {len(rows)} row; expected at least 2 to fit on")
    if n_components < 1:
        raise DataError(f"PCA: n_components={n_components}; expected at least 1")
    if (rows == rows[0]).all():
        raise DataError("PCA: all rows are equal; expected rows that differ")
    mean = rows.mean(axis=0, dtype=np.float64)
    eigenvalues, vectors = scipy.linalg.eigh(_covariance(rows, mean))
    eigenvalues, components = eigenvalues[::-1], vectors.T[::-1]
    k = min(n_components, _rank(eigenvalues, len(rows)))
    return Pca(mean, _with_unique_sign(components[:k]), eigenvalues[:k].copy())


def transform(pca: Pca, rows: NDArray[Any], whiten: bool, epsilon: float) -> NDArray[np.float32]:
    """Return rows as coordinates on the principal components.

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
    _check_matrix(rows)
    if rows.shape[1] != len(pca.mean):
        raise DataError(f"PCA: rows of width {rows.shape[1]}; expected {len(pca.mean)}, as fitted")
    axes = pca.components.T  # (d, k)
    if whiten:
        axes = axes / np.sqrt(pca.eigenvalues + epsilon)
    return ((rows - pca.mean) @ axes).astype(np.float32)


def save_pca(pca: Pca, path: Path) -> None:
    """Write a PCA to one safetensors file; the same PCA gives the same bytes."""
    save_file({name: np.ascontiguousarray(array) for name, array in pca._asdict().items()}, path)


def load_pca(path: Path) -> Pca:
    """Return the PCA of a file that `save_pca` wrote.

    Raises:
        DataError: the file is missing or holds no PCA.
    """
    try:
        return Pca(**load_file(path))
    except (OSError, SafetensorError, TypeError) as error:
        raise DataError(f"{path}: {error}; expected a PCA that the stage `features` wrote") from error


def _check_matrix(rows: NDArray[Any]) -> None:
    """Refuse what has no principal components."""
    if rows.ndim != 2:
        raise DataError(f"PCA: an array of shape {rows.shape}; expected (n_rows, n_features)")
    finite = np.isfinite(rows).all(axis=1)
    if not finite.all():
        raise DataError(f"PCA: row {np.argmin(finite)} has NaN or infinite values; expected finite numbers")


def _covariance(rows: NDArray[Any], mean: NDArray[np.float64]) -> NDArray[np.float64]:
    """(d, d) covariance; only a chunk of rows at a time is held in double precision."""
    total = np.zeros((rows.shape[1], rows.shape[1]))
    for start in range(0, len(rows), CHUNK_ROWS):
        centred: NDArray[np.float64] = rows[start : start + CHUNK_ROWS] - mean
        total += centred.T @ centred
    total /= len(rows) - 1
    return total


def _rank(eigenvalues: NDArray[np.float64], n_rows: int) -> int:
    """How many of the falling eigenvalues stand out from rounding; n centred rows span n - 1 dimensions at most."""
    rounding = eigenvalues[0] * len(eigenvalues) * np.finfo(np.float64).eps
    return min(n_rows - 1, int((eigenvalues > rounding).sum()))


def _with_unique_sign(components: NDArray[np.float64]) -> NDArray[np.float64]:
    """Turn each row so that its coefficient of largest magnitude is positive."""
    largest = np.abs(components).argmax(axis=1)
    signs: NDArray[np.float64] = np.sign(components[np.arange(len(components)), largest])
    return components * signs[:, None]
