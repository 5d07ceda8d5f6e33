"""An epoch of the main model, beside the matrix products of its steps."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from benchmarks.bench.ways import Aim, BenchRow, CountedWork, Task, Way, WorkSize
from benchmarks.training import Clips, make_pairs

if TYPE_CHECKING:
    from torch import Tensor

    from pipeline.model_parts.training import AdamW

LIMIT = "matrix products"
PRODUCT_SIDE, N_PRODUCTS = 1536, 8
REASON = "a step of 64 rows is some thousand small operations; products this thin are half of their time"


class Epoch(NamedTuple):
    """What an epoch needs.

    Attributes:
        loss: of the rows of a minibatch.
        train: the tensors that minibatches are taken of.
        optimizer: moves the weights.
        batch_size: rows of a minibatch.
    """

    loss: "Callable[..., Tensor]"
    train: "tuple[Tensor, ...]"
    optimizer: "AdamW"
    batch_size: int


def rows(is_quick: bool) -> list[BenchRow]:
    """Return the rows of a large set, features of the usual widths, in minibatches of params.yaml and larger ones."""
    size = {"rows": 640 if is_quick else 16_800, "visual": 1024, "audio": 128, "classes": 300}
    ways = [Way("ours", "ours", "ours"), Way(LIMIT, "limit", "products")]
    what = f"an epoch of dual_subspace, {size['rows']:,} clips of {size['visual']} and {size['audio']}, batches of"
    about = ("ms an epoch", __name__)
    n_rounds = 2 if is_quick else 3
    return [
        BenchRow("epoch", "training", f"{what} 64", *about, size, ways, n_rounds, Aim(LIMIT, 5.0, REASON)),
        BenchRow("epoch 256", "training", f"{what} 256", *about, size | {"batch": 256}, ways, n_rounds),
    ]


def ours(size: WorkSize, folder: Path) -> Task:
    """Prepare the steps of an epoch, as training takes them."""
    import torch

    from pipeline.model_parts.training import minibatches, train_step

    epoch, order = _epoch(size), torch.Generator().manual_seed(0)

    def run() -> None:
        for rows in minibatches(size["rows"], epoch.batch_size, order, torch.device("cpu")):
            train_step(epoch.loss, [tensor[rows] for tensor in epoch.train], epoch.optimizer)

    return Task(run, 1, work=lambda: _work_of_a_step(epoch).times(n_steps(size, epoch)))


def products(size: WorkSize, folder: Path) -> Task:
    """Prepare large matrix products of as many operations as those of an epoch's steps, gradients included."""
    import torch

    epoch = _epoch(size)
    operations = _work_of_a_step(epoch).operations * n_steps(size, epoch)
    left, right = torch.randn(2, PRODUCT_SIDE, PRODUCT_SIDE)

    def run() -> None:
        for _ in range(N_PRODUCTS):
            left @ right  # what it takes is all that is asked

    return Task(run, N_PRODUCTS * 2 * PRODUCT_SIDE**3 / operations)


def n_steps(size: WorkSize, epoch: Epoch) -> int:
    """Return the minibatches of an epoch."""
    return -(-size["rows"] // epoch.batch_size)


def _work_of_a_step(epoch: Epoch) -> CountedWork:
    """What a step takes, of the first rows."""
    from benchmarks.bench.traffic import counted
    from pipeline.model_parts.training import train_step

    batch = [tensor[: epoch.batch_size] for tensor in epoch.train]
    return counted(lambda: train_step(epoch.loss, batch, epoch.optimizer), 1)


def _epoch(size: WorkSize) -> Epoch:
    """The network of params.yaml with its first weights, and the prepared features."""
    import pipeline
    from pipeline.model_parts.base import model_module
    from pipeline.model_parts.training import AdamW
    from pipeline.settings.params import load_params, model_sections

    file = Path(pipeline.__path__[0]).parent / "params.yaml"
    module = model_module("dual_subspace")
    params = load_params(model_sections(file)["dual_subspace"], module.Params, file)
    model = module.Model(params, 0)
    pairs = make_pairs(size["rows"], Clips(size["rows"], size["visual"], size["audio"], size["classes"]), 1)
    audio, visual, labels_onehot = model._on_device(pairs)
    network = model._new_network([audio.shape[1], visual.shape[1], labels_onehot.shape[1]])
    prepared = network.prepare(audio, visual, labels_onehot)
    network.train()
    batch_size = size.get("batch", params.batch_size)
    return Epoch(network.loss, (*prepared, labels_onehot), AdamW(network.parameters(), params), batch_size)
