"""Ways of rows that take hardly any time, whose processes `benchmarks.bench` starts as it does those of real ones."""

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from benchmarks.bench.ways import CountedWork, Task, WorkSize

BURN = "import time\nwhile time.process_time() < 0.3: pass"


def spun(seconds: float) -> None:
    """Use the processor for so long."""
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


def short(size: WorkSize, folder: Path) -> Task:
    """20 ms for two items."""

    def run() -> dict[str, np.ndarray]:
        spun(0.02)
        return {"sum": np.array([size["rows"]])}

    return Task(run, 2)


def told(size: WorkSize, folder: Path) -> Task:
    """A result that the environment says."""
    return Task(lambda: {"sum": np.array([int(os.environ["TOLD"])])}, 2)


def wrong(size: WorkSize, folder: Path) -> Task:
    """Another result."""
    return Task(lambda: {"sum": np.array([size["rows"] + 1e-3])}, 2)


def in_a_child(size: WorkSize, folder: Path) -> Task:
    """The work is done by a process that this one waits for."""

    def run() -> None:
        subprocess.run([sys.executable, "-c", BURN], check=True)

    return Task(run, 1)


def stretched(size: WorkSize, folder: Path) -> Task:
    """20 ms once, and 10 ms an item."""
    return Task(lambda: None, 1, stretch=[(n, lambda n=n: spun(0.02 + 0.01 * n)) for n in (2, 5, 10)])


def noted(size: WorkSize, folder: Path) -> Task:
    """Notes the process in the file that the environment names, once a run."""

    def run() -> None:
        with Path(os.environ["NOTES"]).open("a") as notes:
            print(os.getpid(), file=notes)

    return Task(lambda: None, 1, stretch=[(1, lambda: None), (2, run)])


def counting(size: WorkSize, folder: Path) -> Task:
    """Work of known operations and bytes."""
    return Task(lambda: spun(0.01), 2, work=lambda: CountedWork(4 * size["rows"], 8 * size["rows"], "float64"))


def broken(size: WorkSize, folder: Path) -> Task:
    """A library that does not load."""
    raise OSError("libavutil.so.56: cannot open shared object file")
