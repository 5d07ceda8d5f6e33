"""Inception-v3 and VGGish beside the straightforward way, and beside plain matrix products of as many operations."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.bench.ways import Aim, BenchRow, Computed, CountedWork, Task, Way, WorkSize

if TYPE_CHECKING:
    from benchmarks import backbones

LIMIT = "matrix products"
REASON = "products of 1536 x 1536 are about the peak of a core; some convolutions stay in its caches and beat them"
GFLOP = "mflop_a_row"  # 10^6 multiplications and additions of a picture or an example
N_COMPARED = 8


def rows(is_quick: bool) -> list[BenchRow]:
    """Return a row for each network."""
    if is_quick:
        return []  # weights of this size take seconds to make
    return [
        _row("inception", "Inception-v3, a picture of 299 x 299", "ms a picture", 11_420),
        _row("vggish", "VGGish, an example of 0.96 s", "ms an example", 1_728),
    ]


def _row(name: str, what: str, unit: str, mflop: int) -> BenchRow:
    """A row of a network of so many operations."""
    ways = [
        Way("ours", "ours", f"{name}_ours"),
        Way("straightforward", "peer", f"{name}_straightforward", bounds={"features": 1e-3}),
        Way(LIMIT, "limit", "products"),
    ]
    return BenchRow(name, "networks", what, unit, __name__, {GFLOP: mflop}, ways, 4, Aim(LIMIT, 1.1, REASON), runs=2)


def inception_ours(size: WorkSize, folder: Path) -> Task:
    """Prepare ``embed_clips`` with Inception-v3."""
    return _task("inception", 1)


def inception_straightforward(size: WorkSize, folder: Path) -> Task:
    """Prepare Inception-v3, a picture at a time."""
    return _task("inception", 0)


def vggish_ours(size: WorkSize, folder: Path) -> Task:
    """Prepare ``embed_clips`` with VGGish."""
    return _task("vggish", 1)


def vggish_straightforward(size: WorkSize, folder: Path) -> Task:
    """Prepare VGGish, an example at a time."""
    return _task("vggish", 0)


def products(size: WorkSize, folder: Path) -> Task:
    """Prepare matrix products, of which as many operations as the network has are an item."""
    import torch

    from benchmarks import backbones

    way = backbones.product(torch.device("cpu"))
    return Task(_without_outcome(way), way.n_rows * way.gflop_per_row / (size[GFLOP] / 1000))


def _task(network: str, place: int) -> Task:
    """One of the two ways of a network, whose features are compared in their standard deviations."""
    import torch

    from benchmarks import backbones

    make = {"inception": backbones.inception_ways, "vggish": backbones.vggish_ways}[network]
    way = make(torch.device("cpu"))[place]

    def outcome() -> Computed:
        features = way.run()
        return {"features": features[:N_COMPARED] / features[:N_COMPARED].std()}

    def work() -> CountedWork:
        from benchmarks.bench.traffic import counted

        return counted(way.run, way.n_rows)

    return Task(_without_outcome(way), way.n_rows, outcome, work=work)


def _without_outcome(way: "backbones.NetworkWay") -> Callable[[], None]:
    """A run of which nothing is kept."""

    def run() -> None:
        way.run()

    return run
