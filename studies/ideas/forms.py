"""The networks of the models with another loss, another temperature or a learnt fusion; docs/ideas.md lists them."""

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from torch import Tensor, nn
from torch.nn import functional

from pipeline.model_parts import losses
from pipeline.models import acmr, dscmr, dual_subspace, label_probabilities
from pipeline.retrieval.cosines import unit_rows
from studies.ideas.losses import Proxies, contrastive_loss, proxy_logits

CONTRASTIVE_TEMPERATURE = 0.1
PROXY_SCALE = 10.0  # one over that temperature
N_FUSED = 300  # train rows, at most, whose pairs fit the weight of the fusion


class ContrastiveDual(dual_subspace.DualSubspaceNetwork):
    """The dual-subspace network with the contrastive loss on its explicit branch."""

    def _correlation(self, audio: Tensor, visual: Tensor, labels_onehot: Tensor) -> Tensor:
        return contrastive_loss(audio, visual, labels_onehot, CONTRASTIVE_TEMPERATURE)


class ContrastiveDscmr(dscmr.DscmrNetwork):
    """DSCMR with the contrastive loss in place of its likelihood."""

    def loss(self, audio: Tensor, visual: Tensor, labels_onehot: Tensor) -> Tensor:
        """Return the weighted sum of the losses, a scalar; features (n, width), labels (n, n_classes)."""
        params = self.params
        a, v = self.audio(audio), self.visual(visual)  # (n, common_width)
        in_label_space = losses.discriminative_loss(a, v, labels_onehot, self.classifier.weight, self.classifier.bias)
        in_common_space = contrastive_loss(a, v, labels_onehot, CONTRASTIVE_TEMPERATURE)
        invariance = losses.pairwise_correlation_loss(a, v)
        return in_label_space + params.lambda_likelihood * in_common_space + params.lambda_invariance * invariance


class ContrastiveAcmr(acmr.AcmrNetwork):
    """ACMR with the contrastive loss in place of its inter-modal invariance."""

    def loss(self, audio: Tensor, visual: Tensor, labels_onehot: Tensor) -> Tensor:
        """Return the weighted sum of the losses, a scalar; features (n, width), labels (n, n_classes)."""
        params = self.params
        a, v = self.audio(audio), self.visual(visual)  # (n, common_width)
        label = sum(functional.cross_entropy(self.label_predictor(rows), labels_onehot) for rows in (a, v))
        structure = contrastive_loss(a, v, labels_onehot, CONTRASTIVE_TEMPERATURE)
        return params.lambda_label * label + params.lambda_structure * structure + self.modality_loss(a, v)


class ProxyDual(dual_subspace.DualSubspaceNetwork):
    """The dual-subspace network with proxies as classifier of its implicit branch, in the loss and in the fusion."""

    def __init__(self, audio_width: int, visual_width: int, n_classes: int, params: dual_subspace.Params) -> None:
        """Lay out the network, with the proxies where the weights of its classifiers start."""
        super().__init__(audio_width, visual_width, n_classes, params)
        linear = [layer for layer in self.classifiers if isinstance(layer, nn.Linear)]
        self.classifiers = nn.ModuleList(Proxies(layer, PROXY_SCALE) for layer in linear)

    def _discriminative(self, audio: Tensor, visual: Tensor, labels_onehot: Tensor, classes: Tensor) -> Tensor:
        of_audio = functional.cross_entropy(proxy_logits(audio, classes, PROXY_SCALE), labels_onehot)
        return of_audio + functional.cross_entropy(proxy_logits(visual, classes, PROXY_SCALE), labels_onehot)


class ProxyDscmr(dscmr.DscmrNetwork):
    """DSCMR with proxies in place of the distance to the labels."""

    def loss(self, audio: Tensor, visual: Tensor, labels_onehot: Tensor) -> Tensor:
        """Return the weighted sum of the losses, a scalar; features (n, width), labels (n, n_classes)."""
        params, proxies = self.params, self.classifier.weight
        a, v = self.audio(audio), self.visual(visual)  # (n, common_width)
        of_audio = functional.cross_entropy(proxy_logits(a, proxies, PROXY_SCALE), labels_onehot)
        of_visual = functional.cross_entropy(proxy_logits(v, proxies, PROXY_SCALE), labels_onehot)
        in_common_space = losses.likelihood_loss(a, v, labels_onehot)
        invariance = losses.pairwise_correlation_loss(a, v)
        return of_audio + of_visual + params.lambda_likelihood * in_common_space + params.lambda_invariance * invariance


class ProxyAcmr(acmr.AcmrNetwork):
    """ACMR with proxies as its label predictor."""

    def __init__(self, audio_width: int, visual_width: int, n_classes: int, params: acmr.Params) -> None:
        """Lay out the network, with the proxies where the weights of its label predictor start."""
        super().__init__(audio_width, visual_width, n_classes, params)
        self.label_predictor = Proxies(self.label_predictor, PROXY_SCALE)


class ProxyProbabilities(label_probabilities.ProbabilityNetwork):
    """Two perceptrons whose last layers are proxies, each modality's own."""

    def __init__(self, audio_width: int, visual_width: int, n_classes: int, params: label_probabilities.Params) -> None:
        """Lay out the network, with the proxies where the weights of the last layers start."""
        super().__init__(audio_width, visual_width, n_classes, params)
        for encoder in (self.audio, self.visual):
            *hidden, last = encoder.layers
            if isinstance(last, nn.Linear):
                encoder.layers = nn.Sequential(*hidden, Proxies(last, PROXY_SCALE))


class TemperedDual(dual_subspace.DualSubspaceNetwork):
    """The dual-subspace network whose logits, of states and of classes, are divided by a temperature when it embeds.

    Its training is that of the pipeline's. The classifiers have no bias: what is behind the branches scales with them.
    """

    temperature: ClassVar[float] = 1.0

    def _heads(self, branch: Tensor) -> tuple[Tensor, ...]:
        return super()._heads(branch if self.training else branch / self.temperature)


class TemperedProbabilities(label_probabilities.ProbabilityNetwork):
    """Two classifiers whose logits are divided by a temperature when they embed; their training is the pipeline's."""

    temperature: ClassVar[float] = 1.0

    def embed_audio(self, audio: Tensor) -> Tensor:
        """Return (n, n_classes) probabilities of (n, audio width) features."""
        return functional.softmax(self.audio(audio) / self.temperature, dim=1)

    def embed_visual(self, visual: Tensor) -> Tensor:
        """Return (n, n_classes) probabilities of (n, visual width) features."""
        return functional.softmax(self.visual(visual) / self.temperature, dim=1)


class FittedFusion(dual_subspace.DualSubspaceNetwork):
    """The dual-subspace network whose ``explicit_share`` is fitted on pairs of train rows after each epoch."""

    def finish_epoch(self, audio: Tensor, visual: Tensor) -> None:  # type: ignore[override]  # studies fit in memory
        """Fit the share on the train rows (n, width), of which at most ``N_FUSED``, evenly spread, count."""
        super().finish_epoch(audio, visual)
        rows = np.linspace(0, len(audio) - 1, min(len(audio), N_FUSED)).astype(np.int64)
        before = self.params
        explicit, implicit = (self._similarities(audio[rows], visual[rows], share) for share in (1.0, 0.0))
        fitted = fitted_share(explicit, implicit, self._train_labels[rows], before.explicit_share)
        self.params = before.model_copy(update={"explicit_share": fitted})

    def _similarities(self, audio: Tensor, visual: Tensor, share: float) -> NDArray[np.float64]:
        """The (n, n) cosines of n clips' joint embeddings with a share of the explicit subspace, which then stays."""
        self.params = self.params.model_copy(update={"explicit_share": share})
        sounds, pictures = (
            unit_rows(rows.cpu().numpy()) for rows in (self.embed_audio(audio), self.embed_visual(visual))
        )
        return np.asarray(sounds @ pictures.T, np.float64)


def fitted_share(
    explicit: NDArray[np.float64], implicit: NDArray[np.float64], labels: NDArray[np.int64], otherwise: float
) -> float:
    """Return the share of the explicit subspace by which two similarities tell pairs of one class from others.

    It is ``w_e / (w_e + w_m)``, with the weights of a logistic regression (scikit-learn's default penalty) of whether
    sound i and picture j are of one class on both similarities, over all i and j but a clip's own pair. A negative
    weight counts as 0.

    Args:
        explicit: (n, n) similarities of sounds (rows) and pictures in the explicit subspace.
        implicit: (n, n) likewise in the implicit one.
        labels: (n,).
        otherwise: the share where no weight is above 0, or all pairs are alike.

    Returns:
        share in [0, 1].
    """
    others = ~np.eye(len(labels), dtype=bool)
    same = (labels[:, None] == labels)[others]
    if same.all() or not same.any():
        return otherwise
    fitted = LogisticRegression().fit(np.column_stack([explicit[others], implicit[others]]), same)
    weights = np.maximum(fitted.coef_[0], 0)  # (2,)
    return float(weights[0] / weights.sum()) if weights.sum() > 0 else otherwise
