"""Exact MAP of every query over a whole gallery, beside the ways in which others get it."""

from collections.abc import Callable
from pathlib import Path

from benchmarks.bench.ways import Aim, BenchRow, CountedWork, Task, Way, WorkSize
from benchmarks.retrieval import ROWS_PER_PRODUCT, Problem, cosines_of, make_problem, multiply, straightforward

WIDTH, N_CLASSES = 64, 10
BY_AVX2 = "ours, numpy's AVX2 sort"
WITHOUT_AVX512 = {"NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL"}
N_CHECKED = 16  # queries whose MAP is compared
ROWS_AT_ONCE = 64
N_MULTIPLIED = 1_000  # queries of the limit, which are done soon
ALIKE = {"map": 1e-6}  # float32 of torch and torchmetrics ranks near ties otherwise
REASON = (
    "each query's cosines are sorted, which the limit does not do; where numpy sorts by AVX-512 on AMD's Zen 4, whose "
    f"microcode is slow at it, stage evaluate starts again without it and takes `{BY_AVX2}`, half of this"
)


def rows(is_quick: bool) -> list[BenchRow]:
    """Return a row for each size of the gallery; the small ones have the peers that keep a pair of items in memory."""
    if is_quick:
        return [_row(200, 16, 2, 1)]
    small = [_row(n_items, 500, 7, 3) for n_items in (1_000, 3_000, 10_000)]
    return [*small, _row(28_000, 500, 4, 2), _row(100_000, 160, 4, 1)]


def _row(n_items: int, n_queries: int, n_rounds: int, n_runs: int) -> BenchRow:
    """A row; the peers answer fewer queries than we do, as their time goes with the number of queries."""
    ways = [
        Way("ours", "ours", "ours"),
        Way("argsort loop", "peer", "argsort", bounds={"map": 1e-12}),
        Way("scikit-learn", "peer", "scikit_learn", "scikit-learn", {"map": 1e-12}),
        Way("torch sort", "peer", "torch_sort", "torch", ALIKE),
    ]
    if n_items <= 3_000:
        ways += [
            Way("torchmetrics", "peer", "torchmetrics", "torchmetrics", ALIKE),
            Way("ir-measures", "peer", "ir_measures", "ir-measures", ALIKE),
        ]
    if n_items == 3_000:  # compiling takes it half a minute
        ways.append(Way("ranx", "peer", "ranx", "ranx", ALIKE))
    if n_items == 28_000:
        ways.append(Way(BY_AVX2, "peer", "ours", bounds={"map": 0.0}, environment=WITHOUT_AVX512))
    ways.append(Way("product of the cosines", "limit", "product"))
    size = {"items": n_items, "queries": n_queries, "peer_queries": max(16, n_queries // 8)}
    what = f"exact MAP, {n_items:,} x {n_items:,}, a query"
    aim = Aim("product of the cosines", 5.5, REASON) if n_items == 28_000 else None
    return BenchRow(f"map {n_items}", "map", what, "ms a query", __name__, size, ways, n_rounds, aim, runs=n_runs)


def ours(size: WorkSize, folder: Path) -> Task:
    """Prepare ``mean_average_precision``."""
    from pipeline.retrieval import mean_average_precision

    audio, visual, labels = _problem(size)

    def score(n_queries: int) -> float:
        return mean_average_precision(audio[:n_queries], visual, labels[:n_queries], labels)

    return _task(size["queries"], score)


def argsort(size: WorkSize, folder: Path) -> Task:
    """Prepare a sort of all items for each query, and cumulative sums."""
    problem = _problem(size)
    return _task(size["peer_queries"], lambda n_queries: straightforward(problem, n_queries))


def scikit_learn(size: WorkSize, folder: Path) -> Task:
    """Prepare ``average_precision_score`` of each query."""
    import numpy as np
    from sklearn.metrics import average_precision_score

    _, _, labels = problem = _problem(size)

    def score(n_queries: int) -> float:
        queries = zip(cosines_of(problem, n_queries), labels, strict=False)
        return float(np.mean([average_precision_score(labels == label, cosines) for cosines, label in queries]))

    return _task(size["peer_queries"], score)


def torch_sort(size: WorkSize, folder: Path) -> Task:
    """Prepare torch's sort of some queries at a time, in float32."""
    import torch
    from torch.nn import functional

    problem = _problem(size)
    audio, visual = (torch.from_numpy(rows) for rows in problem[:2])
    labels = torch.from_numpy(problem.labels)

    @torch.inference_mode()
    def score(n_queries: int) -> float:
        items, total = functional.normalize(visual), 0.0
        for start in range(0, n_queries, ROWS_AT_ONCE):
            rows = slice(start, min(n_queries, start + ROWS_AT_ONCE))
            order = (functional.normalize(audio[rows]) @ items.T).sort(dim=1, descending=True).indices
            relevant = (labels[order] == labels[rows, None]).double()
            precision = relevant.cumsum(1) / torch.arange(1, len(labels) + 1)
            total += ((precision * relevant).sum(1) / relevant.sum(1)).sum().item()
        return total / n_queries

    return _task(size["peer_queries"], score)


def torchmetrics(size: WorkSize, folder: Path) -> Task:
    """Prepare ``RetrievalMAP``, which is given scores above 0, as it takes others for irrelevant."""
    import numpy as np
    import torch
    from torchmetrics.retrieval import RetrievalMAP

    _, _, labels = problem = _problem(size)

    def score(n_queries: int) -> float:
        scores = np.concatenate(list(cosines_of(problem, n_queries))) + 2
        relevant = (labels[:n_queries, None] == labels).ravel()
        queries = np.repeat(np.arange(n_queries), len(labels))
        given = map(torch.from_numpy, (scores, relevant, queries))
        metric = RetrievalMAP()
        metric.update(*given)
        return float(metric.compute())

    return _task(size["peer_queries"], score)


def ir_measures(size: WorkSize, folder: Path) -> Task:
    """Prepare ``ir_measures``, whose inputs are dictionaries of names."""
    import ir_measures as library

    problem = _problem(size)

    def score(n_queries: int) -> float:
        judged, run = _named(problem, n_queries)
        return float(library.calc_aggregate([library.AP], judged, run)[library.AP])

    return _task(size["peer_queries"], score)


def ranx(size: WorkSize, folder: Path) -> Task:
    """Prepare ``ranx``, which compiles itself on first use and takes the same dictionaries."""
    import ranx as library

    problem = _problem(size)

    def score(n_queries: int) -> float:
        judged, run = _named(problem, n_queries)
        return float(library.evaluate(library.Qrels(judged), library.Run(run), "map"))

    return _task(size["peer_queries"], score)


def product(size: WorkSize, folder: Path) -> Task:
    """Prepare the product of all cosines in float64, with which nothing is done."""
    audio, visual, _ = _problem(size)
    n_queries = min(N_MULTIPLIED, len(audio))
    return Task(lambda: multiply(audio[:n_queries], visual), n_queries, work=lambda: work_of_product(size["items"]))


def work_of_product(n_items: int) -> CountedWork:
    """Return what the cosines of a query take: its own, and of the items its share of each ``ROWS_PER_PRODUCT``."""
    return CountedWork(2 * WIDTH * n_items, 8 * (WIDTH + n_items + WIDTH * n_items / ROWS_PER_PRODUCT), "float64")


def _problem(size: WorkSize) -> Problem:
    """Clips whose classes can be told apart in part."""
    return make_problem(size["items"], WIDTH, N_CLASSES)


def _task(n_queries: int, score: Callable[[int], float]) -> Task:
    """A timed run over so many queries; the MAP of the first few is what is compared."""
    import numpy as np

    def run() -> None:
        score(n_queries)

    return Task(run, n_queries, lambda: {"map": np.array(score(min(N_CHECKED, n_queries)))})


def _named(problem: Problem, n_queries: int) -> tuple[dict[str, dict[str, int]], dict[str, dict[str, float]]]:
    """What is relevant to each query, and the cosine of each item, by names."""
    labels, names = problem.labels, [str(number) for number in range(len(problem.labels))]
    judged = {
        names[query]: {names[item]: 1 for item in (labels == labels[query]).nonzero()[0]} for query in range(n_queries)
    }
    cosines = cosines_of(problem, n_queries)
    return judged, {names[query]: dict(zip(names, row.tolist(), strict=True)) for query, row in enumerate(cosines)}
