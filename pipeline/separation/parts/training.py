"""The training loop of every separator: steps of AdamW, the weights of the best validation loss kept."""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt
from torch import Tensor, nn

from pipeline.errors import DivergenceError
from pipeline.model_parts.base import SeededParams
from pipeline.model_parts.training import seeded
from pipeline.settings.device import one_thread
from pipeline.settings.progress import progress

if TYPE_CHECKING:
    from pipeline.separation.parts.base import TrainingHistory

WARM_UP_STEPS = 20
N_LOOKS = 10  # at the validation loss, evenly over the training


class StepsParams(SeededParams):
    """What a separator's params hold to be trained by ``fit_steps``.

    Attributes:
        steps: of the optimiser.
        batch_size: mixtures of a step, an even number.
        learning_rate: the highest one; it rises for some steps, then falls as a cosine does.
        weight_decay: decoupled weight decay of AdamW.
        clip_norm: longest gradient over all weights, in the Euclidean norm.
    """

    steps: PositiveInt
    batch_size: int = Field(ge=2, multiple_of=2)
    learning_rate: PositiveFloat
    weight_decay: NonNegativeFloat
    clip_norm: PositiveFloat


def fit_steps(
    network: nn.Module, loss: Callable[[], Tensor], validation_loss: Callable[[], float], params: StepsParams, seed: int
) -> "TrainingHistory":
    """Train a network in place and return the history; it ends in eval mode with the weights of the best look.

    Args:
        network: its parameters are what is learnt; what has no gradient stays as it is.
        loss: of a new batch, a scalar; called with the network in train mode.
        validation_loss: called with the network in eval mode and no gradients; lower is better.
        params: how to train.
        seed: of dropout.

    Returns:
        one dict a look: step, loss (the mean since the look before), validation_loss.

    Raises:
        DivergenceError: a loss is not finite.
    """
    optimizer = torch.optim.AdamW(network.parameters(), params.learning_rate, weight_decay=params.weight_decay)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _factor(step, params.steps))
    looks = {max(1, round(params.steps * k / N_LOOKS)) for k in range(1, N_LOOKS + 1)}
    history: TrainingHistory = []
    losses, best, best_state = list[float](), math.inf, _copied(network)
    device = next(network.parameters()).device
    shown = progress(f"train, seed {seed}", params.steps, "step", device=str(device))
    with seeded(seed, device), one_thread(), shown as advance:
        network.train()
        for step in range(1, params.steps + 1):
            losses.append(_step(network, loss, optimizer, params.clip_norm))
            schedule.step()
            if not math.isfinite(losses[-1]):
                raise DivergenceError(f"step {step}: loss is {losses[-1]}; expected a finite loss: lower learning_rate")
            if step in looks:
                score = _looked_at(network, validation_loss)
                history.append({"step": step, "loss": sum(losses) / len(losses), "validation_loss": score})
                losses = []
                if score < best:
                    best, best_state = score, _copied(network)
            advance(f"loss {history[-1]['loss'] if history else sum(losses) / len(losses):.3f}")
    network.load_state_dict(best_state)
    network.eval()
    return history


def _step(network: nn.Module, loss: Callable[[], Tensor], optimizer: torch.optim.Optimizer, clip_norm: float) -> float:
    """The loss of a batch; the weights are moved by its gradient."""
    optimizer.zero_grad()
    of_batch = loss()
    of_batch.backward()  # type: ignore[no-untyped-call]  # torch leaves it unannotated
    nn.utils.clip_grad_norm_(network.parameters(), clip_norm)
    optimizer.step()
    return of_batch.item()


def _factor(step: int, n_steps: int) -> float:
    """What the learning rate is multiplied by: a rise, then half a cosine."""
    rise = min(1.0, (step + 1) / WARM_UP_STEPS)
    return rise * 0.5 * (1 + math.cos(math.pi * step / n_steps))


def _looked_at(network: nn.Module, validation_loss: Callable[[], float]) -> float:
    """The validation loss of the network as it will be used."""
    network.eval()
    with torch.no_grad():
        score = validation_loss()
    network.train()
    return score


def _copied(network: nn.Module) -> dict[str, Tensor]:
    """The network's weights and buffers, safe from further training."""
    return {name: value.clone() for name, value in network.state_dict().items()}
