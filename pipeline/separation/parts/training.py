"""The training loop of every separator: steps of AdamW or Muon, the weights of the best validation loss kept.

What a step draws depends on the seed and its number alone, so a training that was killed goes on to the weights that it
would have had. On a GPU the networks may compute in bfloat16; a step may be the mean of several batches, one after the
other on one machine or at the same time on several ranks.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt
from torch import Tensor, nn

from pipeline.errors import DivergenceError
from pipeline.model_parts import distributed
from pipeline.model_parts.base import SeededParams
from pipeline.model_parts.training import seeded
from pipeline.separation.parts.checkpoint import NO_CHECKPOINT, Checkpoint
from pipeline.separation.parts.muon import Muon
from pipeline.separation.parts.unet import UNet
from pipeline.settings.device import one_thread
from pipeline.settings.progress import progress

if TYPE_CHECKING:
    from pipeline.separation.parts.base import TrainingHistory

WARM_UP_STEPS = 20
N_LOOKS = 10  # at the validation loss, evenly over the training

BatchLoss = Callable[[np.random.Generator], Tensor]
"""The loss of a new batch, a scalar on the network's device; all that it draws comes from the generator."""


class StepsParams(SeededParams):
    """What a separator's params hold to be trained by ``fit_steps``.

    Attributes:
        steps: of the optimiser.
        batch_size: mixtures of a batch, an even number.
        n_batches: batches of a step, one after the other; its gradient is their mean. Ranks have as many each.
        precision: of convolutions and products in training; bfloat16 is faster on a GPU.
        optimizer: ``adamw``; or ``muon`` for convolutions, and AdamW for all else and for the layer that makes masks.
        learning_rate: the highest one of AdamW; it rises for some steps, then falls as a cosine does.
        kernel_rate: likewise, of Muon.
        weight_decay: decoupled weight decay of AdamW.
        clip_norm: longest gradient over all weights, in the Euclidean norm.
    """

    steps: PositiveInt
    batch_size: int = Field(ge=2, multiple_of=2)
    n_batches: PositiveInt
    precision: Literal["float32", "bfloat16"]
    optimizer: Literal["adamw", "muon"]
    learning_rate: PositiveFloat
    kernel_rate: PositiveFloat
    weight_decay: NonNegativeFloat
    clip_norm: PositiveFloat


@dataclass
class _Training:
    """A training under way: all that a checkpoint holds.

    Attributes:
        network: what is trained.
        params: how.
        step: the last one that was taken.
        losses: of the steps since the last look.
        best: the lowest validation loss.
        best_state: the network's weights and buffers at that look.
        history: a dict a look.
    """

    network: nn.Module
    params: StepsParams
    step: int = 0
    losses: list[float] = field(default_factory=list)
    best: float = math.inf
    best_state: dict[str, Tensor] = field(default_factory=dict)
    history: "TrainingHistory" = field(default_factory=list)

    def __post_init__(self) -> None:
        self.optimizers = _optimizers(self.network, self.params)
        self.best_state = _copied(self.network)

    def state(self) -> dict[str, Any]:
        """Return what goes on from here."""
        plain = {name: getattr(self, name) for name in ("step", "losses", "best", "best_state", "history")}
        optimizers = [optimizer.state_dict() for optimizer in self.optimizers]
        return plain | {"network": self.network.state_dict(), "optimizers": optimizers}

    def go_on_from(self, state: dict[str, Any]) -> None:
        """Take the place of the training that ``state`` is of."""
        self.network.load_state_dict(state.pop("network"))
        for optimizer, of_optimizer in zip(self.optimizers, state.pop("optimizers"), strict=True):
            optimizer.load_state_dict(of_optimizer)
        for name, value in state.items():
            setattr(self, name, value)


def fit_steps(
    network: nn.Module,
    loss: BatchLoss,
    validation_loss: Callable[[], float],
    params: StepsParams,
    seed: int,
    checkpoint: Checkpoint = NO_CHECKPOINT,
) -> "TrainingHistory":
    """Train a network in place and return the history; it ends in eval mode with the weights of the best look.

    Args:
        network: its parameters are what is learnt; what has no gradient stays as it is.
        loss: called with the network in train mode.
        validation_loss: called with the network in eval mode and no gradients; lower is better.
        params: how to train.
        seed: of what the batches draw, and of dropout.
        checkpoint: where a killed training goes on from.

    Returns:
        one dict a look: step, loss (the mean since the look before), validation_loss.

    Raises:
        DivergenceError: a loss is not finite.
    """
    training, looks = (
        _Training(network, params),
        {max(1, round(params.steps * k / N_LOOKS)) for k in range(1, N_LOOKS + 1)},
    )
    device = next(network.parameters()).device
    checkpoint.resume(training)
    shown = progress(f"train, seed {seed}", params.steps, "step", device=str(device), is_silent=distributed.rank() > 0)
    with seeded(seed, device), one_thread(), shown as advance:
        network.train()
        for step in range(training.step + 1, params.steps + 1):
            training.losses.append(_step(training, loss, step, seed))
            training.step = step
            if step in looks:
                _look(training, validation_loss)
            checkpoint.keep(training, is_due=step in looks)
            advance(f"loss {training.history[-1]['loss'] if training.history else float(np.mean(training.losses)):.3f}")
    network.load_state_dict(training.best_state)
    network.eval()
    return training.history


def _step(training: _Training, loss: BatchLoss, step: int, seed: int) -> float:
    """The mean loss of the batches of a step; the weights are moved by the gradient of it, over all ranks."""
    network, params = training.network, training.params
    for optimizer in training.optimizers:
        highest = params.kernel_rate if isinstance(optimizer, Muon) else params.learning_rate
        for group in optimizer.param_groups:
            group["lr"] = highest * _factor(step - 1, params.steps)
    network.zero_grad()
    total = 0.0
    for place in range(params.n_batches):
        of_batch = _of_batch(training, loss, [seed, step, distributed.rank() * params.n_batches + place])
        (of_batch / params.n_batches).backward()  # type: ignore[no-untyped-call]  # torch leaves it unannotated
        total += of_batch.item() / params.n_batches
    if not math.isfinite(total):
        raise DivergenceError(f"step {step}: loss is {total}; expected a finite loss: lower learning_rate")
    distributed.average_gradients(network)
    nn.utils.clip_grad_norm_(network.parameters(), params.clip_norm)
    for optimizer in training.optimizers:
        optimizer.step()
    return total


def _optimizers(network: nn.Module, params: StepsParams) -> list[torch.optim.Optimizer]:
    """What moves the weights of a network: Muon is for convolutions whose outputs other layers take."""
    unets = [module for module in network.modules() if isinstance(module, UNet)]
    last = {id(weights) for unet in unets for weights in unet.last.parameters()}
    kernels, others = list[nn.Parameter](), list[nn.Parameter]()
    for weights in network.parameters():
        is_inner = weights.ndim >= 3 and id(weights) not in last
        (kernels if is_inner and params.optimizer == "muon" else others).append(weights)
    adamw = torch.optim.AdamW(others, params.learning_rate, weight_decay=params.weight_decay, fused=True)
    return [adamw, Muon(kernels, params.kernel_rate)] if kernels else [adamw]


def _of_batch(training: _Training, loss: BatchLoss, place: list[int]) -> Tensor:
    """The loss of the batch at a place of the training: seed, step and number."""
    device = next(training.network.parameters()).device
    torch.manual_seed(int(np.random.SeedSequence(place).generate_state(1)[0]))  # of dropout
    with torch.autocast(device.type, torch.bfloat16, enabled=training.params.precision == "bfloat16"):
        return loss(np.random.default_rng(place))


def _factor(step: int, n_steps: int) -> float:
    """What the learning rate is multiplied by: a rise, then half a cosine."""
    rise = min(1.0, (step + 1) / WARM_UP_STEPS)
    return rise * 0.5 * (1 + math.cos(math.pi * step / n_steps))


def _look(training: _Training, validation_loss: Callable[[], float]) -> None:
    """Note the validation loss of the network as it will be used, and keep the weights where it is the lowest."""
    distributed.average([buffer for buffer in training.network.buffers() if buffer.is_floating_point()])
    with _in_use(training.network):
        score = distributed.from_first_rank(validation_loss)
    mean_loss = sum(training.losses) / len(training.losses)
    training.history.append({"step": training.step, "loss": mean_loss, "validation_loss": score})
    training.losses = []
    if score < training.best:
        training.best, training.best_state = score, _copied(training.network)


@contextmanager
def _in_use(network: nn.Module) -> Iterator[None]:
    """The network in eval mode, without gradients."""
    network.eval()
    with torch.no_grad():
        yield
    network.train()


def _copied(network: nn.Module) -> dict[str, Tensor]:
    """The network's weights and buffers, safe from further training."""
    return {name: value.clone() for name, value in network.state_dict().items()}
