"""DSCMR: discrimination in the label space and in the common space, and pairs that coincide."""

from typing import Annotated

from pydantic import Field, NonNegativeFloat, PositiveInt
from torch import Tensor, nn

from pipeline.model_parts import losses
from pipeline.model_parts.deep import DEEP_SEARCH, DeepModel, DeepParams
from pipeline.model_parts.layers import HIDDEN_SEARCH, FeatureEncoder, HiddenParams, perceptron
from pipeline.model_parts.network import Network
from pipeline.model_parts.search_space import SearchSpace

SEARCH: SearchSpace = {
    **DEEP_SEARCH,
    **HIDDEN_SEARCH,
    "lambda_likelihood": ("loguniform", 1e-2, 10.0),
    "lambda_invariance": ("loguniform", 1e-3, 1.0),
    "common_width": [16, 32, 64, 128],
}


class Params(DeepParams, HiddenParams):
    """Section ``baselines.dscmr`` of params.yaml.

    Attributes:
        lambda_likelihood: weight of the discrimination in the common space.
        lambda_invariance: weight of the distance between the two embeddings of a clip.
        private_width: outputs of a modality's own encoder, which the shared layer takes.
        common_width: width of the embedding.
        classifier_bias: whether the classifier has one, as in the authors' code; the paper's P has none.
        adam_beta1: decay of AdamW's mean of the gradients.
    """

    lambda_likelihood: NonNegativeFloat
    lambda_invariance: NonNegativeFloat
    private_width: PositiveInt
    common_width: PositiveInt
    classifier_bias: bool
    adam_beta1: Annotated[float, Field(ge=0, lt=1)]

    @property
    def beta1(self) -> float:
        """AdamW's beta 1, a parameter of this model."""
        return self.adam_beta1


class SharedLayerEncoder(FeatureEncoder):
    """A modality's own layers, and then the layer that both modalities share."""

    def __init__(self, width: int, shared: nn.Linear, params: Params) -> None:
        """Lay out the own layers for features of ``width`` under the shared one."""
        super().__init__(width, params)
        self.private = nn.Sequential(perceptron(width, params.private_width, params), nn.ReLU())
        self.shared = shared

    def forward(self, features: Tensor) -> Tensor:
        """Return (n, common_width) embeddings of (n, width) features."""
        private = self.private(self.inputs(features))  # (n, private_width)
        embedding: Tensor = self.shared(private)  # (n, common_width)
        return embedding


class DscmrNetwork(Network):
    """Two encoders with one last layer, and one linear classifier for both modalities."""

    def __init__(self, audio_width: int, visual_width: int, n_classes: int, params: Params) -> None:
        """Lay out the network; its initial weights come from torch's generator."""
        super().__init__(audio_width, visual_width, n_classes)
        shared = nn.Linear(params.private_width, params.common_width)
        self.audio = SharedLayerEncoder(audio_width, shared, params)
        self.visual = SharedLayerEncoder(visual_width, shared, params)
        self.classifier = nn.Linear(params.common_width, n_classes, bias=params.classifier_bias)
        self.params = params

    def loss(self, audio: Tensor, visual: Tensor, labels_onehot: Tensor) -> Tensor:
        """Return the label-space loss plus both weighted losses of the common space, a scalar."""
        params = self.params
        a, v = self.audio(audio), self.visual(visual)  # (n, common_width)
        in_label_space = losses.discriminative_loss(a, v, labels_onehot, self.classifier.weight, self.classifier.bias)
        in_common_space = losses.likelihood_loss(a, v, labels_onehot)
        invariance = losses.pairwise_correlation_loss(a, v)
        return in_label_space + params.lambda_likelihood * in_common_space + params.lambda_invariance * invariance


class Model(DeepModel):
    """Deep supervised cross-modal retrieval.

    The paper's: the three losses, one linear classifier for both modalities, encoders that share their last layer, and
    the ReLU before it. Our choices: the losses' norms are not squared, as in the authors' code; the hidden blocks
    below; AdamW; the weights in params.yaml. ``python -m studies.authors dscmr`` runs it with its authors' settings.

    References:
        Zhen, Hu, Wang & Peng (2019), Deep Supervised Cross-Modal Retrieval, CVPR.
    """

    learns_from = "labels"
    params_class = Params
    network_class = DscmrNetwork
