"""Whether training has collapsed a branch of a network: all its embeddings have become one point, or lie on a line.

A loss without a scale, such as the distance of a clip's two embeddings, is least where all embeddings are equal. What
is left of them then is noise, which unit rows or a whitening blow up again: no number but a low MAP tells of it.
"""

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

_SMALLEST_SPREAD = 0.25  # of its scale; docs/models.md says what fits have that collapse, and those that do not
_SMALLEST_RANK = 1.2  # directions; one keeps no more than two classes apart by cosine


class BranchExtent(NamedTuple):
    """How the embeddings of one branch lie in their space.

    Attributes:
        norm: root of the mean squared length of the rows.
        spread: root of the mean squared distance of the rows from their mean.
        rank: effective rank of the rows less their mean.
    """

    norm: float
    spread: float
    rank: float


def extent(embeddings: Tensor) -> BranchExtent:
    """Return how (n, width) embeddings lie in their space."""
    rows = embeddings.double()
    centred = rows - rows.mean(dim=0)
    norm, spread = (float(part.square().sum(dim=1).mean().sqrt()) for part in (rows, centred))
    return BranchExtent(norm, spread, effective_rank(centred))


def effective_rank(rows: Tensor) -> float:
    """Return how many directions a matrix uses: the exponential of the entropy of its singular values.

    ``exp(-sum_k p_k log p_k)``, ``p_k`` the singular values divided by their sum.

    Args:
        rows: (n, width) float.

    Returns:
        from 1, where all rows are multiples of one, to min(n, width); 0 of a matrix of zeros.

    References:
        Roy & Vetterli (2007), The Effective Rank: A Measure of Effective Dimensionality, EUSIPCO.

    Example:
        >>> round(effective_rank(torch.eye(5)[:3]), 6)
        3.0
    """
    exact = rows.double()
    is_tall = len(exact) > exact.shape[1]
    gram = exact.T @ exact if is_tall else exact @ exact.T  # of the shorter side: many rows are quick
    singular_values = torch.linalg.eigvalsh(gram).clamp(min=0).sqrt()
    total = singular_values.sum()
    if not total > 0:
        return 0.0
    return float(torch.special.entr(singular_values / total).sum().exp())


def collapsed(before: Mapping[str, BranchExtent], after: Mapping[str, BranchExtent], n_classes: int) -> dict[str, str]:
    """Return the branches that training has collapsed, with the number that says so, in words.

    The spread of a branch has to be seen against its scale, the larger one of the spread before training and the norm
    after it: against the first it falls where embeddings shrink, against the second where they move away together.

    Args:
        before: of the branches with their initial weights, by name.
        after: of the same branches once trained.
        n_classes: of the train rows, or how many of them where they have no labels; two fit on a line.
    """
    found = {}
    for name, extent_after in after.items():
        scale = max(before[name].spread, extent_after.norm)
        if extent_after.spread < _SMALLEST_SPREAD * scale:
            found[name] = f"a spread of {extent_after.spread:.2g} at a scale of {scale:.2g}"
        elif n_classes > 2 and extent_after.rank < _SMALLEST_RANK <= before[name].rank:
            found[name] = f"an effective rank of {extent_after.rank:.2f} of {before[name].rank:.2f} before training"
    return found
