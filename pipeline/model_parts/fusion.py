"""How two subspaces become one: unit rows that add similarities up, and the share that held-out pairs speak for."""

from collections.abc import Sequence
from typing import Annotated, Literal

import torch
from pydantic import Field, NonNegativeFloat, PositiveInt
from torch import Tensor
from torch.nn import functional

from pipeline.settings.params import StageParams

Subspaces = tuple[Sequence[Tensor], Sequence[Tensor]]
SHARES = sorted((step / 100 for step in range(101)), key=lambda share: abs(share - 0.5))
_DECIMALS = 9  # of a likelihood: below that, sums of another order differ
_SMALLEST = 1e-12  # keeps the logarithm of a probability of 0 finite


class FusionParams(StageParams):
    """How two subspaces become one joint embedding.

    Attributes:
        fusion: CCA on the pairs, or on all pairs of one class, of the concatenation; the concatenation alone; or one in
            which each subspace keeps its own similarity, weighted by ``explicit_share``, or by how surely validation
            pairs find their own partner, whose labels are not looked at.
        fusion_components: width of the joint embedding of a CCA, for ``cca`` at most both embeddings' width together;
            ``cluster_cca`` has at most n_classes - 1.
        fusion_ridge: relative to the mean variance.
        explicit_share: weight of the explicit subspace in the fusion ``weighted``; the implicit one has the rest.
    """

    fusion: Literal["cca", "cluster_cca", "weighted", "by_agreement", "none"]
    fusion_components: PositiveInt
    fusion_ridge: NonNegativeFloat
    explicit_share: Annotated[float, Field(ge=0, le=1)]


def side_by_side(first: Sequence[Tensor], second: Sequence[Tensor], share: float) -> Tensor:
    """Return rows (n, k) whose cosine is the weighted mean of the cosines of two subspaces.

    Args:
        first: (n, width) of each head of the first subspace.
        second: likewise of the second; may have no head where ``share`` is 1.
        share: weight of the first; the second has the rest.
    """
    weighted = [((share / len(first)) ** 0.5, first), (((1 - share) / max(len(second), 1)) ** 0.5, second)]
    return torch.cat([weight * functional.normalize(head) for weight, heads in weighted for head in heads], dim=1)


def share_by_agreement(audio: Subspaces, visual: Subspaces) -> float:
    """Return the weight of the first of two subspaces at which each clip finds its own partner most surely.

    A clip picks among those of the other modality with probability proportional to the weighted mean similarity; what
    is highest is the mean log probability of its own partner, both ways. No label is looked at. It is searched in steps
    of 0.01, and of equal weights the one nearest to a half is taken.

    Args:
        audio: the heads of either subspace, (n, width) each, of pairs that no training has seen; no cosine across
            modalities is below 0.
        visual: likewise, of as many heads.

    References:
        Smyth & Wolpert (1999), Linearly Combining Density Estimators via Stacking, Machine Learning 36, for weights by
        the likelihood of held-out data.
    """
    of_heads = ([a @ v.T for a, v in zip(*views, strict=True)] for views in zip(audio, visual, strict=True))
    similarities = torch.stack([torch.stack(heads).mean(dim=0) for heads in of_heads]).double()  # (2, n, n)
    own, of_all = similarities.diagonal(dim1=1, dim2=2), [similarities.mean(dim=way) for way in (1, 2)]  # (2, n) each
    weights = torch.tensor([[share, 1 - share] for share in SHARES], dtype=own.dtype).to(own.device)  # (n_shares, 2)
    log_own, *log_all = ((weights @ of).clamp(min=_SMALLEST).log().mean(dim=1) for of in (own, *of_all))
    likelihoods = (2 * log_own - sum(log_all)).cpu().numpy().round(_DECIMALS)
    return SHARES[int(likelihoods.argmax())]
