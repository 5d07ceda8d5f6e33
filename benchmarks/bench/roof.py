"""What one core can do at most: products of large matrices, and moving numbers that no cache holds."""

from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.bench.ways import OURS, BenchRow, Task, Way, WorkSize

if TYPE_CHECKING:
    import torch

SIDE, N_PRODUCTS = 1536, 4
N_NUMBERS = 2**24  # of each of three arrays, 128 MiB
N_PASSES = 8
FLOAT32, FLOAT64, TRIAD = OURS, "float64", "triad"  # names of the ways; each row of the benchmark begins with ours


def row() -> BenchRow:
    """Return the row, which stands in no table: items are 10^9 operations, or 10^9 bytes."""
    ways = [Way(FLOAT32, "ours", "float32"), Way(FLOAT64, "peer", "float64"), Way(TRIAD, "limit", "triad")]
    size = {"side": SIDE, "numbers": N_NUMBERS}
    return BenchRow("roof", "roof", "what one core can do at most", "ms", __name__, size, ways, 1, runs=2)


def float32(size: WorkSize, folder: Path) -> Task:
    """Prepare products of square matrices in single precision."""
    import torch

    return _products(torch.float32)


def float64(size: WorkSize, folder: Path) -> Task:
    """Prepare products of square matrices in double precision."""
    import torch

    return _products(torch.float64)


def triad(size: WorkSize, folder: Path) -> Task:
    """Prepare a = b + 3 c of arrays that no cache holds: two numbers are read and one is written.

    References:
        McCalpin (1995), Memory bandwidth and machine balance in current high performance computers, IEEE TCCA
        Newsletter.
    """
    import torch

    a, b, c = torch.ones(3, N_NUMBERS, dtype=torch.float64).unbind()

    def run() -> None:
        for _ in range(N_PASSES):
            torch.add(b, c, alpha=3, out=a)

    return Task(run, N_PASSES * 3 * a.nbytes / 1e9)


def _products(dtype: "torch.dtype") -> Task:
    """Some products of a precision."""
    import torch

    left, right = torch.randn(2, SIDE, SIDE, dtype=dtype)

    def run() -> None:
        for _ in range(N_PRODUCTS):
            left @ right  # what it takes is all that is asked

    return Task(run, N_PRODUCTS * 2 * SIDE**3 / 1e9)
