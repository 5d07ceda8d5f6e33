"""What a ranking gets that knows nothing: random orders of the gallery."""

from typing import NamedTuple

import numpy as np

from pipeline.errors import ParamsError
from pipeline.retrieval.cosines import Labels, check_labels, check_relevant


class Chance(NamedTuple):
    """The MAP of random rankings: its mean, and its standard deviation from one set of rankings to the next."""

    mean: float
    sd: float


def chance_map(query_labels: Labels, gallery_labels: Labels, n_permutations: int, seed: int) -> Chance:
    """Return the MAP that labels permuted at random would get.

    The mean is exact. The standard deviation is that of the MAP when each query has a random order of its own, from
    ``n_permutations`` orders a class.

    Args:
        query_labels: (n_queries,) classes.
        gallery_labels: (n_gallery,) classes.
        n_permutations: random orders drawn for each class, at least 2.
        seed: of the orders.

    Raises:
        DataError: a query has no relevant item, or there is no query.
        ParamsError: n_permutations is less than 2.
    """
    if n_permutations < 2:
        raise ParamsError(f"n_permutations={n_permutations}; expected at least 2")
    check_labels("query", query_labels, max(1, len(query_labels)))
    check_relevant(query_labels, gallery_labels)
    rng = np.random.default_rng(seed)
    n_items = len(gallery_labels)
    mean, variance = 0.0, 0.0
    for label, n_queries in zip(*np.unique(query_labels, return_counts=True), strict=True):
        n_relevant = int((gallery_labels == label).sum())
        share = n_queries / len(query_labels)
        mean += share * expected_average_precision(n_items, n_relevant)
        draws = [_random_average_precision(n_items, n_relevant, rng) for _ in range(n_permutations)]
        variance += share**2 / n_queries * np.var(draws, ddof=1)
    return Chance(float(mean), float(np.sqrt(variance)))


def expected_average_precision(n_items: int, n_relevant: int) -> float:
    """Return the mean average precision of all orders of a gallery, in (0, 1].

    With R relevant items among n, and H the n-th harmonic number, it is (H + (R - 1) / (n - 1) * (n - H)) / n.
    """
    harmonic = (1 / np.arange(1, n_items + 1)).sum()
    return float((harmonic + (n_relevant - 1) / max(1, n_items - 1) * (n_items - harmonic)) / n_items)


def _random_average_precision(n_items: int, n_relevant: int, rng: np.random.Generator) -> float:
    """Average precision of a random order."""
    ranks = np.sort(rng.permutation(n_items)[:n_relevant]) + 1
    return float((np.arange(1, n_relevant + 1) / ranks).mean())
