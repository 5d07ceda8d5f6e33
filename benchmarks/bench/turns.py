"""The ways of a row, each in a process of its own on one thread, take turns; before that, they must agree.

A process may be slower than another one of the same way for as long as it lives, by where its memory happens to lie. So
each round begins with new processes.
"""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.bench.child import START
from benchmarks.bench.ways import OURS, BenchRow, Computed, CountedWork, Way
from pipeline.errors import DataError

ROOT = Path(__file__).parents[2]
BEFORE = "before"  # our way, of another checkout
PROGRAMS = ("ffmpeg",)
LONGEST = 160  # characters of an error that are told
THREADS = ("OMP", "MKL", "OPENBLAS", "NUMEXPR", "NUMBA", "VECLIB_MAXIMUM", "LOKY_MAX_CPU")


@dataclass
class Turns:
    """What the ways of a row took.

    Attributes:
        seconds: processor seconds of an item, for each round those of each run in it, by the name of the way.
        points: of the ways that were run with several numbers of items, the medians of the whole, by way and number.
        absent: why a way was not measured, by its name.
        differences: the largest difference from our outcome as a share of what is allowed, by way.
        work: what an item takes by arithmetic, of the ways that count it.
    """

    seconds: dict[str, list[list[float]]] = field(default_factory=dict)
    points: dict[str, dict[int, float]] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)
    differences: dict[str, float] = field(default_factory=dict)
    work: dict[str, CountedWork] = field(default_factory=dict)


@dataclass
class WayProcess:
    """The process of a way, which answers a line with a line.

    Attributes:
        way: what it does.
        process: that does it.
        folder: its current one, where its errors and its outcome are written.
        points: what ``Task.stretch`` took, a mapping for each time that it was measured.
    """

    way: Way
    process: "subprocess.Popen[str]"
    folder: Path
    points: list[dict[str, float]] = field(default_factory=list)

    @property
    def errors(self) -> Path:
        """Where stderr is written."""
        return self.folder / "errors"

    @property
    def outcome(self) -> Path:
        """Where the outcome is written that is compared."""
        return self.folder / "outcome.npz"

    def ask(self, *words: str) -> dict[str, Any]:
        """Return the answer to a line; of no words, the first answer.

        Raises:
            DataError: the process has ended, or says that it cannot do the work.
        """
        assert self.process.stdin is not None  # for mypy
        assert self.process.stdout is not None
        if words:
            print(*words, file=self.process.stdin, flush=True)
        line = self.process.stdout.readline()
        answer: dict[str, Any] = json.loads(line) if line else {"error": self._last_words()}
        if "error" in answer:
            raise DataError(textwrap.shorten(answer["error"], LONGEST))
        return answer

    def seconds(self) -> float:
        """Return the processor seconds of an item, measured once more."""
        answer = self.ask("run")
        self.points.append(answer["points"])
        return float(answer["seconds"])

    def _last_words(self) -> str:
        """The last line that the process wrote to stderr."""
        self.process.wait()
        lines = self.errors.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return lines[-1] if lines else f"ended with {self.process.returncode}"


def measure(row: BenchRow, before: Path | None = None) -> Turns:
    """Return what the ways of a row took, after they have shown that they do the same work.

    Args:
        row: to measure.
        before: another checkout, whose way of ours takes turns too.

    Raises:
        DataError: our way or a limit cannot do the work, or a way gives other results than ours.
    """
    turns = Turns(absent={way.name: reason for way in row.ways if (reason := missing(way))})
    ways = [(way, ROOT) for way in row.ways]
    ways += [(ours_before(row), before)] if before else []
    points: dict[str, list[dict[str, float]]] = {}
    with tempfile.TemporaryDirectory() as name:
        row.write_inputs(Path(name))
        for number in range(row.rounds if row.starts_anew else 1):
            with started(row, ways, Path(name), turns.absent) as ready:
                turns.differences |= compared(row, ready)
                for rounds in range(1 if row.starts_anew else row.rounds):
                    add_round(turns, ready, row.runs, number + rounds)
                if not turns.work:
                    turns.work = {
                        one.way.name: CountedWork(*work) for one in ready if (work := one.ask("count")["work"])
                    }
                for one in ready:
                    points.setdefault(one.way.name, []).extend(filter(None, one.points))
    turns.points = {way: medians(found) for way, found in points.items() if found}
    turns.seconds = {way: rounds for way, rounds in turns.seconds.items() if way not in turns.absent}
    return turns


@contextlib.contextmanager
def started(
    row: BenchRow, ways: Sequence[tuple[Way, Path]], folder: Path, absent: dict[str, str]
) -> Iterator[list[WayProcess]]:
    """Give a new process for each way that is not absent; what turns out not to run becomes absent."""
    with contextlib.ExitStack() as stack:
        ready = []
        for way, checkout in ways:
            if way.name not in absent:
                one = stack.enter_context(started_way(row, way, checkout, folder))
                if reason := unready(one, row.name):
                    absent[way.name] = reason
                else:
                    ready.append(one)
        yield ready


def unready(one: WayProcess, row: str) -> str:
    """Return why a way does not run, or nothing after it has run once and written its outcome.

    Raises:
        DataError: it is ours or a limit, which must run.
    """
    try:
        one.ask()
        one.ask("check", str(one.outcome))
    except DataError as error:
        if one.way.role == "limit" or one.way.name == OURS:
            raise DataError(f"{row}: {one.way.name}: {error}") from error
        return f"does not run: {error}"
    return ""


def ours_before(row: BenchRow) -> Way:
    """Return our way as another checkout has it, whose outcome may be as far away as that of any peer."""
    bounds: dict[str, float] = {}
    for way in row.ways:
        bounds |= {name: max(bound, bounds.get(name, 0.0)) for name, bound in way.bounds.items()}
    return row.ways[0]._replace(name=BEFORE, role="peer", bounds=bounds)


def add_round(turns: Turns, processes: Sequence[WayProcess], n_runs: int, number: int) -> None:
    """Let the ways take turns so many times; another one begins each time, so that none always follows one."""
    for way in (one.way.name for one in processes):
        turns.seconds.setdefault(way, []).append([])
    for run in range(n_runs):
        first = (number * n_runs + run) % len(processes)
        for one in [*processes[first:], *processes[:first]]:
            turns.seconds[one.way.name][-1].append(one.seconds())


def compared(row: BenchRow, processes: Sequence[WayProcess]) -> dict[str, float]:
    """Return how far each way's outcome is from ours, which comes first, as a share of what is allowed.

    Raises:
        DataError: a way gives other results, or lacks one.
    """
    found = {}
    for one in processes[1:]:
        if one.way.bounds:
            with np.load(processes[0].outcome) as expected, np.load(one.outcome) as outcome:
                found[one.way.name] = share_of_bounds(row.name, one.way, outcome, expected)
    return found


def share_of_bounds(row: str, way: Way, outcome: Computed, expected: Computed) -> float:
    """Return the largest difference between a way's outcome and ours as a share of its bound; 0 where all are equal.

    Raises:
        DataError: a difference is larger than its bound.
    """
    shares = [0.0]
    for name, bound in way.bounds.items():
        apart = difference(outcome[name], expected[name])
        if not apart <= bound:
            raise DataError(f"{row}: {way.name}: {name} differ by {apart:.3g} from ours; expected at most {bound:g}")
        shares.append(apart / bound if bound else 0.0)
    return max(shares)


def difference(outcome: "np.typing.NDArray[Any]", expected: "np.typing.NDArray[Any]") -> float:
    """Return the largest difference of two arrays of one shape, of bytes the mean one; infinity for other shapes.

    Pictures are compared by the mean: libraries that convert colours round differently at every edge, and yet another
    picture is far away everywhere.
    """
    if outcome.shape != expected.shape:
        return float("inf")
    apart = np.abs(outcome.astype(np.float64) - expected.astype(np.float64))
    return float(apart.mean() if expected.dtype == np.uint8 else apart.max(initial=0.0))


@contextlib.contextmanager
def started_way(row: BenchRow, way: Way, checkout: Path, folder: Path) -> Iterator[WayProcess]:
    """Give the process of a way; it is ended afterwards."""
    own = Path(tempfile.mkdtemp(dir=folder))
    words = [str(ROOT), str(checkout), row.module, way.prepare, json.dumps(dict(row.size)), str(folder)]
    pipe = subprocess.PIPE
    with (own / "errors").open("w") as errors:
        process = subprocess.Popen(
            [sys.executable, "-c", START, *words],
            cwd=own, env=environment(own) | dict(way.environment), stdin=pipe, stdout=pipe, stderr=errors, text=True,
        )  # fmt: skip
        try:
            yield WayProcess(way, process, own)
        finally:
            process.kill()
            process.communicate()
            shutil.rmtree(own, ignore_errors=True)


def environment(folder: Path) -> dict[str, str]:
    """Return the environment of a way: one thread, no GPU, a cache of its own, and compiled modules are kept."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    threads = {f"{name}_NUM_THREADS": "1" for name in THREADS}
    settings = {"AVR_WORKERS": "1", "AVR_DEVICE": "cpu", "AVR_PROGRESS": "none", "CUDA_VISIBLE_DEVICES": ""}
    caches = {"AVR_CACHE_DIR": str(folder / "cache"), "XDG_CACHE_HOME": str(folder / "cache")}
    return kept | threads | settings | caches


def missing(way: Way) -> str:
    """Return why a way cannot be measured here, or nothing where what it needs is installed."""
    return "" if not way.needs or version_of(way.needs) else "not installed"


def version_of(name: str) -> str | None:
    """Return the version of a package or of the program ``ffmpeg``, None where it is not installed."""
    if name in PROGRAMS:
        if not shutil.which(name):
            return None
        said = subprocess.run([name, "-version"], capture_output=True, text=True, check=True).stdout
        return said.split()[2]
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def medians(points: Sequence[Mapping[str, float]]) -> dict[int, float]:
    """Return the median of each number of items over the rounds."""
    return {int(number): float(np.median([one[number] for one in points])) for number in points[0]}
