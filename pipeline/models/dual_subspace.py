"""The main model: an explicit and an implicit common subspace, fused into one joint embedding.

What the paper leaves open (sizes, weights, optimiser, form of the losses) is a parameter; the works it cites give the
choices, and docs/models.md says which ones go beyond them.
"""

import math
from functools import partial
from typing import Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import NonNegativeFloat, PositiveFloat, model_validator
from torch import Tensor, nn
from torch.nn import functional

from pipeline import linalg
from pipeline.errors import DataError
from pipeline.model_parts import losses
from pipeline.model_parts.cca_layer import CcaLayer
from pipeline.model_parts.deep import DEEP_SEARCH, DeepModel, DeepParams
from pipeline.model_parts.dual_encoder import DualEncoder, DualEncoderParams
from pipeline.model_parts.fusion import FusionParams, Subspaces, share_by_agreement, side_by_side
from pipeline.model_parts.layers import HIDDEN_SEARCH, agreeing
from pipeline.model_parts.network import Network, class_numbers
from pipeline.model_parts.row_blocks import TrainRows, over_rows
from pipeline.model_parts.search_space import SearchSpace

SEARCH: SearchSpace = {
    **DEEP_SEARCH,
    **HIDDEN_SEARCH,
    "lambda_corr": ("loguniform", 0.1, 10.0),
    "lambda_disc": ("loguniform", 0.1, 10.0),
    "lambda_constraint": ("loguniform", 1e-3, 1.0),
    "explicit_branch": ["perceptron", "fourier"],
    "implicit_branch": ["perceptron", "fourier"],
    "explicit_width": [16, 32, 64, 128],
    "implicit_width": [16, 32, 64, 128],
    "explicit_share": ("uniform", 0.0, 1.0),
}
AGREEMENTS = ("agreement", "agreement_of_pairs")
PROBABLE_FORMS = tuple(f"correlation={form} and discriminative=cross_entropy" for form in AGREEMENTS)
ModalityName = Literal["audio", "visual"]
MODALITIES: tuple[ModalityName, ModalityName] = ("audio", "visual")


class Params(DeepParams, DualEncoderParams, FusionParams):
    """Section ``model`` of params.yaml.

    Attributes:
        lambda_corr: weight of the correlation loss, which ties the explicit embeddings of a clip.
        lambda_disc: weight of the discriminative loss, which ties implicit embeddings to labels.
        lambda_constraint: weight of the constraint loss, which keeps the two embeddings of an input apart.
        lambda_pairs: weight of the agreement of pairs in the implicit branch too, whose states are the classes.
        correlation: form of the correlation loss; ``agreement_of_pairs`` looks at no label.
        correlation_ridge: of the form ``cca``, relative to the mean variance; the other forms have none.
        discriminative: form of the discriminative loss.
    """

    lambda_corr: NonNegativeFloat
    lambda_disc: NonNegativeFloat
    lambda_constraint: NonNegativeFloat
    lambda_pairs: NonNegativeFloat
    correlation: Literal["pairwise", "likelihood", "cca", "agreement", "agreement_of_pairs"]
    correlation_ridge: PositiveFloat
    discriminative: Literal["label_distance", "cross_entropy"]

    @model_validator(mode="after")
    def _something_is_learnt(self) -> Self:
        if self.lambda_corr == self.lambda_disc == self.lambda_constraint == 0:
            raise ValueError("lambda_corr, lambda_disc and lambda_constraint are all 0; expected one above 0")
        return self

    @model_validator(mode="after")
    def _fusion_fits(self) -> Self:
        if self.fusion == "cca" and self.fusion_components > self.joint_width:
            most = f"{self.joint_width}, n_heads * (explicit_width + implicit_width)"
            raise ValueError(f"fusion_components={self.fusion_components}; expected at most {most}")
        return self

    @model_validator(mode="after")
    def _agreement_is_of_probabilities(self) -> Self:
        forms = f"correlation={self.correlation} and discriminative={self.discriminative}"
        if self.fusion == "by_agreement" and forms not in PROBABLE_FORMS:
            raise ValueError(f"fusion=by_agreement with {forms}; expected {' or '.join(PROBABLE_FORMS)}")
        return self

    @model_validator(mode="after")
    def _one_subspace_is_whole(self) -> Self:
        if self.n_subspaces == 1 and (self.lambda_constraint > 0 or self.fusion in ("cca", "cluster_cca")):
            given = f"n_subspaces=1 with lambda_constraint={self.lambda_constraint:g} and fusion={self.fusion!r}"
            raise ValueError(f"{given}; expected lambda_constraint=0, and fusion 'weighted', 'by_agreement' or 'none'")
        return self


class DualSubspaceNetwork(Network):
    """An encoder for each modality, a linear classifier a head that both share, and the fusion."""

    audio: DualEncoder
    visual: DualEncoder
    share: Tensor
    remedy = "correlation: likelihood, cca or agreement (pairwise has no scale), or a lower dropout or learning_rate"

    def __init__(self, audio_width: int, visual_width: int, n_classes: int, params: Params) -> None:
        """Lay out the network; its initial weights come from torch's generator."""
        super().__init__(audio_width, visual_width, n_classes)
        self.audio = DualEncoder(audio_width, params)
        self.visual = DualEncoder(visual_width, params)
        self.classifiers = nn.ModuleList(
            nn.Linear(params.classified_width, n_classes, bias=False) for _ in range(params.n_heads if n_classes else 0)
        )
        self.params = params
        if params.fusion in ("cca", "cluster_cca"):
            width = params.joint_width if n_classes else params.n_heads * params.explicit_width
            n_most = max(n_classes - 1, 1) if params.fusion == "cluster_cca" else width
            self.cca = CcaLayer(width, min(params.fusion_components, n_most), torch.float64)
        if params.fusion == "by_agreement":
            self.register_buffer("share", torch.tensor(params.explicit_share, dtype=torch.float64))

    def prepare(self, audio: Tensor, visual: Tensor, labels_onehot: Tensor) -> tuple[Tensor, Tensor]:
        """Prepare all train features (n, width), and note the classes of their rows."""
        self.note_classes(class_numbers(labels_onehot))
        return super().prepare(audio, visual, labels_onehot)

    def note_classes(self, labels: NDArray[np.int64]) -> None:
        """Note the classes (n,) of the train rows, which the fusion may need.

        Raises:
            DataError: no row has a class, and without one there is nothing to learn, or to fuse by.
        """
        if not self.classifiers and (self.params.lambda_corr == 0 or self.params.fusion == "cluster_cca"):
            expected = "expected lambda_corr above 0, and another fusion than cluster_cca"
            raise DataError(f"train: no clip has a label, and nothing to learn is left, or to fuse by; {expected}")
        self._train_labels = labels

    def loss(self, audio: Tensor, visual: Tensor, labels_onehot: Tensor) -> Tensor:
        """Return the weighted sum of the losses of a minibatch, a scalar; a loss of weight 0 is not computed.

        The discriminative loss is of the rows with a label. Where none has one, the correlation loss is all there is.
        """
        n_heads, total = self.params.n_heads, audio.new_zeros(())
        of_classes: list[Tensor | None] = [classifier.get_parameter("weight") for classifier in self.classifiers]
        of_classes = of_classes or [None] * n_heads
        branches = (map(self._heads, embedded) for embedded in (self.audio(audio), self.visual(visual)))
        audio_heads, visual_heads = (zip(*of_modality, strict=True) for of_modality in branches)
        for classes, audio_head, visual_head in zip(of_classes, audio_heads, visual_heads, strict=True):
            total = total + self._loss_of_head(audio_head, visual_head, labels_onehot, classes)
        return total / n_heads

    def _loss_of_head(
        self, audio: tuple[Tensor, Tensor], visual: tuple[Tensor, Tensor], labels_onehot: Tensor, classes: Tensor | None
    ) -> Tensor:
        """The weighted sum of the losses of one head, of its explicit and implicit embeddings (n, width)."""
        params = self.params
        (audio_explicit, audio_implicit), (visual_explicit, visual_implicit) = audio, visual
        total = audio_explicit.new_zeros(())
        if params.lambda_corr:
            total = total + params.lambda_corr * self._correlation(audio_explicit, visual_explicit, labels_onehot)
        if classes is None:
            return total
        if params.lambda_disc:
            to_classes = partial(self._discriminative, classes=classes)
            loss = self.of_labelled(to_classes, audio_implicit, visual_implicit, labels_onehot)
            total = total + params.lambda_disc * loss
        if params.lambda_pairs:
            sounds, pictures = (functional.linear(of, classes) for of in (audio_implicit, visual_implicit))
            bare = torch.zeros_like(labels_onehot)
            total = total + params.lambda_pairs * losses.agreement_loss(sounds, pictures, bare)
        if params.lambda_constraint:
            overlap = losses.constraint_loss(audio_explicit, audio_implicit)
            overlap = overlap + losses.constraint_loss(visual_explicit, visual_implicit)
            total = total + params.lambda_constraint * overlap
        return total

    def _heads(self, branch: Tensor) -> tuple[Tensor, ...]:
        """The outputs of each head, (n, width), of a branch (n, n_heads * width)."""
        return branch.chunk(self.params.n_heads, dim=1)

    def _correlation(self, audio: Tensor, visual: Tensor, labels_onehot: Tensor) -> Tensor:
        """The correlation loss in the form that the parameters ask for."""
        if self.params.correlation == "pairwise":
            return losses.pairwise_correlation_loss(audio, visual)
        if self.params.correlation == "likelihood":
            return losses.likelihood_loss(audio, visual, labels_onehot)
        if self.params.correlation in AGREEMENTS:
            looked_at = labels_onehot if self.params.correlation == "agreement" else torch.zeros_like(labels_onehot)
            return losses.agreement_loss(audio, visual, looked_at)
        return losses.cca_loss(audio, visual, self.params.explicit_width, self.params.correlation_ridge)

    def _discriminative(self, audio: Tensor, visual: Tensor, labels_onehot: Tensor, classes: Tensor) -> Tensor:
        """The discriminative loss in the form that the parameters ask for; classes are (n_classes, implicit_width)."""
        if self.params.discriminative == "label_distance":
            return losses.discriminative_loss(audio, visual, labels_onehot, classes)
        of_audio = functional.cross_entropy(functional.linear(audio, classes), labels_onehot)
        return of_audio + functional.cross_entropy(functional.linear(visual, classes), labels_onehot)

    def finish_epoch(self, audio: TrainRows, visual: TrainRows) -> None:
        """Fit what fuses: the linear CCA on the concatenations of all train rows (n, width), or the share."""
        super().finish_epoch(audio, visual)
        if self.params.fusion == "by_agreement" and self.classifiers:
            encoders = zip((self.audio, self.visual), self.held_out, MODALITIES, strict=True)
            self.share.fill_(share_by_agreement(*(self._similar(*of_modality) for of_modality in encoders)))
        if (params := self.params).fusion not in ("cca", "cluster_cca"):
            return
        views = ((self.audio, audio), (self.visual, visual))
        x, y = (over_rows(partial(self._concatenation, of), rows).cpu().numpy() for of, rows in views)
        size = params.fusion_components, params.fusion_ridge
        if params.fusion == "cca":
            fitted = linalg.cca(x, y, *size)
        else:
            known = self._train_labels >= 0
            labels = self._train_labels[known]
            fitted = linalg.cluster_cca(x[known], y[known], labels, labels, *size)
        self.cca.keep(fitted)

    def embed_audio(self, audio: Tensor) -> Tensor:
        """Return (n, k) joint embeddings of (n, audio width) features."""
        return self._joint(self.audio, audio, "audio")

    def embed_visual(self, visual: Tensor) -> Tensor:
        """Return (n, k) joint embeddings of (n, visual width) features."""
        return self._joint(self.visual, visual, "visual")

    def _joint(self, encoder: DualEncoder, features: Tensor, modality: ModalityName) -> Tensor:
        """The joint embeddings of one modality's features."""
        if self.params.fusion in ("weighted", "by_agreement"):
            share = self.params.explicit_share if self.params.fusion == "weighted" else self.share.item()
            return side_by_side(*self._similar(encoder, features, modality), share if self.classifiers else 1.0)
        concatenation = self._concatenation(encoder, features)
        return concatenation if self.params.fusion == "none" else self.cca.variates(concatenation, modality)

    def _concatenation(self, encoder: DualEncoder, features: Tensor) -> Tensor:
        """Explicit and implicit embeddings side by side, those of a head of one length: (n, joint_width).

        Without classes the implicit ones have learnt nothing, and are left out.
        """
        branches = encoder(features) if self.classifiers else encoder(features)[:1]
        heads = [functional.normalize(head) for branch in branches for head in self._heads(branch)]
        return torch.cat(heads, dim=1) / math.sqrt(self.params.n_heads)

    def _similar(self, encoder: DualEncoder, features: Tensor, modality: ModalityName) -> Subspaces:
        """Explicit and implicit heads whose cosines are the similarities; without classes there is no implicit one."""
        explicit, implicit = map(self._heads, encoder(features))
        if self.params.correlation in AGREEMENTS:
            explicit = tuple(agreeing(head, modality) for head in explicit)
        if self.params.discriminative == "cross_entropy" and self.classifiers:
            heads = zip(self.classifiers, implicit, strict=True)
            implicit = tuple(agreeing(classifier(head), modality) for classifier, head in heads)
        return explicit, implicit if self.classifiers else ()


class Model(DeepModel):
    """Explicit and implicit common subspaces, concatenated and fused; every statistic is of the train rows.

    The epoch is chosen by the validation MAP of the joint embedding, the average of both directions.

    References:
        Zeng et al. (2023), Learning Explicit and Implicit Dual Common Subspaces for Audio-visual Cross-modal
        Retrieval, ACM TOMM 19(2s).
    """

    learns_from = "both"
    params_class = Params
    network_class = DualSubspaceNetwork
