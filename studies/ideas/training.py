"""Two changes of the training of any network: mixed pairs, and averaged weights."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from pipeline.model_parts.network import Network

MIXUP_ALPHA = 0.4
AVERAGE_DECAY = 0.99


class MixedPairs(Network):
    """A network that learns from mixed pairs; a base class in front of another network.

    A batch gets one weight, drawn from Beta(``MIXUP_ALPHA``, ``MIXUP_ALPHA``), and each of its clips a partner. Both
    modalities of a clip are mixed with those of the partner. The losses never see a mixed label, since those of pairs
    would have no meaning for it: the loss of the mixed rows by the labels of the clips and that by the labels of their
    partners, of one draw of dropout, are added with the weights of the two. Of a cross entropy that is its value for
    the mixed label.

    References:
        Zhang, Cisse, Dauphin & Lopez-Paz (2018), mixup: Beyond Empirical Risk Minimization, ICLR.
    """

    def loss(self, audio: Tensor, visual: Tensor, labels_onehot: Tensor) -> Tensor:
        """Return the loss of mixed rows, a scalar; features (n, width), labels (n, n_classes)."""
        weight = torch.distributions.Beta(MIXUP_ALPHA, MIXUP_ALPHA).sample().item()
        partners = torch.randperm(len(audio)).to(audio.device)
        a, v = mixed(audio, partners, weight), mixed(visual, partners, weight)
        with torch.random.fork_rng():
            own = super().loss(a, v, labels_onehot)  # type: ignore[safe-super]  # of the network behind this class
        others = super().loss(a, v, labels_onehot[partners])  # type: ignore[safe-super]  # likewise
        return weight * own + (1 - weight) * others


class AveragedWeights(Network):
    """A network that embeds with the average of its weights over all steps; a base class in front of another network.

    After each epoch the average takes the place of the weights, and gives it back before the next step. The training
    itself is as it was.

    References:
        Polyak & Juditsky (1992), Acceleration of Stochastic Approximation by Averaging, SIAM Journal on Control and
        Optimization 30(4); the average here is an exponential one.
    """

    def prepare(self, audio: Tensor, visual: Tensor, labels_onehot: Tensor) -> tuple[Tensor, Tensor]:
        """Return all train features (n, width) prepared; the average of the weights begins."""
        self._average = WeightAverage(self.parameters(), AVERAGE_DECAY)
        self._trained = [weight.detach().clone() for weight in self.parameters()]
        self._has_stepped = self._is_averaged = False
        return super().prepare(audio, visual, labels_onehot)

    def loss(self, audio: Tensor, visual: Tensor, labels_onehot: Tensor) -> Tensor:
        """Return the loss, a scalar, of the weights of the last step; features (n, width), labels (n, n_classes)."""
        if self._is_averaged:
            _copy(self._trained, self.parameters())
            self._is_averaged = False
        self._count_step()
        self._has_stepped = True
        return super().loss(audio, visual, labels_onehot)  # type: ignore[safe-super]  # of the network behind this class

    def finish_epoch(self, audio: Tensor, visual: Tensor) -> None:  # type: ignore[override]  # studies fit in memory
        """Put the average in the place of the weights; then comes what the network does with train rows (n, width)."""
        self._count_step()
        _copy(self.parameters(), self._trained)
        _copy(self._average.means, self.parameters())
        self._is_averaged = True
        super().finish_epoch(audio, visual)

    def _count_step(self) -> None:
        """Add the weights to the average, if a step was made since they were added last."""
        if self._has_stepped:
            self._average.add(self.parameters())
            self._has_stepped = False


class WeightAverage:
    """The exponential average of weights over steps, without a part of where they started.

    After k steps it is ``sum_t (1 - d) d^(k - t) w_t / (1 - d^k)``, t from 1 to k, with decay d.

    Attributes:
        means: the average of each weight, of its shape.
    """

    def __init__(self, weights: Iterable[Tensor], decay: float) -> None:
        """Make space for the averages of weights; ``decay`` is in (0, 1)."""
        self.means = [torch.zeros_like(weight, requires_grad=False) for weight in weights]
        self._decay, self._n_steps = decay, 0

    @torch.no_grad()
    def add(self, weights: Iterable[Tensor]) -> None:
        """Take in the weights after a step, each of the shape that it had at the beginning."""
        self._n_steps += 1
        share = (1 - self._decay) / (1 - self._decay**self._n_steps)
        for mean, weight in zip(self.means, weights, strict=True):
            mean.lerp_(weight, share)


def mixed(rows: Tensor, partners: Tensor, weight: float) -> Tensor:
    """Return (n, width) rows, each ``weight`` times itself and the rest of its partner, one of the rows.

    Args:
        rows: (n, width) float.
        partners: (n,) int64, numbers of rows.
        weight: in [0, 1].
    """
    return weight * rows + (1 - weight) * rows[partners]


def in_front_of(change: type[Network], network: type[Network]) -> type[Network]:
    """Return the class of a network whose training is changed: by ``MixedPairs`` or ``AveragedWeights``."""
    bases: tuple[Any, ...] = (change, network)
    return type(f"{change.__name__}{network.__name__}", bases, {})


@torch.no_grad()
def _copy(sources: Iterable[Tensor], targets: Iterable[Tensor]) -> None:
    """Write tensors over others."""
    for source, target in zip(sources, targets, strict=True):
        target.copy_(source)
