"""What each part of the dual-subspace model is worth: DVC experiments in one command, a preset of its params each.

Each experiment runs in a copy of the project, so that params.yaml stays as it is; one of the same name that an earlier
call made is replaced. The table at the end is read from ``dvc exp show``, which shows them beside other experiments.
``python -m studies.comparison`` measures the same presets, on several data sets and more seeds.
"""

import argparse
import csv
import io
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

MODEL = "dual_subspace"
PAPER: dict[str, Any] = {
    "inputs": "standardised",
    "correlation": "pairwise",
    "discriminative": "label_distance",
    "fusion": "cca",
    "patience": 20,
}
ONE_SUBSPACE: dict[str, Any] = {"lambda_constraint": 0.0, "fusion": "weighted"}
PRESETS: dict[str, dict[str, Any]] = {
    "full": {},
    "explicit-only": ONE_SUBSPACE | {"explicit_share": 1.0, "lambda_disc": 0.0},
    "implicit-only": ONE_SUBSPACE | {"explicit_share": 0.0, "lambda_corr": 0.0},
    "no-constraint": {"lambda_constraint": 0.0},
    "no-correlation": {"lambda_corr": 0.0},
    "no-whitening": {"inputs": "standardised"},
    "fusion-cca": {"fusion": "cca"},
    "fusion-cluster-cca": {"fusion": "cluster_cca"},
    "no-fusion-cca": {"fusion": "weighted"},
    "plain-concatenation": {"fusion": "none"},
    "paper": PAPER,
    "paper-plain-concatenation": PAPER | {"fusion": "none"},
}
PREFIX = "ablation-"
MAP, MARGIN = "map", "map_margin"  # of summary.json, whose first model is the one that the presets change


def main() -> None:
    """Run the experiments, one after the other, and print the table."""
    arguments = _arguments()
    try:
        known = _dvc("exp", "list", "--name-only").split()
        for name in arguments.presets:
            if PREFIX + name in known:
                _dvc("exp", "remove", PREFIX + name)
            subprocess.run(command(name, arguments.set_param), check=True)
        print("\n".join(table(_dvc("exp", "show", "--csv"), arguments.presets)))
    except subprocess.CalledProcessError as error:
        sys.exit(f"ablation: {' '.join(error.cmd)} ended with exit code {error.returncode}")


def command(name: str, changes: Sequence[str]) -> list[str]:
    """Return the command that runs a preset.

    Args:
        name: of the preset.
        changes: KEY=VALUE of params.yaml, changed for all presets.
    """
    presets = [f"model.{key}={value}" for key, value in PRESETS[name].items()]
    words = [word for change in [*changes, *presets] for word in ("-S", change)]
    return [sys.executable, "-m", "dvc", "exp", "run", "--temp", "--name", PREFIX + name, *words]


def table(shown: str, names: Iterable[str]) -> Iterator[str]:
    """Yield the lines of a Markdown table.

    Args:
        shown: what ``dvc exp show --csv`` printed.
        names: the presets, in order.
    """
    maps = {row["Experiment"]: row for row in csv.DictReader(io.StringIO(shown))}
    yield from ("| preset | test MAP | ± over the seeds (95 %) |", "|---|---|---|")
    for name in names:
        row = maps[PREFIX + name]
        yield f"| {name} | {float(row[MAP]):.3f} | {float(row.get(MARGIN) or 0):.3f} |"


def _dvc(*words: str) -> str:
    """What a DVC command prints."""
    done = subprocess.run([sys.executable, "-m", "dvc", *words], check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout


def _arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m studies.ablation", description=__doc__)
    parser.add_argument("--presets", nargs="+", choices=PRESETS, default=list(PRESETS), help="default: all of them")
    parser.add_argument(
        "-S", "--set-param", action="append", default=[], metavar="KEY=VALUE", help="of params.yaml, for all presets"
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
