"""Principal components, fitted on the rows of the train split."""

from collections.abc import Iterable, Iterator
from functools import reduce
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import scipy.linalg
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from pipeline.errors import DataError
from pipeline.settings.paths import AnyPath

CHUNK_ROWS = 4096


class Pca(NamedTuple):
    """A fitted PCA, all float64: mean (d,), components (k, d) in rows, eigenvalues (k,) of the covariance, falling."""

    mean: NDArray[np.float64]
    components: NDArray[np.float64]
    eigenvalues: NDArray[np.float64]


NO_PCA = Pca(np.zeros(0), np.zeros((0, 0)), np.zeros(0))  # of features that were imported, and went through none


class _Moments(NamedTuple):
    """Of some rows: how many, mean (d,), and scatter (d, d), the sum of the centred rows' outer products."""

    n_rows: int
    mean: NDArray[np.float64]
    scatter: NDArray[np.float64]


NO_ROWS = _Moments(0, np.zeros(1), np.zeros((1, 1)))  # broadcasts to any width


def fit_pca(blocks: Iterable[NDArray[Any]], n_components: int) -> Pca:
    """Return the leading principal components of rows that come in blocks; memory is O(d^2) however many they are.

    Each component's coefficient of largest magnitude is positive, which makes its sign unique. How the rows are cut
    into blocks changes nothing.

    Args:
        blocks: (b, d) finite numbers each, b may differ; read once.
        n_components: how many to keep; less come back where the centred rows have a smaller rank.

    Returns:
        k = min(n_components, rank) components; the eigenvalues are variances with n - 1 in the denominator.

    Raises:
        DataError: a block is no matrix, is not finite or has another width than the first, there are fewer than two
            rows, all are equal, or n_components is not positive.

    References:
        Jolliffe (2002), Principal component analysis, Springer. Chan, Golub & LeVeque (1983), Algorithms for computing
        the sample variance, The American Statistician.
    """
    if n_components < 1:
        raise DataError(f"PCA: n_components={n_components}; expected at least 1")
    moments = reduce(_joined, map(_chunk_moments, _chunks(blocks)), NO_ROWS)
    if moments.n_rows < 2:
        raise DataError(f"PCA: {moments.n_rows} row(s); expected at least 2 to fit on")
    if not moments.scatter.any():
        raise DataError("PCA: all rows are equal; expected rows that differ")
    eigenvalues, vectors = scipy.linalg.eigh(moments.scatter / (moments.n_rows - 1))
    eigenvalues, components = eigenvalues[::-1], vectors.T[::-1]
    k = min(n_components, _rank(eigenvalues, moments.n_rows))
    return Pca(moments.mean, _with_unique_sign(components[:k]), eigenvalues[:k].copy())


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
    _check_block(rows, 0, len(pca.mean))
    axes = pca.components.T  # (d, k)
    if whiten:
        axes = axes / np.sqrt(pca.eigenvalues + epsilon)
    coordinates = np.empty((len(rows), axes.shape[1]), np.float32)
    for start in range(0, len(rows), CHUNK_ROWS):
        coordinates[start : start + CHUNK_ROWS] = (rows[start : start + CHUNK_ROWS] - pca.mean) @ axes
    return coordinates


def save_pca(pca: Pca, path: AnyPath) -> None:
    """Write a PCA to one safetensors file; the same PCA gives the same bytes."""
    save_file({name: np.ascontiguousarray(array) for name, array in pca._asdict().items()}, path)


def load_pca(path: AnyPath) -> Pca:
    """Return the PCA of a file that `save_pca` wrote.

    Raises:
        DataError: the file is missing or holds no PCA.
    """
    path = Path(path)
    try:
        return Pca(**load_file(path))
    except (OSError, SafetensorError, TypeError) as error:
        raise DataError(f"{path}: {error}; expected a PCA that the stage `features` wrote") from error


def _check_block(rows: NDArray[Any], first_row: int, width: int | None) -> None:
    """Refuse what has no principal components, or other ones; rows are counted from ``first_row``."""
    if rows.ndim != 2:
        raise DataError(f"PCA: an array of shape {rows.shape}; expected (n_rows, n_features)")
    if width is not None and rows.shape[1] != width:
        raise DataError(f"PCA: rows of width {rows.shape[1]}; expected {width}, as in the rows it is fitted on")
    finite = np.isfinite(rows).all(axis=1)
    if not finite.all():
        row = first_row + int(np.argmin(finite))
        raise DataError(f"PCA: row {row} has NaN or infinite values; expected finite numbers")


def _chunks(blocks: Iterable[NDArray[Any]]) -> Iterator[NDArray[np.float64]]:
    """The rows of all blocks, CHUNK_ROWS at a time: the same chunks however the rows were cut."""
    chunk, n_filled, n_seen = np.empty((0, 0)), 0, 0
    for block in blocks:
        _check_block(block, n_seen, chunk.shape[1] if n_seen else None)
        n_seen += len(block)
        while len(block):
            if n_filled == 0:
                chunk = np.empty((CHUNK_ROWS, block.shape[1]))
            part, block = np.split(block, [CHUNK_ROWS - n_filled])
            chunk[n_filled : n_filled + len(part)] = part
            n_filled = (n_filled + len(part)) % CHUNK_ROWS
            if n_filled == 0:
                yield chunk
    if n_filled:
        yield chunk[:n_filled]


def _chunk_moments(rows: NDArray[np.float64]) -> _Moments:
    """Moments of one chunk; the mean of a column of equal numbers is exactly that number, so they have no scatter."""
    is_constant = (rows == rows[0]).all(axis=0)
    mean = np.where(is_constant, rows[0], rows.mean(axis=0))
    centred = rows - mean
    return _Moments(len(rows), mean, centred.T @ centred)


def _joined(one: _Moments, other: _Moments) -> _Moments:
    """Moments of the rows of both: no large numbers are subtracted from each other."""
    n_rows = one.n_rows + other.n_rows
    step = other.mean - one.mean
    between = np.outer(step, step) * (one.n_rows * other.n_rows / n_rows)
    return _Moments(n_rows, one.mean + step * (other.n_rows / n_rows), one.scatter + other.scatter + between)


def _rank(eigenvalues: NDArray[np.float64], n_rows: int) -> int:
    """How many of the falling eigenvalues stand out from rounding; n centred rows span n - 1 dimensions at most."""
    rounding = eigenvalues[0] * len(eigenvalues) * np.finfo(np.float64).eps
    return min(n_rows - 1, int((eigenvalues > rounding).sum()))


def _with_unique_sign(components: NDArray[np.float64]) -> NDArray[np.float64]:
    """Turn each row so that its coefficient of largest magnitude is positive."""
    largest = np.abs(components).argmax(axis=1)
    signs: NDArray[np.float64] = np.sign(components[np.arange(len(components)), largest])
    return components * signs[:, None]
