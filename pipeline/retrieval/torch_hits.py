"""Where relevant items stand, on a GPU: the counts of ``hits``, number for number.

A GPU sorts float64 as it sorts whole numbers, so there are no keys here and nothing to count again: the place of a hit
among the sorted scores of all items, and among those of the hits, is found by bisection, on both sides of its equals.
"""

import torch
from torch import Tensor

from pipeline.retrieval.cosines import STEPS, Array, Embedding, unit_rows
from pipeline.retrieval.galleries import OWN_SCORE, ItemGallery
from pipeline.retrieval.hits import Counts, Hits
from pipeline.settings.device import chosen_device


class TorchGallery(ItemGallery):
    """Items on the device that this process computes on."""

    scores_per_block = 2**25  # 1.5 GB, their sorted copies and places among them
    takes_threads = False

    def __init__(self, items: Array) -> None:
        """Take (n_items, d) items of length 1 or 0."""
        self._items = torch.from_numpy(items).to(chosen_device())

    def hits(self, query: Embedding, relevant: slice, own: Counts | None = None) -> Hits:
        """Return the standing of relevant items that queries share, on the CPU."""
        scores = self._scores(query)
        if own is not None:
            scores.scatter_(1, self._sent(own)[:, None], OWN_SCORE)
        hit_scores = scores[:, relevant].sort(dim=1).values  # (n_queries, n_relevant), rising
        ordered = scores.sort(dim=1).values
        return Hits(*_counts(ordered, hit_scores), *_counts(hit_scores, hit_scores))

    def lone_hits(self, query: Embedding, places: Counts) -> Hits:
        """Return the standing of one relevant item a query, (n_queries, 1), on the CPU."""
        scores = self._scores(query)
        lone = scores.gather(1, self._sent(places)[:, None])
        n_above, n_up_to = (_fetched(compare(scores, lone).sum(dim=1)[:, None]) for compare in (torch.gt, torch.ge))
        return Hits(n_above, n_up_to, 0 * n_above, 0 * n_above + 1)

    def _scores(self, query: Embedding) -> Tensor:
        """Cosines in whole steps, (n_queries, n_items) float64, as ``cosine_steps`` rounds them."""
        return (self._sent(unit_rows(query) * STEPS) @ self._items.T).round_()

    def _sent(self, array: Array | Counts) -> Tensor:
        """An array on the device."""
        return torch.from_numpy(array).to(self._items.device)


def _counts(among: Tensor, hit_scores: Tensor) -> tuple[Counts, Counts]:
    """How many of the rising scores (n, m) are above each hit, and how many up to it; the best hit first."""
    first, behind = (torch.searchsorted(among, hit_scores, right=is_right) for is_right in (False, True))
    n_above, n_up_to = (among.shape[1] - places.flip(1) for places in (behind, first))
    return _fetched(n_above), _fetched(n_up_to)


def _fetched(counts: Tensor) -> Counts:
    """Counts on the CPU."""
    array: Counts = counts.cpu().numpy()
    return array
