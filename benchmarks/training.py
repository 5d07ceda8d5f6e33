"""How long the models take to train here, and how much memory a large set needs beside its features.

The zoo is every model of params.yaml with some seeds, on a small set, so many fits at a time; a model's column has the
CPU seconds of one seed. The large set is for the dual-subspace model. Both sets are made: the class shifts features of
normal noise. As in the pipeline, a quarter of the clips is test, and a fifth of the others validation.
"""

import argparse
import os
import resource
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pipeline.model_parts.base import Pairs

TEST_SHARE, VALIDATION_SHARE = 0.25, 0.2
LARGE_MODEL = "dual_subspace"


class Clips(NamedTuple):
    """The size of a set: clips of all splits, widths of their features, and classes."""

    n_rows: int
    visual_width: int
    audio_width: int
    n_classes: int


class Cost(NamedTuple):
    """What a fit took: CPU seconds, seconds on the clock, and memory at its peak above what making the set needed."""

    cpu_seconds: float
    seconds: float
    megabytes: float
    n_epochs: int


SMALL, LARGE = Clips(1_500, 128, 64, 10), Clips(28_000, 1024, 128, 300)


def main() -> None:
    """Print a table of the zoo, and a line a batch size of the large set."""
    arguments = _arguments()
    print(f"load average of the minute before: {os.getloadavg()[0]:.2f}", flush=True)
    if arguments.seeds:
        print(zoo(arguments.seeds, arguments.processes), flush=True)
    if not arguments.only_zoo:
        for batch_size in arguments.batch_sizes:
            print(large(batch_size), flush=True)


def large(batch_size: int) -> str:
    """Return a line on the fit of the large set with minibatches of a size."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        cost = pool.submit(fit_cost, LARGE_MODEL, 0, LARGE, batch_size).result()
    return (
        f"{LARGE_MODEL}, batch_size={batch_size}, {LARGE}: {cost.n_epochs} epochs in {cost.seconds:.0f} s "
        f"({cost.cpu_seconds:.0f} CPU s), {cost.megabytes:.0f} MB above the set"
    )


def zoo(n_seeds: int, n_processes: int) -> str:
    """Return a markdown table of every model's fit of the small set, and how long all seeds of all took."""
    from pipeline.settings.params import model_sections

    start, names = time.perf_counter(), list(model_sections())
    with ProcessPoolExecutor(n_processes, get_context("spawn")) as pool:
        fits = {name: [pool.submit(fit_cost, name, seed, SMALL) for seed in range(n_seeds)] for name in names}
        costs = {name: [fit.result() for fit in fits[name]] for name in names}
    seconds = time.perf_counter() - start
    return f"{table(costs)}\n\n{len(names)} models x {n_seeds} seeds: {seconds:.0f} s, {n_processes} processes"


def table(costs: Mapping[str, Sequence[Cost]]) -> str:
    """Return a markdown table of the seeds' median of each model."""
    from statistics import median

    lines = ["| model | CPU s a seed | epochs |", "|---|---|---|"]
    for name, fits in costs.items():
        n_epochs = median(fit.n_epochs for fit in fits)
        lines.append(f"| `{name}` | {median(fit.cpu_seconds for fit in fits):.1f} | {n_epochs:.0f} |")
    return "\n".join(lines)


def fit_cost(name: str, seed: int, clips: Clips, batch_size: int | None = None) -> Cost:
    """Fit a model with the parameters of params.yaml, or with another batch size."""
    from pipeline.model_parts.base import model_module
    from pipeline.settings.device import one_thread
    from pipeline.settings.params import load_params, model_sections

    module = model_module(name)
    params = load_params(model_sections()[name], module.Params)
    model = module.Model(params.model_copy(update={"batch_size": batch_size}) if batch_size else params, seed)
    n_validation = round(clips.n_rows * (1 - TEST_SHARE) * VALIDATION_SHARE)
    n_train = round(clips.n_rows * (1 - TEST_SHARE)) - n_validation
    train, validation = make_pairs(n_train, clips, 1), make_pairs(n_validation, clips, 2)
    before, cpu_start, start = _peak_megabytes(), time.process_time(), time.perf_counter()
    with one_thread():
        history = model.fit(train, validation)
    cpu_seconds, seconds = time.process_time() - cpu_start, time.perf_counter() - start
    return Cost(cpu_seconds, seconds, _peak_megabytes() - before, len(history))


def make_pairs(n_rows: int, clips: Clips, seed: int) -> "Pairs":
    """Return clips whose classes can be told apart in part."""
    import numpy as np

    from pipeline.model_parts.base import Pairs

    rng, labels = np.random.default_rng(seed), np.arange(n_rows) % clips.n_classes
    features = []
    for width in (clips.audio_width, clips.visual_width):
        centres = np.random.default_rng(width).standard_normal((clips.n_classes, width), dtype=np.float32)
        rows = rng.standard_normal((n_rows, width), dtype=np.float32)
        for label, centre in enumerate(centres):
            rows[labels == label] += 0.5 * centre
        features.append(rows)
    return Pairs(features[0], features[1], labels)


def _peak_megabytes() -> float:
    """The most memory that this process has held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def _arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.training", description=__doc__)
    parser.add_argument("--seeds", type=int, default=5, help="of every model of the zoo; 0 for no zoo (default: 5)")
    parser.add_argument("--processes", type=int, default=2, help="fits of the zoo at a time (default: 2)")
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=[64, 256], help="of the large set (64 256)")
    parser.add_argument("--only-zoo", action="store_true", help="leave the large set out")
    return parser.parse_args()


if __name__ == "__main__":
    main()
