"""How long exact retrieval metrics take here, and in how much memory, beside the straightforward way.

The product of the cosines alone is the floor of what an exact way can take.

Every item is a query once against all items. Straightforward is an argsort of each query's cosines and average
precision by cumulative sums. The ways take turns, round after round, so that whatever else the machine does meets all
alike; the table has medians of CPU seconds. Memory is the peak above the inputs, from a further run that is not timed.
"""

import argparse
import os
import platform
import time
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

N_STRAIGHTFORWARD = 200
RECALL_AT = (1, 5, 10)
ROWS_PER_PRODUCT = 64


class Method(NamedTuple):
    """One way to do the work: ``run`` answers ``n_queries``."""

    name: str
    n_queries: int
    run: Callable[[], Any]


class Problem(NamedTuple):
    """Clips of both modalities, (n, d) float32 each, and their classes (n,)."""

    audio: "NDArray[np.float32]"
    visual: "NDArray[np.float32]"
    labels: "NDArray[np.int64]"


def main() -> None:
    """Print how far the ways agree, and a table of their times."""
    arguments = _arguments()
    from threadpoolctl import threadpool_limits

    problem = make_problem(arguments.items, arguments.width, arguments.classes)
    print(
        f"{arguments.items} x {arguments.items} items, {arguments.width} wide, {arguments.classes} classes; "
        f"CPU ({platform.machine()}), one thread, {arguments.rounds} rounds"
    )
    print(f"load average of the minute before: {os.getloadavg()[0]:.2f}")
    with threadpool_limits(1):
        print(f"largest difference between the ways: {_difference(problem):.1g}")
        all_ways = ways(problem)
        seconds = [[_cpu_seconds(way) for way in all_ways] for _ in range(arguments.rounds)]
        print(table(all_ways, seconds, [peak_megabytes(way) for way in all_ways], arguments.items))


def make_problem(n_items: int, width: int, n_classes: int) -> Problem:
    """Return clips whose classes can be told apart in part."""
    import numpy as np

    rng = np.random.default_rng(0)
    labels = np.arange(n_items) % n_classes
    centres = rng.normal(size=(n_classes, width))
    audio, visual = (centres[labels] + rng.normal(0, 3, (n_items, width)) for _ in range(2))
    return Problem(audio.astype(np.float32), visual.astype(np.float32), labels)


def ways(problem: Problem) -> list[Method]:
    """Return the ways in the order of the table."""
    from pipeline.evaluate.query_metrics import evaluate_retrieval
    from pipeline.retrieval import mean_average_precision

    audio, visual, labels = problem
    return [
        Method("straightforward: argsort a query", N_STRAIGHTFORWARD, lambda: straightforward(problem)),
        Method("the product of the cosines alone", len(audio), lambda: multiply(audio, visual)),
        Method("`mean_average_precision`", len(audio), lambda: mean_average_precision(audio, visual, labels, labels)),
        Method(
            "`evaluate_retrieval`, all metrics",
            len(audio),
            lambda: evaluate_retrieval(audio, visual, labels, labels, RECALL_AT),
        ),
    ]


def straightforward(problem: Problem, n_queries: int = N_STRAIGHTFORWARD) -> float:
    """Return the MAP of the first queries; tied items keep the order of the gallery."""
    import numpy as np

    labels, scores = problem.labels, []
    for cosines, label in zip(cosines_of(problem, n_queries), labels, strict=False):
        relevant = labels[np.argsort(-cosines, kind="stable")] == label
        precision = np.cumsum(relevant) / np.arange(1, len(relevant) + 1)
        scores.append(precision[relevant].mean())
    return float(np.mean(scores))


def cosines_of(problem: Problem, n_queries: int) -> "Iterator[NDArray[np.float64]]":
    """Yield the cosines (n,) of each of the first queries with all items, some queries at a time."""
    import numpy as np

    exact = (rows.astype(np.float64) for rows in (problem.audio[:n_queries], problem.visual))
    query, items = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in exact)
    for start in range(0, n_queries, ROWS_PER_PRODUCT):
        yield from query[start : start + ROWS_PER_PRODUCT] @ items.T


def multiply(audio: "NDArray[np.float32]", visual: "NDArray[np.float32]") -> None:
    """Take all cosines in float64, some rows at a time, and do nothing with them."""
    import numpy as np

    items = visual.astype(np.float64).T
    for start in range(0, len(audio), ROWS_PER_PRODUCT):
        audio[start : start + ROWS_PER_PRODUCT].astype(np.float64) @ items


def peak_megabytes(way: Method) -> float:
    """Return the most memory that a way holds beside its inputs."""
    tracemalloc.start()
    way.run()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / 1e6


def table(
    all_ways: Sequence[Method], seconds: Sequence[Sequence[float]], megabytes: Sequence[float], n_items: int
) -> str:
    """Return a markdown table.

    Args:
        all_ways: its lines.
        seconds: of each round, CPU seconds of each way.
        megabytes: peak memory of each way.
        n_items: queries that the times are scaled to.
    """
    import numpy as np

    lines = [f"| way | CPU s for {n_items} queries | ms a query | peak MB above the inputs |", "|---|---|---|---|"]
    for way, median, peak in zip(all_ways, np.median(seconds, axis=0), megabytes, strict=True):
        a_query = median / way.n_queries
        lines.append(f"| {way.name} | {a_query * n_items:.1f} | {a_query * 1e3:.3f} | {peak:.0f} |")
    return "\n".join(lines)


def _difference(problem: Problem) -> float:
    """How far our MAP of the first queries is from the straightforward one."""
    from pipeline.retrieval import mean_average_precision

    audio, visual, labels = problem
    first = slice(N_STRAIGHTFORWARD)
    return abs(mean_average_precision(audio[first], visual, labels[first], labels) - straightforward(problem))


def _cpu_seconds(way: Method) -> float:
    """One run."""
    start = time.process_time()
    way.run()
    return time.process_time() - start


def _arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.retrieval", description=__doc__)
    parser.add_argument("--items", type=int, default=28_000, help="queries, and items they search (default: 28000)")
    parser.add_argument("--width", type=int, default=64, help="of the embeddings (default: 64)")
    parser.add_argument("--classes", type=int, default=10, help="default: 10")
    parser.add_argument("--rounds", type=int, default=3, help="times that each way is measured (default: 3)")
    return parser.parse_args()


if __name__ == "__main__":
    main()
