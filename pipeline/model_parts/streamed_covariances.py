"""Covariances of paired features that lie in a file: what ``linalg`` makes of rows in memory, some rows at a time."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import DataError
from pipeline.formats.stored_features import SelectedRows
from pipeline.linalg import Covariances, FloatArray
from pipeline.model_parts import row_blocks
from pipeline.model_parts.streamed import StreamedPairs


def covariances_of_pairs(pairs: StreamedPairs) -> Covariances:
    """Return means and covariances of the clips' own pairs, as ``linalg.covariances`` does.

    Args:
        pairs: n clips.

    Raises:
        DataError: there are fewer than two.
    """
    if len(pairs.labels) < 2:
        raise DataError(f"{len(pairs.labels)} rows; expected at least 2")
    ones = np.ones(len(pairs.labels))
    x_mean, y_mean = (_mean(rows, ones / len(ones)) for rows in (pairs.audio, pairs.visual))
    xx, yy, xy = _centred_products(pairs, x_mean, y_mean, ones / len(ones))
    return Covariances(x_mean, y_mean, xx, yy, xy)


def covariances_within_classes(pairs: StreamedPairs) -> Covariances:
    """Return means and covariances of all pairs of one class, as ``linalg.cluster_covariances`` does.

    Args:
        pairs: n clips, each with a label.

    Raises:
        DataError: fewer than two classes occur.
    """
    classes, places, counts = np.unique(pairs.labels, return_inverse=True, return_counts=True)
    if len(classes) < 2:
        raise DataError(f"{len(classes)} classes are in both views; expected at least 2")
    share = counts**2 / float(counts @ counts)  # of the pairs, by class
    weights = (share / counts)[places]  # (n,)
    x_mean, y_mean = (_mean(rows, weights) for rows in (pairs.audio, pairs.visual))
    xx, yy, _ = _centred_products(pairs, x_mean, y_mean, weights)
    x_means, y_means = (_class_means(rows, places, counts) for rows in (pairs.audio, pairs.visual))
    xy = (share[:, None] * (x_means - x_mean)).T @ (y_means - y_mean)
    return Covariances(x_mean, y_mean, xx, yy, xy)


def _blocks(rows: SelectedRows) -> Iterator[tuple[slice, FloatArray]]:
    """Consecutive rows as float64, with their places."""
    for start in range(0, len(rows), row_blocks.ROWS_AT_ONCE):
        block = slice(start, start + row_blocks.ROWS_AT_ONCE)
        yield block, rows[block].astype(np.float64)


def _mean(rows: SelectedRows, weights: FloatArray) -> FloatArray:
    """The weighted mean (d,); a constant feature's is its number, as rounding would look like a variance."""
    first = rows[:1][0].astype(np.float64)
    total, is_constant = np.zeros(len(first)), np.ones(len(first), bool)
    for block, values in _blocks(rows):
        total += weights[block] @ values
        is_constant &= (values == first).all(axis=0)
    return np.where(is_constant, first, total)


def _class_means(rows: SelectedRows, places: NDArray[np.int64], counts: NDArray[np.int64]) -> FloatArray:
    """The mean of each class, (n_classes, d)."""
    sums = np.zeros((len(counts), rows.shape[1]))
    for block, values in _blocks(rows):
        np.add.at(sums, places[block], values)
    return np.asarray(sums / counts[:, None])


def _centred_products(
    pairs: StreamedPairs, x_mean: FloatArray, y_mean: FloatArray, weights: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """The weighted sums of the products of rows less their mean: (dx, dx), (dy, dy), (dx, dy)."""
    d_x, d_y = len(x_mean), len(y_mean)
    xx, yy, xy = np.zeros((d_x, d_x)), np.zeros((d_y, d_y)), np.zeros((d_x, d_y))
    for (block, x), (_, y) in zip(_blocks(pairs.audio), _blocks(pairs.visual), strict=True):
        roots = np.sqrt(weights[block])[:, None]
        x, y = (x - x_mean) * roots, (y - y_mean) * roots
        xx += x.T @ x
        yy += y.T @ y
        xy += x.T @ y
    return xx, yy, xy
