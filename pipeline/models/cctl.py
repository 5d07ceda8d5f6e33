"""CCTL: both modalities predict the label, and all triplets across them are ordered in the label space."""

import torch
from pydantic import NonNegativeFloat, PositiveFloat
from torch import Tensor
from torch.nn import functional

from pipeline.model_parts import losses
from pipeline.model_parts.deep import DEEP_SEARCH, DeepModel, DeepParams
from pipeline.model_parts.layers import HIDDEN_SEARCH, PerceptronEncoder, PerceptronParams
from pipeline.model_parts.network import Network
from pipeline.model_parts.search_space import SearchSpace

SEARCH: SearchSpace = {
    **DEEP_SEARCH,
    **HIDDEN_SEARCH,
    "lambda_triplet": ("loguniform", 0.1, 10.0),
    "margin": ("uniform", 0.1, 1.3),  # from 0.1, of width 1.3
}


class Params(DeepParams, PerceptronParams):
    """Section ``baselines.cctl`` of params.yaml.

    Attributes:
        lambda_triplet: weight of the complete cross-triplet loss beside the distance to the labels.
        margin: by how much an anchor should be nearer to its own class than to another; two labels are 1.41 apart.
    """

    lambda_triplet: NonNegativeFloat
    margin: PositiveFloat


class CctlNetwork(Network):
    """A label predictor for each modality; what they predict, near one-hot rows and not bounded, is the embedding."""

    def __init__(self, audio_width: int, visual_width: int, n_classes: int, params: Params) -> None:
        """Lay out the network; its initial weights come from torch's generator."""
        super().__init__(audio_width, visual_width, n_classes)
        self.audio = PerceptronEncoder(audio_width, n_classes, params)
        self.visual = PerceptronEncoder(visual_width, n_classes, params)
        self.register_buffer("labels", torch.eye(n_classes), persistent=False)
        self.params = params

    def loss(self, audio: Tensor, visual: Tensor, labels_onehot: Tensor) -> Tensor:
        """Return the distance to the labels plus the weighted triplet loss, a scalar."""
        params = self.params
        a, v = self.audio(audio), self.visual(visual)  # (n, n_classes)
        to_labels = losses.discriminative_loss(a, v, labels_onehot, self.get_buffer("labels"))
        return to_labels + params.lambda_triplet * complete_cross_triplet_loss(a, v, labels_onehot, params.margin)


class Model(DeepModel):
    """Complete cross-triplet loss in the label space.

    From the paper's abstract: features are projected into the label space, where they should lie near their labels, and
    a triplet loss orders what is similar and what is not across the modalities, over all triplets and not hard ones.
    Our choices, because neither equations nor code were at hand: the distance to the labels is that of DSCMR; the
    triplets are those of every anchor with positive and negative of either modality that meet both modalities;
    Euclidean distances, their mean over all triplets, sizes, AdamW and weights.

    References:
        Zeng, Wang, Wu & Yu (2022), Complete Cross-triplet Loss in Label Space for Audio-visual Cross-modal Retrieval,
        IEEE International Symposium on Multimedia.
    """

    learns_from = "labels"
    params_class = Params
    network_class = CctlNetwork


def complete_cross_triplet_loss(audio: Tensor, visual: Tensor, labels_onehot: Tensor, margin: float) -> Tensor:
    """Return the mean hinge of all triplets that meet both modalities.

    ``max(0, margin + d(anchor, positive) - d(anchor, negative))`` with Euclidean d; the positive has the anchor's class
    and is not the anchor itself, the negative has another. Anchor, positive and negative come from either modality, all
    three from one excepted: six kinds.

    Args:
        audio: (n, width) float.
        visual: (n, width) float.
        labels_onehot: (n, n_classes), one 1 a row.
        margin: above 0, in the unit of d.

    Returns:
        scalar, at least 0; 0 where the batch has no triplet.
    """
    same_class = (labels_onehot @ labels_onehot.T > 0).repeat(2, 1)  # (2 n, n), audio anchors above visual ones
    another = same_class & ~torch.eye(len(audio), dtype=torch.bool, device=audio.device).repeat(2, 1)
    own = torch.cat([torch.cdist(audio, audio), torch.cdist(visual, visual)])  # (2 n, n)
    audio_to_visual = torch.cdist(audio, visual)
    across = torch.cat([audio_to_visual, audio_to_visual.T])  # (2 n, n)
    positive = torch.cat([same_class, another], dim=1)  # (2 n, 2 n), in the other modality and in the anchor's own
    to_positive = torch.cat([across, own], dim=1)
    negative_across = _sum_of_hinges(to_positive + margin, positive, across, ~same_class)
    negative_own = _sum_of_hinges(across + margin, same_class, own, ~same_class)
    n_triplets = ((same_class.sum(dim=1) + positive.sum(dim=1)) * (~same_class).sum(dim=1)).sum()
    return (negative_across + negative_own) / n_triplets.clamp(min=1)


def _sum_of_hinges(reach: Tensor, positive: Tensor, to_negative: Tensor, negative: Tensor) -> Tensor:
    """The sum of max(0, reach - to_negative) over all positives and negatives of each row, without making a triplet.

    The k negatives within a positive's reach have hinges that sum to k times the reach, less their distances: one sort
    a row instead of a hinge a triplet. The first two are (m, number of positives), the others (m, n).
    """
    nearest = torch.where(negative, to_negative, torch.inf).sort(dim=1).values  # the negatives first
    n_within = torch.searchsorted(nearest.detach(), reach.detach())  # (m, positives) of 0..n
    sums = functional.pad(torch.where(nearest.isinf(), 0, nearest).cumsum(dim=1), (1, 0))  # (m, n + 1), from 0
    hinges = n_within * reach - sums.gather(1, n_within)  # (m, positives)
    return torch.where(positive, hinges, 0).sum()
