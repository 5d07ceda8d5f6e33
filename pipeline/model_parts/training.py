"""The training loop of every deep model: minibatches, AdamW, early stopping, the best epoch restored."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

import torch
from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt
from torch import Tensor, nn
from torch.optim.adamw import adamw

from pipeline.errors import DataError, DivergenceError
from pipeline.model_parts import distributed
from pipeline.settings.device import one_thread
from pipeline.settings.params import StageParams
from pipeline.settings.progress import progress

_BETA2, _EPSILON = 0.999, 1e-8  # of AdamW, as in the paper


class TrainingParams(StageParams):
    """What a model's ``Params`` holds to be trained by ``fit``.

    Attributes:
        epochs: passes over the train rows, at most.
        batch_size: rows of a minibatch, at most; from 4, so that the smallest batch has 2.
        learning_rate: step of AdamW.
        weight_decay: decoupled weight decay of AdamW.
        clip_norm: longest gradient over all weights, in the Euclidean norm.
        patience: epochs without a better validation MAP after which training stops, and the best one is kept; None
            trains all epochs and keeps the last.
    """

    epochs: PositiveInt
    batch_size: int = Field(ge=4)
    learning_rate: PositiveFloat
    weight_decay: NonNegativeFloat
    clip_norm: PositiveFloat
    patience: PositiveInt | None

    @property
    def beta1(self) -> float:
        """AdamW's beta 1, in [0, 1): what a step keeps of the mean of the gradients before it."""
        return 0.9


@contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Run the block on torch's random numbers of ``seed``, and give torch its own back afterwards.

    Initial weights and dropout draw from torch's global generators; this keeps them reproducible, and leaves the
    caller's numbers as they were.
    """
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield


def minibatches(n_rows: int, batch_size: int, generator: torch.Generator, device: torch.device) -> list[Tensor]:
    """Return the rows 0..n_rows - 1 in random order, cut into as few batches as ``batch_size`` allows.

    Args:
        n_rows: rows to share out.
        batch_size: most rows of a batch.
        generator: of the order; on the CPU.
        device: that needs the indices; they are sent to it at once.

    Returns:
        the rows (n,) int64 of each batch, whose lengths differ by at most one: no row is left out, and no batch is a
        stub.
    """
    n_batches = -(-n_rows // batch_size)
    return list(torch.randperm(n_rows, generator=generator).to(device).tensor_split(n_batches))


class RowSource(Protocol):
    """Train rows that are given out as minibatches."""

    @property
    def device(self) -> torch.device:
        """Where the minibatches are."""

    def __len__(self) -> int:
        """Return the number of rows."""

    def batches(self, batch_size: int, order: torch.Generator) -> Iterator[Sequence[Tensor]]:
        """Yield an epoch's minibatches, at most ``batch_size`` rows (m, ...) of each tensor: every row once."""


class _HeldRows:
    """Rows in memory, in the order of ``minibatches``."""

    def __init__(self, tensors: tuple[Tensor, ...]) -> None:
        self.device = tensors[0].device
        self._tensors = tensors

    def __len__(self) -> int:
        return len(self._tensors[0])

    def batches(self, batch_size: int, order: torch.Generator) -> Iterator[list[Tensor]]:
        for rows in minibatches(len(self), batch_size, order, self.device):
            yield [tensor[rows] for tensor in self._tensors]


class AdamW:
    """Clipped steps of AdamW, all weights in one call of torch's functional form.

    ``torch.optim.AdamW`` takes the same steps, but its first use imports torch's compiler, which can last longer than
    the fit of a small model.

    References:
        Loshchilov & Hutter (2019), Decoupled Weight Decay Regularization, ICLR.
    """

    def __init__(self, weights: Iterable[Tensor], params: TrainingParams) -> None:
        """Start with empty moments of the weights, beside them on their device."""
        self._params = params
        self._states = [
            (weight, torch.zeros_like(weight), torch.zeros_like(weight), weight.new_zeros((), dtype=torch.float32))
            for weight in weights
        ]

    def zero_grad(self) -> None:
        """Drop all gradients."""
        for weight, *_ in self._states:
            weight.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """Move the weights by their gradients, clipped; a weight without a gradient stays."""
        moved = [state for state in self._states if state[0].grad is not None]
        weights, means, squares, n_steps = map(list, zip(*moved, strict=True))
        nn.utils.clip_grad_norm_(weights, self._params.clip_norm)
        adamw(
            weights,
            [weight.grad for weight in weights],
            means,
            squares,
            [],
            n_steps,
            fused=True,
            amsgrad=False,
            beta1=self._params.beta1,
            beta2=_BETA2,
            lr=self._params.learning_rate,
            weight_decay=self._params.weight_decay,
            eps=_EPSILON,
            maximize=False,
        )


def fit(
    network: nn.Module,
    loss: Callable[..., Tensor],
    train: tuple[Tensor, ...] | RowSource,
    validation_map: Callable[[], float],
    params: TrainingParams,
    seed: int,
) -> list[dict[str, float]]:
    """Train ``network`` in place up to its best validation epoch, and return the history.

    The network ends in eval mode with the weights of the first epoch of the highest validation MAP, or of the last
    epoch where there is no patience. The same seed gives the same weights on a CPU.

    Args:
        network: on the device of ``train``; its parameters are what is learnt.
        loss: called with the rows of a minibatch of each tensor of ``train``; returns a scalar.
        train: tensors of one length on one device, such as (audio, visual, labels), or what gives minibatches of them.
        validation_map: called after each epoch with the network in eval mode and no gradients; higher is better.
        params: how to train.
        seed: of the order of rows, and of dropout.

    Returns:
        one dict an epoch: epoch (from 0), loss (mean over rows), validation_map.

    Raises:
        DataError: fewer than 2 train rows.
        DivergenceError: the training diverges: a loss is not finite, or a matrix or an embedding made of the weights.
    """
    rows = _HeldRows(train) if isinstance(train, tuple) else train
    if len(rows) < 2:
        raise DataError(f"train: {len(rows)} rows; expected at least 2 to learn from")
    optimizer = AdamW(network.parameters(), params)
    order = torch.Generator().manual_seed(seed)
    history: list[dict[str, float]] = []
    best_map, best_epoch, best_state = float("-inf"), 0, _copy_of_state(network)
    device, is_silent = rows.device, distributed.rank() > 0
    shown = progress(f"train, seed {seed}", params.epochs, "epoch", device=_in_words(device), is_silent=is_silent)
    with seeded(distributed.own_seed(seed), device), one_thread(), shown as advance:
        for epoch in range(params.epochs):
            with _named(epoch):
                mean_loss = _train_epoch(network, optimizer, loss, rows, params, order)
                score = _validate(network, validation_map)
            history.append({"epoch": epoch, "loss": mean_loss, "validation_map": score})
            advance(f"loss {mean_loss:.3f}, validation MAP {score:.3f}")
            if score > best_map:
                best_map, best_epoch, best_state = score, epoch, _copy_of_state(network)
            if params.patience is not None and epoch - best_epoch >= params.patience:
                break
    if params.patience is not None:
        network.load_state_dict(best_state)
    return history


def train_step(loss: Callable[..., Tensor], batch: Sequence[Tensor], optimizer: AdamW) -> Tensor:
    """Return the loss of a minibatch, a scalar on its device, and move the weights by its gradient."""
    optimizer.zero_grad()
    batch_loss = loss(*batch)
    batch_loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it unannotated
    optimizer.step()
    return batch_loss.detach()


def _train_epoch(
    network: nn.Module,
    optimizer: AdamW,
    loss: Callable[..., Tensor],
    train: RowSource,
    params: TrainingParams,
    order: torch.Generator,
) -> float:
    """One pass over the train rows; the host waits for the device at its ends alone."""
    network.train()
    total = torch.zeros((), device=train.device)
    for batch in train.batches(params.batch_size, order):
        total += train_step(loss, batch, optimizer) * len(batch[0])
    mean_loss = total.item() / len(train)
    if not math.isfinite(mean_loss):
        raise DataError(f"loss is {mean_loss}; expected a finite loss")
    return mean_loss


@contextmanager
def _named(epoch: int) -> Iterator[None]:
    """Say in which epoch an error happened, and what to do where numbers have grown without bound."""
    try:
        yield
    except (DataError, torch.linalg.LinAlgError) as error:  # type: ignore[attr-defined]  # public, but not in the stub
        raise DivergenceError(f"epoch {epoch}: {error} (where the training diverges, lower learning_rate)") from error


def _validate(network: nn.Module, validation_map: Callable[[], float]) -> float:
    """The score of the network as it will be used."""
    network.eval()
    with torch.inference_mode():
        return validation_map()


def _in_words(device: torch.device) -> str:
    """A device as a reader knows it: ``cpu``, or a GPU with its name, such as ``cuda:0 (NVIDIA H200)``."""
    if device.type != "cuda":
        return device.type
    index = torch.cuda.current_device() if device.index is None else device.index
    return f"cuda:{index} ({torch.cuda.get_device_name(index)})"


def _copy_of_state(network: nn.Module) -> dict[str, Tensor]:
    """The network's weights and buffers, safe from further training."""
    return {name: value.clone() for name, value in network.state_dict().items()}
