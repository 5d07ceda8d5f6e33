"""Dual models whose branches know of each other: consistent on clips without a label, or over one trunk."""

from typing import Any

from torch import Tensor, nn
from torch.nn import functional

from pipeline.model_parts.dual_encoder import DualEncoder
from pipeline.model_parts.layers import FeatureEncoder, Heads, hidden_blocks
from pipeline.models.dual_subspace import DualSubspaceNetwork, Params

TIED: dict[str, dict[str, Any]] = {
    "consistent": {"lambda_consistency": 1.0},
    "trunk": {"has_trunk": True},
}
_FLOOR = 1e-12  # of a probability, as in the losses of the models


class TiedParams(Params):
    """Section ``model``, and what ties its branches.

    Attributes:
        lambda_consistency: weight of the loss that has both branches of clips without a label pick alike.
        has_trunk: whether the hidden layers are one for both branches, and a linear map each is their own.
    """

    lambda_consistency: float = 0.0
    has_trunk: bool = False


class TrunkEncoder(DualEncoder):
    """An explicit and an implicit linear map of one trunk of hidden layers."""

    def __init__(self, width: int, params: Params) -> None:
        """Lay out trunk and maps for features of ``width``."""
        FeatureEncoder.__init__(self, width, params)
        self.trunk = nn.Sequential(*hidden_blocks(width, params))
        widths = params.explicit_width, params.implicit_width
        self.explicit, self.implicit = (
            Heads(nn.Linear(params.hidden_width, outputs) for _ in range(params.n_heads)) for outputs in widths
        )

    def inputs(self, features: Tensor) -> Tensor:
        """Return the trunk's outputs (n, hidden_width) of (n, width) features."""
        hidden: Tensor = self.trunk(super().inputs(features))
        return hidden


class TiedNetwork(DualSubspaceNetwork):
    """The dual-subspace network with branches that are tied as ``TiedParams`` says."""

    def __init__(self, audio_width: int, visual_width: int, n_classes: int, params: Params) -> None:
        """Lay out the network; its initial weights come from torch's generator."""
        super().__init__(audio_width, visual_width, n_classes, params)
        self.ties = TiedParams.model_validate(params.model_dump())
        if self.ties.has_trunk:
            self.audio, self.visual = TrunkEncoder(audio_width, params), TrunkEncoder(visual_width, params)

    def _loss_of_head(
        self, audio: tuple[Tensor, Tensor], visual: tuple[Tensor, Tensor], labels_onehot: Tensor, classes: Tensor | None
    ) -> Tensor:
        """The losses of one head, and those that tie its branches."""
        total = super()._loss_of_head(audio, visual, labels_onehot, classes)
        if classes is None:
            return total
        if self.ties.lambda_consistency and not (has_label := labels_onehot.any(dim=1)).all():
            of_classes = functional.linear(audio[1], classes), functional.linear(visual[1], classes)
            apart = consistency_loss((audio[0], visual[0]), of_classes, ~has_label)
            total = total + self.ties.lambda_consistency * apart
        return total


def consistency_loss(one: tuple[Tensor, Tensor], other: tuple[Tensor, Tensor], rows: Tensor) -> Tensor:
    """Return how unlike two branches pick among the clips of the other modality: each learns from the other's picks.

    A clip picks as in ``agreement_loss``. It is the divergence of one branch's picks from those of the other, which are
    taken as they are, the mean over both branches, both ways and the rows.

    Args:
        one: logits of audio and visual, (n, n_states) each.
        other: likewise of the other branch.
        rows: (n,) bool, which clips pick.

    References:
        Zhang, Xiang, Hospedales & Lu (2018), Deep Mutual Learning, CVPR.
    """
    total = one[0].new_zeros(())
    for mine, others in zip(_log_picks(*one), _log_picks(*other), strict=True):
        for learner, teacher in ((mine, others), (others, mine)):
            target = teacher[rows].detach()
            total = total + functional.kl_div(learner[rows], target, reduction="batchmean", log_target=True)
    return total / 4


def _log_picks(audio: Tensor, visual: Tensor) -> tuple[Tensor, Tensor]:
    """The log probability with which each clip picks each one of the other modality, (n, n), both ways."""
    agreement = functional.softmax(audio.double(), dim=1) @ functional.softmax(visual.double(), dim=1).T
    log_agreement = agreement.clamp(min=_FLOOR).log().to(audio.dtype)
    return functional.log_softmax(log_agreement, dim=1), functional.log_softmax(log_agreement.T, dim=1)
