"""Items that queries are compared with, and where those that are relevant stand among them."""

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np

from pipeline.retrieval.cosines import STEPS, Array, Embedding, cosine_steps
from pipeline.retrieval.hits import Counts, Hits, find_hits

OWN_SCORE = -STEPS - 2.0**20  # below that of any cosine, and so is its key


class ItemGallery(ABC):
    """Items that are compared with some queries at a time.

    Attributes:
        scores_per_block: how many scores to ask for at a time, about; None: as ``blocks`` says.
        takes_threads: whether several threads at a time are quicker than one.
    """

    scores_per_block: ClassVar[int | None]
    takes_threads: ClassVar[bool]

    @abstractmethod
    def __init__(self, items: Array) -> None:
        """Take (n_items, d) items of length 1 or 0, as ``unit_items`` gives them."""

    @abstractmethod
    def hits(self, query: Embedding, relevant: slice, own: Counts | None = None) -> Hits:
        """Return the standing of relevant items that queries share.

        Args:
            query: (n_queries, d).
            relevant: which items, at least one.
            own: (n_queries,) the item of each query that stands below all others; None: there is none.
        """

    @abstractmethod
    def lone_hits(self, query: Embedding, places: Counts) -> Hits:
        """Return the standing of one relevant item a query, (n_queries, 1): to count is quicker than to sort.

        Args:
            query: (n_queries, d).
            places: (n_queries,) which item.
        """


class CpuGallery(ItemGallery):
    """Items in memory, by ``find_hits``."""

    scores_per_block = None
    takes_threads = True

    def __init__(self, items: Array) -> None:
        """Take (n_items, d) items of length 1 or 0."""
        self._items = items

    def hits(self, query: Embedding, relevant: slice, own: Counts | None = None) -> Hits:
        """Return the standing of relevant items that queries share."""
        scores = cosine_steps(query, self._items)  # (n_queries, n_items)
        if own is not None:
            scores[np.arange(len(scores)), own] = OWN_SCORE
        return find_hits(scores, relevant)

    def lone_hits(self, query: Embedding, places: Counts) -> Hits:
        """Return the standing of one relevant item a query, (n_queries, 1)."""
        scores = cosine_steps(query, self._items)  # (n_queries, n_items)
        lone = scores[np.arange(len(scores)), places][:, None]
        n_above, n_up_to = (compare(scores, lone).sum(axis=1)[:, None] for compare in (np.greater, np.greater_equal))
        return Hits(n_above, n_up_to, np.zeros_like(n_above), np.ones_like(n_above))
