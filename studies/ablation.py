"""What each part of the dual-subspace model is worth: DVC experiments in one command, a preset of its params each.

Each experiment runs in a copy of the project, so that params.yaml stays as it is; one of the same name that an earlier
call made is replaced. The table at the end is read from ``dvc exp show``, which shows them beside other experiments.
``python -m studies.comparison`` measures the same presets, on several data sets and more seeds.
"""

import argparse
import csv
import io
import json
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

MODEL = "dual_subspace"
PAPER: dict[str, Any] = {
    "inputs": "standardised",
    "correlation": "likelihood",
    "discriminative": "label_distance",
    "dropout": 0.0,
    "fusion": "cca",
    "fusion_ridge": 0.1,
    "weight_decay": 1e-4,
    "epochs": 57,
    "patience": None,
}
"""The paper's form; ``python -m studies.paper_form`` chose what the paper leaves open (docs/models.md)."""
COLLAPSED: dict[str, Any] = {
    "inputs": "standardised",
    "correlation": "pairwise",
    "discriminative": "label_distance",
    "fusion": "cca",
    "patience": 20,
}
"""What stood for it before, on top of params.yaml: its explicit branches collapse, which a fit has to notice."""
ONE_SUBSPACE: dict[str, Any] = {"lambda_constraint": 0.0, "fusion": "weighted"}
EXPLICIT_ONLY = ONE_SUBSPACE | {"explicit_share": 1.0, "lambda_disc": 0.0}
IMPLICIT_ONLY = ONE_SUBSPACE | {"explicit_share": 0.0, "lambda_corr": 0.0}
KERNELS: dict[str, Any] = {
    "inputs": "unit",
    "whitening_ridge": 1.0,
    "explicit_branch": "fourier",
    "implicit_branch": "fourier",
    "n_fourier_features": 512,
    "n_heads": 4,
    "dropout": 0.8,
    "learning_rate": 2e-3,
    "weight_decay": 1.0,
    "clip_norm": 10.0,
    "epochs": 40,
}
"""A stronger form of the model than that of params.yaml: both branches are kernel machines of four heads."""
PRESETS: dict[str, dict[str, Any]] = {
    "full": {},
    "explicit-only": EXPLICIT_ONLY,
    "implicit-only": IMPLICIT_ONLY,
    "explicit-only-2-heads": EXPLICIT_ONLY | {"n_heads": 2},
    "implicit-only-2-heads": IMPLICIT_ONLY | {"n_heads": 2},
    "one-subspace-2-heads": ONE_SUBSPACE | {"n_subspaces": 1, "n_heads": 2},
    "no-constraint": {"lambda_constraint": 0.0},
    "no-correlation": {"lambda_corr": 0.0},
    "no-whitening": {"inputs": "standardised"},
    "fusion-cca": {"fusion": "cca"},
    "fusion-cluster-cca": {"fusion": "cluster_cca"},
    "no-fusion-cca": {"fusion": "weighted"},
    "plain-concatenation": {"fusion": "none"},
    "kernels": KERNELS,
    "kernels-explicit-only": KERNELS | EXPLICIT_ONLY | {"n_heads": 8},
    "kernels-implicit-only": KERNELS | IMPLICIT_ONLY | {"n_heads": 8},
    "kernels-one-subspace": KERNELS | ONE_SUBSPACE | {"n_subspaces": 1, "n_heads": 8},
    "kernels-no-constraint": KERNELS | {"lambda_constraint": 0.0},
    "paper": PAPER,
    "paper-plain-concatenation": PAPER | {"fusion": "none"},
}
PREFIX = "ablation-"
MAP, MARGIN = "map", "map_margin"  # of summary.json, whose first model is the one that the presets change


def main() -> None:
    """Run the experiments, one after the other, and print the table."""
    arguments = _arguments()
    try:
        for name in arguments.presets:
            run_again(PREFIX + name, command(name, arguments.set_param))
        print("\n".join(table(_dvc("exp", "show", "--csv"), arguments.presets)))
    except subprocess.CalledProcessError as error:
        sys.exit(f"ablation: {' '.join(error.cmd)} ended with exit code {error.returncode}")


def command(name: str, changes: Sequence[str]) -> list[str]:
    """Return the command that runs a preset.

    Args:
        name: of the preset.
        changes: KEY=VALUE of params.yaml, changed for all presets.
    """
    return experiment(PREFIX + name, changes, options("model", PRESETS[name]))


def experiment(name: str, changes: Sequence[str], preset: Sequence[str]) -> list[str]:
    """Return the command that runs a DVC experiment in a copy of the project.

    Args:
        name: of the experiment.
        changes: KEY=VALUE of params.yaml.
        preset: options that come after them, from ``options``.
    """
    words = [word for change in changes for word in ("-S", change)]
    return [sys.executable, "-m", "dvc", "exp", "run", "--temp", "--name", name, *words, *preset]


def run_again(name: str, command: Sequence[str]) -> None:
    """Run an experiment in the place of one of the same name.

    Raises:
        CalledProcessError: DVC fails.
    """
    if name in _dvc("exp", "list", "--name-only").split():
        _dvc("exp", "remove", name)
    subprocess.run(command, check=True)


def options(section: str, preset: Mapping[str, Any]) -> list[str]:
    """Return the options of ``dvc exp run`` that write a preset into a section of params.yaml.

    Example:
        >>> options("model", {"fusion": "none", "patience": None})
        ['-S', 'model.fusion=none', '-S', 'model.patience=null']
    """
    written = {key: value if isinstance(value, str) else json.dumps(value) for key, value in preset.items()}
    return [word for key, value in written.items() for word in ("-S", f"{section}.{key}={value}")]


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
