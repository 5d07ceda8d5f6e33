"""Training on several processes at once, as torchrun starts them: the ranks, and the loss that they compute together.

Every rank holds all rows and is given every minibatch whole. An encoder computes a rank's share of it alone, and its
outputs of all shares are gathered: the loss sees the whole batch, and needs to know nothing of ranks.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import numpy as np
import torch
from torch import Tensor, distributed, nn
from torch.distributed.nn.functional import all_gather
from torch.nn.parallel import DistributedDataParallel

from pipeline.errors import ParamsError
from pipeline.settings.device import chosen_device
from pipeline.settings.environment import variable

Loss = Callable[..., Tensor]

# All ranks wait while the first one validates, embeds or fits a closed form by itself, on a million clips for longer
# than the 10 minutes that torch waits; where a rank fails, torchrun ends the others.
LONGEST_WAIT = timedelta(days=1)


@contextmanager
def joined() -> Iterator[None]:
    """Run the block as one of the ranks that torchrun started; without torchrun there is one, and nothing to join.

    Ranks on GPUs take one each and talk by NCCL, those on a CPU by Gloo.

    Raises:
        ParamsError: there are more ranks on this machine than GPUs, or AVR_DEVICE names one GPU for all of them.
    """
    if "WORLD_SIZE" not in os.environ:
        yield
        return
    if chosen_device().type == "cuda":
        torch.cuda.set_device(_own_gpu())
    distributed.init_process_group("nccl" if chosen_device().type == "cuda" else "gloo", timeout=LONGEST_WAIT)
    try:
        yield
    finally:
        distributed.destroy_process_group()


def rank() -> int:
    """Return this process's number, from 0; the first one validates and writes."""
    return distributed.get_rank() if distributed.is_initialized() else 0


def n_ranks() -> int:
    """Return how many processes train together."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def own_seed(seed: int) -> int:
    """Return a seed of this rank's own, for what differs from row to row; the first rank's is ``seed``."""
    if rank() == 0:
        return seed
    return int(np.random.SeedSequence([seed, rank()]).generate_state(1)[0])


def from_first_rank(compute: Callable[[], float]) -> float:
    """Return, on all ranks, what ``compute`` gives on the first one; the others do not call it."""
    if n_ranks() == 1:
        return compute()
    answer = [compute() if rank() == 0 else 0.0]
    distributed.broadcast_object_list(answer, src=0)
    return answer[0]


def average(tensors: Sequence[Tensor]) -> None:
    """Put the mean over the ranks in the place of each tensor, of any shape; all ranks give as many of equal shapes."""
    if n_ranks() == 1 or not tensors:
        return
    flat = torch.cat([tensor.detach().flatten() for tensor in tensors])
    distributed.all_reduce(flat)
    flat /= n_ranks()
    for tensor, mean in zip(tensors, torch.split(flat, [tensor.numel() for tensor in tensors]), strict=True):
        tensor.detach().copy_(mean.view_as(tensor))


def average_gradients(network: nn.Module) -> None:
    """Put the mean over the ranks in the place of all gradients; a weight that a rank did not use has 0 there."""
    if n_ranks() == 1:
        return
    learnt = [weight for weight in network.parameters() if weight.requires_grad]
    for weight in learnt:
        weight.grad = torch.zeros_like(weight) if weight.grad is None else weight.grad
    average([weight.grad for weight in learnt if weight.grad is not None])


@contextmanager
def shared_loss(network: nn.Module, loss: Loss, encoders: Sequence[nn.Module]) -> Iterator[Loss]:
    """Yield the loss with which all ranks train one network; to a lone rank ``loss`` itself.

    It takes whole minibatches, the same on all ranks, and its gradient is that of ``loss`` on one rank.

    The gradient that the gathered outputs send back is added up over the ranks, once for each rank's equal loss, and
    the ranks' mean of the weights' gradients takes that out again. Behind the encoders all ranks' gradients are equal.

    Args:
        network: its parameters are what is learnt; the first rank's are copied to the others.
        loss: of ``network``, a scalar.
        encoders: modules of ``network`` that ``loss`` calls with (n, width) rows of the minibatch and that treat each
            row by itself; they return a tensor or a tuple of tensors, n rows each. In eval mode they share nothing.
    """
    if n_ranks() == 1:
        yield loss
        return
    shares = [_SharedRows(encoder) for encoder in encoders]
    try:
        yield DistributedDataParallel(_LossModule(network, loss), broadcast_buffers=False, find_unused_parameters=True)
    finally:
        for share in shares:
            share.remove()


class _LossModule(nn.Module):
    """A network whose forward is a loss, as DistributedDataParallel wants it."""

    def __init__(self, network: nn.Module, loss: Loss) -> None:
        super().__init__()
        self.network, self.loss = network, loss

    def forward(self, *batch: Tensor) -> Tensor:
        return self.loss(*batch)


class _SharedRows:
    """Hooks by which a module in training computes this rank's share of its rows, and its caller gets those of all.

    Shares are of one length: where the ranks do not divide the rows, the last ones start over from the first row, and
    what they compute twice is dropped.
    """

    def __init__(self, module: nn.Module) -> None:
        self._n_rows = 0
        self._hooks = [
            module.register_forward_pre_hook(self._take_share),
            module.register_forward_hook(self._gather),
        ]

    def remove(self) -> None:
        """Let the module compute all rows again."""
        for hook in self._hooks:
            hook.remove()

    def _take_share(self, module: nn.Module, inputs: tuple[Tensor]) -> tuple[Tensor] | None:
        """This rank's rows."""
        if not module.training:
            return None
        (rows,) = inputs  # (n, width)
        self._n_rows = len(rows)
        n_each = -(-len(rows) // n_ranks())
        places = torch.arange(rank() * n_each, (rank() + 1) * n_each, device=rows.device) % len(rows)
        return (rows[places],)  # (n_each, width)

    def _gather(self, module: nn.Module, _: Any, outputs: Tensor | tuple[Tensor, ...]) -> Any:  # noqa: ANN401 - as ``outputs``
        """The outputs of all rows."""
        if not module.training:
            return None
        if isinstance(outputs, Tensor):
            return self._of_all_ranks(outputs)
        return tuple(map(self._of_all_ranks, outputs))

    def _of_all_ranks(self, share: Tensor) -> Tensor:
        """(n, k) of (n_each, k); gradients come back to this rank's share from every rank."""
        shares = all_gather(share)  # type: ignore[no-untyped-call]  # torch leaves it unannotated
        return torch.cat(shares)[: self._n_rows]


def _own_gpu() -> int:
    """The GPU of this rank among those of its machine."""
    local_rank, n_gpus = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
    if (variable("AVR_DEVICE") or "cuda") != "cuda" or local_rank >= n_gpus:
        raise ParamsError(
            f"rank {local_rank} of this machine, {n_gpus} GPUs, AVR_DEVICE={variable('AVR_DEVICE')!r}; "
            "expected a GPU for each rank, and AVR_DEVICE unset, cuda or cpu"
        )
    return local_rank
