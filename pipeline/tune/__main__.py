"""Random search for a model's parameters, on rows that are not test: every model gets the same folds and trials.

usage: python -m pipeline.tune FEATURES OUT MODEL... [--trials N] [--folds K] [--seed S]

Trial 0 is what params.yaml says; the others draw the parameters that the model's ``SEARCH`` names. The score of a trial
is the MAP of the held-out fold (average of both directions, mean over the folds), which also stops the training early.
OUT/MODEL.csv has a row a trial. It grows as trials end, and the command started again goes on behind its last row. A
trial whose training diverges has no score: nan.
"""

import argparse
import sys
from pathlib import Path

from pipeline.errors import PipelineError
from pipeline.settings.interrupt import one_line_on_interrupt
from pipeline.tune.trials import Budget, tune


def main() -> None:
    """Search for every model of the command line, one after the other."""
    arguments = _arguments()
    from pipeline.settings.params import model_sections

    budget = Budget(arguments.trials, arguments.folds, arguments.seed, arguments.by_cluster)
    try:
        sections = model_sections()
        for name in arguments.models or sections:
            table = arguments.out / f"{name}.csv"
            print(f"{name}: {budget.n_trials} trials; {table} has a row for each that has ended", flush=True)
            section = sections.get(name, f"baselines.{name}")
            best = tune(arguments.features, name, section, budget, arguments.out)
            written = {key: "null" if value is None else value for key, value in best.params.items()}
            flags = " ".join(f"-S {section}.{key}={value}" for key, value in written.items())
            print(f"{name}: MAP {best.validation_map:.4f} in trial {best.number}: {flags or 'nothing to search'}")
    except PipelineError as error:
        sys.exit(f"tune: {type(error).__name__}: {error}")


def _arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m pipeline.tune", description=__doc__)
    parser.add_argument("features", type=Path, help="data/features.safetensors of a finished run")
    parser.add_argument("out", type=Path, help="folder of the tables, one a model")
    parser.add_argument("models", nargs="*", metavar="MODEL", help="default: the models of params.yaml")
    parser.add_argument("--trials", type=int, default=30, help="parameter sets a model (default: 30)")
    parser.add_argument(
        "--folds", type=int, default=3, help="parts of train + validation (default: 3); 1: hold out validation"
    )
    parser.add_argument("--by-cluster", action="store_true", help="hold out clusters of like sounds, such as voices")
    parser.add_argument("--seed", type=int, default=0, help="of folds and draws (default: 0)")
    return parser.parse_args()


if __name__ == "__main__":
    with one_line_on_interrupt("tune: stopped by Ctrl-C; run the same command again: finished trials are kept"):
        main()
