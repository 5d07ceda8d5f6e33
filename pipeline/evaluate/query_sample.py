"""Some queries in place of all, drawn class by class, and how far their mean may be from that of all."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import ParamsError
from pipeline.retrieval.cosines import Array, Labels

_NORMAL_97_5 = 1.959964


class QuerySample(NamedTuple):
    """Queries that stand for all.

    Attributes:
        rows: (m,) which ones, rising.
        strata: (m,) the number of each one's class among the classes there are.
        class_sizes: (n_classes,) how many queries each class has, drawn or not.
    """

    rows: NDArray[np.int64]
    strata: NDArray[np.int64]
    class_sizes: NDArray[np.int64]

    @property
    def weights(self) -> Array:
        """The share of all queries that each drawn one stands for, (m,), sum 1: each class counts by its size."""
        share = self.class_sizes / np.bincount(self.strata) / self.class_sizes.sum()
        return np.asarray(share[self.strata])

    def margin(self, values: Array) -> float:
        """Return half the width of the 95 % interval of the weighted mean; 0 when all queries were drawn.

        Args:
            values: (m,) one for each drawn query.

        References:
            Cochran (1977), Sampling Techniques, 5.6.
        """
        n_drawn = np.bincount(self.strata)
        deviations = values - (np.bincount(self.strata, values) / n_drawn)[self.strata]
        variances = np.bincount(self.strata, deviations**2) / np.maximum(1, n_drawn - 1)
        shares = self.class_sizes / self.class_sizes.sum()
        not_drawn = 1 - n_drawn / self.class_sizes
        return float(_NORMAL_97_5 * np.sqrt((shares**2 * not_drawn * variances / n_drawn).sum()))


def sample_queries(labels: Labels, max_queries: int | None, seed: int) -> QuerySample:
    """Return queries drawn from each class in proportion to its size, at least two of a class that has them.

    Args:
        labels: (n_queries,) classes.
        max_queries: how many to draw; None, or as many as there are: all.
        seed: of the draw.

    Raises:
        ParamsError: too few for two a class.
    """
    strata, class_sizes = np.unique(labels, return_inverse=True, return_counts=True)[1:]
    n_least = np.minimum(2, class_sizes)
    if max_queries is None or max_queries >= len(labels):
        return QuerySample(np.arange(len(labels)), strata, class_sizes)
    if max_queries < n_least.sum():
        raise ParamsError(f"max_queries={max_queries}; expected at least {n_least.sum()}, two a class")
    rng = np.random.default_rng(seed)
    n_more = _in_proportion(class_sizes - n_least, max_queries - int(n_least.sum()))
    drawn = [
        rng.choice(np.flatnonzero(strata == stratum), n, replace=False) for stratum, n in enumerate(n_least + n_more)
    ]
    rows = np.sort(np.concatenate(drawn))
    return QuerySample(rows, strata[rows], class_sizes)


def _in_proportion(sizes: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    """As many as n, dealt out in proportion to the sizes; the largest remainders get what rounding down left over."""
    exact = sizes * (n / max(1, sizes.sum()))
    parts = np.floor(exact).astype(np.int64)
    parts[np.argsort(parts - exact, kind="stable")[: n - parts.sum()]] += 1
    return np.asarray(parts)
