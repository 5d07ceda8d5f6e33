"""Whitening by the covariance within the classes, computed some rows at a time."""

from collections.abc import Callable, Iterable, Iterator
from functools import reduce

import torch
from torch import Tensor

from pipeline.model_parts.row_blocks import row_blocks

Blocks = Callable[[], Iterator[tuple[Tensor, Tensor]]]

_VARIANCE_FLOOR = 1e-9  # keeps the covariance of features invertible that do not vary within a class


def whitening_within_classes(
    features: Tensor, labels_onehot: Tensor, ridge: float, standard: Callable[[Tensor], Tensor] = Tensor.double
) -> Tensor:
    """Return the matrix that whitens features by their covariance within the classes; it stands to the right of them.

    It shrinks the directions in which clips of one class differ most, such as who speaks, or how loud. The covariance
    of the features less their class means gets ``ridge`` times its mean variance on its diagonal. One factor makes the
    mean square of the whitened rows 1, as that of standardised ones is. Computed in float64, some rows at a time.

    Args:
        features: (n, width) train features.
        labels_onehot: (n, n_classes); a class may have no row. Rows of zeros have no label, and count where there is no
            other: then the covariance is that of all rows.
        ridge: above 0.
        standard: gives rows (n, width) standardised or centred, each by itself; without it they are taken as they are.

    Returns:
        (width, width) float64, symmetric.

    References:
        Hatch, Kajarekar & Stolcke (2006), Within-Class Covariance Normalization for SVM-based Speaker Recognition,
        Interspeech.
    """

    def blocks() -> Iterator[tuple[Tensor, Tensor]]:
        for rows, onehot in zip(row_blocks(features), row_blocks(labels_onehot), strict=True):
            yield standard(rows).double(), onehot.double()

    return whitening_of_blocks(blocks, labels_onehot.sum(dim=0, dtype=torch.float64), len(features), ridge)


def whitening_of_blocks(blocks: Blocks, counts: Tensor, n_rows: int, ridge: float) -> Tensor:
    """Return the matrix of ``whitening_within_classes``, of rows that are given some at a time.

    Args:
        blocks: yields all rows, each time that it is called: features (m, width) and one-hot labels (m, n_classes),
            both float64.
        counts: (n_classes,) float64, how many rows each class has.
        n_rows: how many rows there are.
        ridge: above 0.
    """
    class_sums = _sum(onehot.T @ rows for rows, onehot in blocks())
    class_means = class_sums / counts.clamp(min=1)[:, None]  # (n_classes, width)
    is_labelled = bool(counts.any())
    covariance = _sum(_scatter(rows, onehot, class_means, is_labelled) for rows, onehot in blocks())
    covariance = covariance / (counts.sum() if is_labelled else n_rows)  # (width, width)
    covariance.diagonal().add_(ridge * covariance.diagonal().mean() + _VARIANCE_FLOOR)
    variances, directions = torch.linalg.eigh(covariance)
    whitening: Tensor = directions * variances.rsqrt() @ directions.T
    mean_square = _sum((rows @ whitening).square().mean() * (len(rows) / n_rows) for rows, _ in blocks())
    return whitening / mean_square.sqrt().clamp(min=_VARIANCE_FLOOR)


def moments_of_blocks(blocks: Iterable[Tensor]) -> tuple[Tensor, Tensor]:
    """Return mean and standard deviation (width,) of rows that are given some at a time, as of all together.

    Args:
        blocks: (m, width) float32 each; at least one. Of a single block both are those that torch has of its rows. A
            constant feature has its own number as mean and a deviation of exactly 0, as rounding would look like one.

    References:
        Chan, Golub & LeVeque (1983), Algorithms for Computing the Sample Variance, The American Statistician 37, for
        the moments of two sets as one.
    """
    rest = iter(blocks)
    block = next(rest)
    first, is_constant = block[0], _all_equal(block[0], block)
    n_rows, mean, deviation = len(block), block.mean(dim=0), block.std(dim=0, correction=0)
    squares = n_rows * deviation.double().square()
    for block in rest:
        n_all = n_rows + len(block)
        step = block.mean(dim=0).double() - mean
        own = len(block) * block.std(dim=0, correction=0).double().square()
        squares += own + n_rows * len(block) / n_all * step.square()
        mean, deviation = mean + step * (len(block) / n_all), (squares / n_all).sqrt()
        is_constant &= _all_equal(first, block)
        n_rows = n_all
    return torch.where(is_constant, first, mean.float()), torch.where(is_constant, 0, deviation.float())


def _all_equal(row: Tensor, block: Tensor) -> Tensor:
    """Where all rows of a block have the number of a row (width,): (width,) bool."""
    return (block.amin(dim=0) == row) & (block.amax(dim=0) == row)


def _sum(tensors: Iterable[Tensor]) -> Tensor:
    """The sum of tensors of one shape, of which one lies in memory at a time; at least one."""
    return reduce(torch.add, tensors)


def _scatter(rows: Tensor, onehot: Tensor, class_means: Tensor, only_labelled: bool) -> Tensor:
    """The sum of the outer products of rows less the means of their classes, (width, width)."""
    within = rows - onehot @ class_means
    if only_labelled:
        within = within[onehot.any(dim=1)]
    return within.T @ within
