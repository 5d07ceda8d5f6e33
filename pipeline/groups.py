"""Items in groups, because they share something: what no split may part, and what is one draw of chance."""

import hashlib
from collections.abc import Hashable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


def groups_of(*relations: Sequence[Hashable]) -> NDArray[np.int64]:
    """Return the group of each item: items of one group are equal in a relation, directly or by way of others.

    Args:
        relations: what each of n items has in one respect, such as its sound, its picture or its source; an empty text
            is unknown, and equals nothing.

    Returns:
        (n,) whole numbers, from 0 in the order in which the groups begin.

    Raises:
        ValueError: the relations are of different numbers of items.

    Example:
        >>> sources, pictures = ["film 1", "", "film 1", ""], ["p", "q", "r", "r"]
        >>> groups_of(sources, pictures).tolist()
        [0, 1, 0, 0]
    """
    of_items = zip(*relations, strict=True)
    return connected_groups([[key for key in enumerate(values) if key[1] != ""] for values in of_items])


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
    if len(places) == len(links):  # no key comes twice; loading SciPy would take longer than all that uses this
        return np.arange(len(keys), dtype=np.int64)
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    ends = np.array(links, np.int64).reshape(-1, 2).T  # (2, n_links), of a graph of items and keys
    n_nodes = len(keys) + len(places)
    graph = coo_array((np.ones(len(links)), ends), shape=(n_nodes, n_nodes))
    groups: NDArray[np.int64] = connected_components(graph, directed=False)[1][: len(keys)].astype(np.int64)
    return groups


def row_hashes(rows: NDArray[Any]) -> list[str]:
    """Return a hash of each row: equal rows have equal hashes, and rows that differ in a bit have others.

    Args:
        rows: (n, width) numbers; 0 and -0 are equal.
    """
    return [hashlib.sha256(row.tobytes()).hexdigest() for row in rows + rows.dtype.type(0)]
