"""The main model: an explicit and an implicit common subspace, fused into one joint embedding.

What the paper leaves open (sizes, weights, optimiser, form of the losses) is a parameter; the works it cites give the
choices, and docs/models.md says which ones go beyond them.
"""

from typing import Annotated, Literal, Self

import torch
from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, model_validator
from torch import Tensor, nn
from torch.nn import functional

from pipeline import linalg
from pipeline.model_parts import losses
from pipeline.model_parts.base import with_equal_norms
from pipeline.model_parts.cca_layer import CcaLayer
from pipeline.model_parts.deep import DEEP_SEARCH, DeepModel, DeepParams, Network
from pipeline.model_parts.layers import HIDDEN_SEARCH, FeatureEncoder, HiddenParams, kernel_machine, perceptron
from pipeline.model_parts.search_space import SearchSpace

SEARCH: SearchSpace = {
    **DEEP_SEARCH,
    **HIDDEN_SEARCH,
    "lambda_corr": ("loguniform", 0.1, 10.0),
    "lambda_disc": ("loguniform", 0.1, 10.0),
    "lambda_constraint": ("loguniform", 1e-3, 1.0),
    "implicit_branch": ["perceptron", "fourier"],
    "explicit_width": [16, 32, 64, 128],
    "implicit_width": [16, 32, 64, 128],
    "explicit_share": ("uniform", 0.0, 1.0),
}


class Params(DeepParams, HiddenParams):
    """Section ``model`` of params.yaml.

    Attributes:
        lambda_corr: weight of the correlation loss, which ties the explicit embeddings of a clip.
        lambda_disc: weight of the discriminative loss, which ties implicit embeddings to labels.
        lambda_constraint: weight of the constraint loss, which keeps the two embeddings of an input apart.
        correlation: form of the correlation loss.
        correlation_ridge: of the form ``cca``, relative to the mean variance; the other forms have none.
        discriminative: form of the discriminative loss.
        implicit_branch: what an implicit branch is: a perceptron as the explicit one, or a linear map of random Fourier
            features, which is a kernel machine; the two branches then err differently.
        n_fourier_features: of the form ``fourier``.
        explicit_width: outputs of an explicit branch; for ``agreement``, its latent states.
        implicit_width: outputs of an implicit branch.
        fusion: what makes the joint embedding of both: CCA on the pairs, or on all pairs of one class, of the
            concatenation; the concatenation alone; or one in which each subspace keeps its own similarity, weighted.
        fusion_components: width of the joint embedding of a CCA, for ``cca`` at most both embeddings' width together;
            ``cluster_cca`` has at most n_classes - 1.
        fusion_ridge: relative to the mean variance.
        explicit_share: weight of the explicit subspace in the fusion ``weighted``; the implicit one has the rest.
    """

    lambda_corr: NonNegativeFloat
    lambda_disc: NonNegativeFloat
    lambda_constraint: NonNegativeFloat
    correlation: Literal["pairwise", "likelihood", "cca", "agreement"]
    correlation_ridge: PositiveFloat
    discriminative: Literal["label_distance", "cross_entropy"]
    implicit_branch: Literal["perceptron", "fourier"]
    n_fourier_features: PositiveInt
    explicit_width: PositiveInt
    implicit_width: PositiveInt
    fusion: Literal["cca", "cluster_cca", "weighted", "none"]
    fusion_components: PositiveInt
    fusion_ridge: NonNegativeFloat
    explicit_share: Annotated[float, Field(ge=0, le=1)]

    @model_validator(mode="after")
    def _something_is_learnt(self) -> Self:
        if self.lambda_corr == self.lambda_disc == self.lambda_constraint == 0:
            raise ValueError("lambda_corr, lambda_disc and lambda_constraint are all 0; expected one above 0")
        return self

    @model_validator(mode="after")
    def _fusion_fits(self) -> Self:
        width = self.explicit_width + self.implicit_width
        if self.fusion == "cca" and self.fusion_components > width:
            raise ValueError(
                f"fusion_components={self.fusion_components}; expected at most {width}, explicit_width + implicit_width"
            )
        return self


class DualEncoder(FeatureEncoder):
    """The explicit and the implicit branch of one modality, over one set of features."""

    def __init__(self, width: int, params: Params) -> None:
        """Lay out both branches for features of ``width``."""
        super().__init__(width, params)
        self.explicit = perceptron(width, params.explicit_width, params)
        if params.implicit_branch == "fourier":
            n_features = params.n_fourier_features
            self.implicit = kernel_machine(width, params.implicit_width, n_features, params.dropout)
        else:
            self.implicit = perceptron(width, params.implicit_width, params)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Return the explicit and the implicit embeddings of (n, width) features."""
        inputs = self.inputs(features)  # (n, width)
        return self.explicit(inputs), self.implicit(inputs)  # (n, explicit_width), (n, implicit_width)


class DualSubspaceNetwork(Network):
    """An encoder for each modality, the linear classifier that their implicit embeddings share, and the fusion."""

    audio: DualEncoder
    visual: DualEncoder

    def __init__(self, audio_width: int, visual_width: int, n_classes: int, params: Params) -> None:
        """Lay out the network; its initial weights come from torch's generator."""
        super().__init__(audio_width, visual_width, n_classes)
        self.audio = DualEncoder(audio_width, params)
        self.visual = DualEncoder(visual_width, params)
        self.classifier = nn.Linear(params.implicit_width, n_classes, bias=False)
        self.params = params
        if params.fusion in ("cca", "cluster_cca"):
            width = params.explicit_width + params.implicit_width
            n_most = max(n_classes - 1, 1) if params.fusion == "cluster_cca" else width
            self.cca = CcaLayer(width, min(params.fusion_components, n_most), torch.float64)

    def prepare(self, audio: Tensor, visual: Tensor, labels_onehot: Tensor) -> tuple[Tensor, Tensor]:
        """Prepare all train features (n, width), and note the classes of their rows."""
        prepared = super().prepare(audio, visual, labels_onehot)
        self._train_labels = labels_onehot.argmax(dim=1).cpu().numpy()
        return prepared

    def loss(self, audio: Tensor, visual: Tensor, labels_onehot: Tensor) -> Tensor:
        """Return the weighted sum of the losses of a minibatch, a scalar; a loss of weight 0 is not computed."""
        params = self.params
        audio_explicit, audio_implicit = self.audio(audio)  # (n, explicit_width), (n, implicit_width)
        visual_explicit, visual_implicit = self.visual(visual)
        total = audio.new_zeros(())
        if params.lambda_corr:
            total = total + params.lambda_corr * self._correlation(audio_explicit, visual_explicit, labels_onehot)
        if params.lambda_disc:
            total = total + params.lambda_disc * self._discriminative(audio_implicit, visual_implicit, labels_onehot)
        if params.lambda_constraint:
            overlap = losses.constraint_loss(audio_explicit, audio_implicit)
            overlap = overlap + losses.constraint_loss(visual_explicit, visual_implicit)
            total = total + params.lambda_constraint * overlap
        return total

    def _correlation(self, audio: Tensor, visual: Tensor, labels_onehot: Tensor) -> Tensor:
        """The correlation loss in the form that the parameters ask for."""
        if self.params.correlation == "pairwise":
            return losses.pairwise_correlation_loss(audio, visual)
        if self.params.correlation == "likelihood":
            return losses.likelihood_loss(audio, visual, labels_onehot)
        if self.params.correlation == "agreement":
            return losses.agreement_loss(audio, visual, labels_onehot)
        return losses.cca_loss(audio, visual, self.params.explicit_width, self.params.correlation_ridge)

    def _discriminative(self, audio: Tensor, visual: Tensor, labels_onehot: Tensor) -> Tensor:
        """The discriminative loss in the form that the parameters ask for."""
        if self.params.discriminative == "label_distance":
            return losses.discriminative_loss(audio, visual, labels_onehot, self.classifier.weight)
        of_audio = functional.cross_entropy(self.classifier(audio), labels_onehot)
        return of_audio + functional.cross_entropy(self.classifier(visual), labels_onehot)

    def finish_epoch(self, audio: Tensor, visual: Tensor) -> None:
        """Fit the linear CCA on the concatenations of all train rows (n, width), if it is what fuses."""
        super().finish_epoch(audio, visual)
        params = self.params
        if params.fusion not in ("cca", "cluster_cca"):
            return
        x, y = (self._concatenation(*view).cpu().numpy() for view in ((self.audio, audio), (self.visual, visual)))
        if params.fusion == "cca":
            fitted = linalg.cca(x, y, params.fusion_components, params.fusion_ridge)
        else:
            labels = self._train_labels
            fitted = linalg.cluster_cca(x, y, labels, labels, params.fusion_components, params.fusion_ridge)
        self.cca.keep(fitted)

    def embed_audio(self, audio: Tensor) -> Tensor:
        """Return (n, k) joint embeddings of (n, audio width) features."""
        return self._joint(self.audio, audio, "audio")

    def embed_visual(self, visual: Tensor) -> Tensor:
        """Return (n, k) joint embeddings of (n, visual width) features."""
        return self._joint(self.visual, visual, "visual")

    def _joint(self, encoder: DualEncoder, features: Tensor, modality: Literal["audio", "visual"]) -> Tensor:
        """The joint embeddings of one modality's features."""
        if self.params.fusion == "weighted":
            return self._weighted(encoder, features, modality)
        concatenation = self._concatenation(encoder, features)
        return concatenation if self.params.fusion == "none" else self.cca.variates(concatenation, modality)

    def _concatenation(self, encoder: DualEncoder, features: Tensor) -> Tensor:
        """Explicit and implicit embeddings side by side, each of unit length: (n, explicit_width + implicit_width)."""
        return torch.cat([functional.normalize(branch) for branch in encoder(features)], dim=1)

    def _weighted(self, encoder: DualEncoder, features: Tensor, modality: Literal["audio", "visual"]) -> Tensor:
        """Both subspaces as unit rows, so weighted that the cosine is the weighted mean of their similarities."""
        explicit, implicit = encoder(features)
        if self.params.correlation == "agreement":
            explicit = _agreeing(explicit, modality)
        if self.params.discriminative == "cross_entropy":
            implicit = _agreeing(self.classifier(implicit), modality)
        share = self.params.explicit_share
        parts = [share**0.5 * functional.normalize(explicit), (1 - share) ** 0.5 * functional.normalize(implicit)]
        return torch.cat(parts, dim=1)


class Model(DeepModel):
    """Explicit and implicit common subspaces, concatenated and fused; every statistic is of the train rows.

    The epoch is chosen by the validation MAP of the joint embedding, the average of both directions.

    References:
        Zeng et al. (2023), Learning Explicit and Implicit Dual Common Subspaces for Audio-visual Cross-modal
        Retrieval, ACM TOMM 19(2s).
    """

    params_class = Params
    network_class = DualSubspaceNetwork


def _agreeing(logits: Tensor, modality: Literal["audio", "visual"]) -> Tensor:
    """Unit rows (n, k + 2) whose cosine across modalities is the dot product of the probabilities of logits (n, k).

    That is the chance that a draw of either gives the same; no probabilities have a norm above 1.
    """
    probabilities = functional.softmax(logits, dim=1).cpu().numpy()
    return torch.from_numpy(with_equal_norms(probabilities, 1.0, modality)).to(logits.device)
