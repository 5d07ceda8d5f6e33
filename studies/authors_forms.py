"""ACMR and TNN-C-CCA with the layers and losses of their authors' public code, which differ from those of the pipeline.

They are rivals to measure beside the pipeline's, by ``python -m studies.authors``. docs/models.md says which files were
read, what still differs, and what the code does that its paper does not say.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt
from torch import Tensor, nn
from torch.nn import functional

from pipeline import linalg
from pipeline.model_parts.cca_layer import CcaLayer
from pipeline.model_parts.deep import DeepModel, DeepParams
from pipeline.model_parts.layers import FeatureEncoder, InputParams
from pipeline.model_parts.network import Network
from pipeline.models.acmr import reverse_gradient


class AuthorsAcmrParams(DeepParams):
    """What the public code of ACMR sets.

    Attributes:
        trained: ``all``: the total loss, which the code writes down; ``as_run``: the steps that it takes, of the
            projectors by label and triplet loss alone, with a label predictor that stays as drawn.
        audio_widths: outputs of the layers of the audio projector, which has the place of the text's.
        visual_widths: likewise of the visual projector; both end in one width.
        lambda_label: weight of the label predictor's cross entropy.
        lambda_adversarial: final weight of the reversed gradient.
        margin: of the triplets.
        alpha: weight of the distances of own pairs in the triplets.
    """

    trained: Literal["all", "as_run"]
    audio_widths: tuple[PositiveInt, ...]
    visual_widths: tuple[PositiveInt, ...]
    lambda_label: NonNegativeFloat
    lambda_adversarial: NonNegativeFloat
    margin: PositiveFloat
    alpha: PositiveFloat

    @property
    def beta1(self) -> float:
        """Adam's beta 1 in the code."""
        return 0.5


class AuthorsTnnParams(DeepParams):
    """What the public code of TNN-C-CCA sets.

    Attributes:
        pairs: of the linear CCA: those of a class, as the paper's name says, or each clip's own, as the code runs it.
        hidden_widths: outputs of the layers below the last one.
        output_width: of the last one, and width of the embedding.
        dropout: share of values dropped behind each layer in training.
        margin: of squared distances.
        ridge: on the diagonal of both covariances, no share of anything.
    """

    pairs: Literal["class", "own"]
    hidden_widths: tuple[PositiveInt, ...]
    output_width: PositiveInt
    dropout: float = Field(ge=0, lt=1)
    margin: PositiveFloat
    ridge: PositiveFloat


class TanhEncoder(FeatureEncoder):
    """Linear layers, each followed by tanh and dropout, and a last activation."""

    def __init__(self, width: int, widths: Sequence[int], dropout: float, last: nn.Module, params: InputParams) -> None:
        """Lay out the layers from ``width`` features on to the last of ``widths``."""
        super().__init__(width, params)
        layers: list[nn.Module] = []
        for below, above in zip([width, *widths], widths, strict=False):
            layers += [nn.Linear(below, above), nn.Tanh(), nn.Dropout(dropout)]
        self.layers = nn.Sequential(*layers, last)

    def forward(self, features: Tensor) -> Tensor:
        """Return (n, last width) outputs of (n, width) features."""
        outputs: Tensor = self.layers(self.inputs(features))
        return outputs


class AuthorsAcmrNetwork(Network):
    """Two projectors, a linear label predictor, and a modality classifier of three layers that are linear too."""

    def __init__(self, audio_width: int, visual_width: int, n_classes: int, params: AuthorsAcmrParams) -> None:
        """Lay out the network; its initial weights are Xavier's and 0, as the code's library draws them."""
        super().__init__(audio_width, visual_width, n_classes)
        width = params.visual_widths[-1]
        self.audio = TanhEncoder(audio_width, params.audio_widths, 0, nn.Identity(), params)
        self.visual = TanhEncoder(visual_width, params.visual_widths, 0, nn.Identity(), params)
        self.label_predictor = nn.Linear(width, n_classes)
        self.modality_classifier = nn.Sequential(
            nn.Linear(width, width // 2), nn.Linear(width // 2, width // 4), nn.Linear(width // 4, 2)
        )
        for layer in linear_layers(self):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)
        self.label_predictor.requires_grad_(params.trained == "all")
        self.params = params

    def loss(self, audio: Tensor, visual: Tensor, labels_onehot: Tensor) -> Tensor:
        """Return the weighted sum of label, triplet and modality loss, a scalar."""
        params = self.params
        a, v = self.audio(audio), self.visual(visual)  # (n, k)
        label = sum(functional.cross_entropy(self.label_predictor(rows), labels_onehot) for rows in (a, v))
        triplets = batch_triplet_loss(
            a,
            v,
            v[nearest_of_another_class(audio, labels_onehot)],
            a[nearest_of_another_class(visual, labels_onehot)],
            params.margin,
            params.alpha,
        )
        return params.lambda_label * label + triplets + self._modality_loss(a, v)

    def _modality_loss(self, audio: Tensor, visual: Tensor) -> Tensor:
        """The modality classifier's cross entropy, whose gradient reaches the projectors reversed or not at all."""
        weight = self._reversal_weight() if self.params.trained == "all" else 0.0
        seen = [self.modality_classifier(reverse_gradient(rows, weight)) for rows in (audio, visual)]
        modality = torch.arange(2, device=audio.device).repeat_interleave(len(audio)).chunk(2)
        return functional.cross_entropy(seen[0], modality[0]) + functional.cross_entropy(seen[1], modality[1])

    def _reversal_weight(self) -> float:
        """From 0 in the first epoch up to nearly ``lambda_adversarial`` in the last."""
        return self.params.lambda_adversarial * float(np.tanh(5 * self.n_epochs_done / self.params.epochs))


class AuthorsTnnNetwork(Network):
    """Two networks of tanh layers that end in a sigmoid, and the linear CCA of their outputs."""

    def __init__(self, audio_width: int, visual_width: int, n_classes: int, params: AuthorsTnnParams) -> None:
        """Lay out the network; its initial weights are Xavier's in the first layer, and of deviation 0.05 behind."""
        super().__init__(audio_width, visual_width, n_classes)
        widths = [*params.hidden_widths, params.output_width]
        self.audio = TanhEncoder(audio_width, widths, params.dropout, nn.Sigmoid(), params)
        self.visual = TanhEncoder(visual_width, widths, params.dropout, nn.Sigmoid(), params)
        self.cca = CcaLayer(params.output_width, params.output_width)
        for encoder in (self.audio, self.visual):
            first, *others = linear_layers(encoder)
            nn.init.xavier_uniform_(first.weight)
            for layer in others:
                nn.init.normal_(layer.weight, std=0.05)
            for layer in (first, *others):
                nn.init.zeros_(layer.bias)
        self.params = params

    def loss(self, audio: Tensor, visual: Tensor, labels_onehot: Tensor) -> Tensor:
        """Return the triplet loss of the outputs, a scalar."""
        return squared_triplet_loss(self.audio(audio), self.visual(visual), labels_onehot, self.params.margin)

    def prepare(self, audio: Tensor, visual: Tensor, labels_onehot: Tensor) -> tuple[Tensor, Tensor]:
        """Prepare all train features (n, width), and note the classes of their rows."""
        prepared = super().prepare(audio, visual, labels_onehot)
        self._train_labels = labels_onehot.argmax(dim=1).cpu().numpy()
        return prepared

    def finish_epoch(self, audio: Tensor, visual: Tensor) -> None:  # type: ignore[override]  # studies fit in memory
        """Fit the CCA on the outputs of all train rows (n, width)."""
        super().finish_epoch(audio, visual)
        self.cca.keep(self._solve(self.audio(audio).cpu().numpy(), self.visual(visual).cpu().numpy()))

    def embed_audio(self, audio: Tensor) -> Tensor:
        """Return (n, output_width) canonical variates of (n, audio width) features."""
        return self.cca.variates(self.audio(audio), "audio")

    def embed_visual(self, visual: Tensor) -> Tensor:
        """Return (n, output_width) canonical variates of (n, visual width) features."""
        return self.cca.variates(self.visual(visual), "visual")

    def _solve(self, audio: NDArray[np.float32], visual: NDArray[np.float32]) -> linalg.Cca:
        """The CCA of (n, output_width) outputs of the train rows."""
        labels = self._train_labels
        own = self.params.pairs == "own"
        views = linalg.covariances(audio, visual) if own else linalg.cluster_covariances(audio, visual, labels, labels)
        n_components = self.params.output_width if own else min(self.params.output_width, len(np.unique(labels)) - 1)
        ridge = self.params.ridge * np.eye(self.params.output_width)
        return linalg.cca_from_covariances(views._replace(xx=views.xx + ridge, yy=views.yy + ridge), n_components, 0)


class AuthorsAcmr(DeepModel):
    """ACMR as its public code has it.

    References:
        Wang, Yang, Xu, Hanjalic & Shen (2017), Adversarial Cross-Modal Retrieval, ACM Multimedia.
    """

    learns_from = "labels"
    params_class = AuthorsAcmrParams
    network_class = AuthorsAcmrNetwork


class AuthorsTnn(DeepModel):
    """TNN-C-CCA as its public code has it.

    References:
        Zeng, Yu & Oyama (2020), Deep Triplet Neural Networks with Cluster-CCA for Audio-Visual Cross-modal Retrieval,
        ACM TOMM 16(3).
    """

    learns_from = "labels"
    params_class = AuthorsTnnParams
    network_class = AuthorsTnnNetwork


def linear_layers(module: nn.Module) -> list[nn.Linear]:
    """Return the linear layers of a module, in the order of their inputs."""
    return [layer for layer in module.modules() if isinstance(layer, nn.Linear)]


def nearest_of_another_class(features: Tensor, labels_onehot: Tensor) -> Tensor:
    """Return for each row the row of another class whose features have the highest cosine with its own.

    Args:
        features: (n, width) inputs of one modality.
        labels_onehot: (n, n_classes), one 1 a row; where there is one class alone, row 0 is taken.

    Returns:
        (n,) int64.
    """
    unit = functional.normalize(features)
    return (unit @ unit.T).masked_fill((labels_onehot @ labels_onehot.T).bool(), -torch.inf).argmax(dim=1)


def batch_triplet_loss(
    audio: Tensor, visual: Tensor, visual_negatives: Tensor, audio_negatives: Tensor, margin: float, alpha: float
) -> Tensor:
    """Return the triplet loss of ACMR's code: one hinge a direction, over the sums of the whole batch.

    ``max(0, margin + alpha/2 sum_i |a_i - v_i|^2 - 1/2 sum_i |a_i - v'_i|^2)``, and likewise from visual to audio.

    Args:
        audio: (n, k) embeddings; row i belongs to clip i.
        visual: (n, k) likewise.
        visual_negatives: (n, k) visual embeddings, row i of another class than clip i.
        audio_negatives: (n, k) likewise of audio.
        margin: above 0.
        alpha: weight of the distances of own pairs, above 0.

    Returns:
        scalar, at least 0.
    """
    own = (audio - visual).square().sum() / 2
    others = (audio - visual_negatives).square().sum() / 2, (visual - audio_negatives).square().sum() / 2
    return functional.relu(margin + alpha * own - others[0]) + functional.relu(margin + alpha * own - others[1])


def squared_triplet_loss(audio: Tensor, visual: Tensor, labels_onehot: Tensor, margin: float) -> Tensor:
    """Return the triplet loss of TNN-C-CCA's code: squared distances, anchors of audio alone.

    The mean of ``max(0, margin + |a_i - v_j|^2 - |a_i - v_k|^2)`` over all clips j of the class of i but i itself, and
    all clips k of other classes.

    Args:
        audio: (n, k) outputs; row i belongs to clip i.
        visual: (n, k) likewise.
        labels_onehot: (n, n_classes), one 1 a row.
        margin: above 0.

    Returns:
        scalar, at least 0; 0 where the batch has no such triplet.
    """
    distances = (audio[:, None, :] - visual[None, :, :]).square().sum(dim=2)  # (n, n)
    same = (labels_onehot @ labels_onehot.T).bool()
    positive = same & ~torch.eye(len(audio), dtype=torch.bool, device=audio.device)
    valid = positive[:, :, None] & ~same[:, None, :]  # (anchor, positive, negative)
    hinge = functional.relu(margin + distances[:, :, None] - distances[:, None, :])
    return (hinge * valid).sum() / valid.sum().clamp(min=1)
