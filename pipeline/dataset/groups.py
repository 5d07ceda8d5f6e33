"""Items in groups that no split may part, because they share something."""

from collections.abc import Hashable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components


def connected_groups(keys: Sequence[Iterable[Hashable]]) -> NDArray[np.int64]:
    """Return the group of each item: items of one group share a key, directly or by way of others.

    Args:
        keys: what each of n items has; an item without keys is a group of its own.

    Returns:
        (n,) whole numbers, from 0 in the order in which the groups begin.

    Example:
        >>> connected_groups([["recording 1"], ["recording 2"], ["recording 1", "file a"], ["file a"]]).tolist()
        [0, 1, 0, 0]
    """
    places: dict[Hashable, int] = {}
    links = [(item, len(keys) + places.setdefault(key, len(places))) for item, own in enumerate(keys) for key in own]
    ends = np.array(links, np.int64).reshape(-1, 2).T  # (2, n_links), of a graph of items and keys
    n_nodes = len(keys) + len(places)
    graph = coo_array((np.ones(len(links)), ends), shape=(n_nodes, n_nodes))
    groups: NDArray[np.int64] = connected_components(graph, directed=False)[1][: len(keys)].astype(np.int64)
    return groups
