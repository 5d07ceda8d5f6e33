"""ACMR: embeddings that tell the class and keep its neighbourhoods, and from which no classifier tells the modality."""

import math

import torch
from pydantic import Field, NonNegativeFloat, PositiveInt
from torch import Tensor, nn
from torch.nn import functional

from pipeline.model_parts.deep import DEEP_SEARCH, DeepModel, DeepParams
from pipeline.model_parts.layers import HIDDEN_SEARCH, FeatureEncoder, HiddenParams, perceptron
from pipeline.model_parts.network import Network
from pipeline.model_parts.search_space import SearchSpace

SEARCH: SearchSpace = {
    **DEEP_SEARCH,
    **HIDDEN_SEARCH,
    "lambda_label": ("loguniform", 0.1, 10.0),
    "lambda_structure": ("loguniform", 0.03, 3.0),
    "lambda_adversarial": ("loguniform", 1e-3, 1.0),
    "negative_weight": ("loguniform", 0.1, 10.0),
    "margin": ("uniform", 0.5, 1.0),  # from 0.5, of width 1.0
    "common_width": [16, 32, 64, 128],
}

_SCHEDULE_STEEPNESS = 10  # of the reversal's growth, as in Ganin & Lempitsky (2015)


class Params(DeepParams, HiddenParams):
    """Section ``baselines.acmr`` of params.yaml.

    Attributes:
        lambda_label: weight of the label predictor's cross entropy.
        lambda_structure: weight of the inter-modal invariance.
        lambda_adversarial: final weight of the reversed gradient of the modality classifier; 0 for no adversary.
        adversarial_epochs: over which that weight grows. It is no part of ``epochs``, so that fewer epochs are the
            beginning of the same training.
        negative_weight: of the pairs of two classes, beside those of one, in the inter-modal invariance.
        margin: distance of unit vectors from which a pair of two classes costs nothing; unrelated vectors have 1.41.
        common_width: width of the embedding.
    """

    lambda_label: NonNegativeFloat
    lambda_structure: NonNegativeFloat
    lambda_adversarial: NonNegativeFloat
    adversarial_epochs: PositiveInt
    negative_weight: NonNegativeFloat
    margin: float = Field(gt=0, le=2)
    common_width: PositiveInt


class FeatureProjector(FeatureEncoder):
    """The feature projector of one modality, which ends in tanh."""

    def __init__(self, width: int, params: Params) -> None:
        """Lay out the projector for features of ``width``."""
        super().__init__(width, params)
        self.layers = nn.Sequential(perceptron(width, params.common_width, params), nn.Tanh())

    def forward(self, features: Tensor) -> Tensor:
        """Return (n, common_width) embeddings in (-1, 1) of (n, width) features."""
        embedding: Tensor = self.layers(self.inputs(features))
        return embedding


class AcmrNetwork(Network):
    """Two projectors, the label predictor that both share, and the modality classifier that they deceive."""

    def __init__(self, audio_width: int, visual_width: int, n_classes: int, params: Params) -> None:
        """Lay out the network; its initial weights come from torch's generator."""
        super().__init__(audio_width, visual_width, n_classes)
        width = params.common_width
        self.audio = FeatureProjector(audio_width, params)
        self.visual = FeatureProjector(visual_width, params)
        self.label_predictor = nn.Linear(width, n_classes)
        self.modality_classifier = nn.Sequential(
            nn.Linear(width, -(-width // 2)), nn.ReLU(), nn.Linear(-(-width // 2), 2)
        )
        self.params = params

    def loss(self, audio: Tensor, visual: Tensor, labels_onehot: Tensor) -> Tensor:
        """Return the weighted sum of label, structure and modality loss, a scalar."""
        params = self.params
        a, v = self.audio(audio), self.visual(visual)  # (n, common_width)
        label = sum(functional.cross_entropy(self.label_predictor(rows), labels_onehot) for rows in (a, v))
        structure = inter_modal_invariance_loss(a, v, labels_onehot, params.margin, params.negative_weight)
        return params.lambda_label * label + params.lambda_structure * structure + self.modality_loss(a, v)

    def modality_loss(self, audio: Tensor, visual: Tensor) -> Tensor:
        """Return the modality classifier's cross entropy; the encoders receive its gradient reversed.

        Args:
            audio: (n, common_width) embeddings.
            visual: (n, common_width) likewise.
        """
        embeddings = reverse_gradient(torch.cat([audio, visual]), self.reversal_weight())
        modality = torch.arange(2, device=audio.device).repeat_interleave(len(audio))  # (2 n,), 0 for audio
        return functional.cross_entropy(self.modality_classifier(embeddings), modality)

    def reversal_weight(self) -> float:
        """Return the weight of the reversed gradient in this epoch: from 0 up to nearly ``lambda_adversarial``."""
        progress = min(1.0, self.n_epochs_done / self.params.adversarial_epochs)
        return self.params.lambda_adversarial * math.tanh(_SCHEDULE_STEEPNESS * progress / 2)


class Model(DeepModel):
    """Adversarial cross-modal retrieval.

    The paper's: tanh projectors, one label predictor for both modalities, distances between the modalities small within
    a class and large between classes, a modality classifier behind a gradient reversal whose weight grows.
    Our choices: the invariance takes every pair of the batch, where the paper samples triplets, and unit vectors,
    because retrieval ranks by cosine; the modality classifier has one hidden layer; projectors of the hidden blocks of
    the other models; AdamW over both players, and the weights.

    References:
        Wang, Yang, Xu, Hanjalic & Shen (2017), Adversarial Cross-Modal Retrieval, ACM Multimedia.
        Ganin & Lempitsky (2015), Unsupervised Domain Adaptation by Backpropagation, ICML, for the reversal.
    """

    learns_from = "labels"
    params_class = Params
    network_class = AcmrNetwork


def inter_modal_invariance_loss(
    audio: Tensor, visual: Tensor, labels_onehot: Tensor, margin: float, negative_weight: float
) -> Tensor:
    """Return how far equal classes are apart across the modalities, and how near other classes come.

    ``mean_P d_ij + negative_weight * mean_N max(0, margin - d_ij)``, with d_ij the Euclidean distance of audio i and
    visual j, both of unit length, P the pairs of one class and N the others. A batch of one class has no N term.

    Args:
        audio: (n, width) float.
        visual: (n, width) float.
        labels_onehot: (n, n_classes), one 1 a row.
        margin: in (0, 2].
        negative_weight: at least 0.

    Returns:
        scalar, at least 0.
    """
    cosines = functional.normalize(audio) @ functional.normalize(visual).T  # (n, n)
    distances = torch.sqrt((2 - 2 * cosines).clamp(min=1e-8))
    same_class = labels_onehot @ labels_onehot.T  # (n, n)
    other_class = 1 - same_class
    attraction = (same_class * distances).sum() / same_class.sum()
    repulsion = (other_class * functional.relu(margin - distances)).sum() / other_class.sum().clamp(min=1)
    return attraction + negative_weight * repulsion


def reverse_gradient(embeddings: Tensor, weight: float) -> Tensor:
    """Return embeddings (n, width) as they are, behind which gradients are multiplied by ``-weight``."""
    passed = embeddings.view_as(embeddings)
    passed.register_hook(lambda gradient: -weight * gradient)  # type: ignore[no-untyped-call]  # torch leaves it unannotated
    return passed
