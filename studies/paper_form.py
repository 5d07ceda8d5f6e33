"""The paper's form of the dual-subspace model: what the paper leaves open, chosen on held-out rows, then measured.

The rows that are not test are cut into folds in which no sound and no picture is both fitted on and held out. A fold
never stops a fit: every setting trains all epochs on each fold, and the mean of the folds' curves gives its number of
epochs and its score. Another setting than ``EXPECTED`` is chosen only if it is better by more than the standard error
of the difference over the folds. The test rows are read with ``--test`` alone, by the preset as it is and as it was.
"""

import argparse
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.formats.feature_table import FeatureTable
from pipeline.model_parts.base import Pairs
from pipeline.models.dual_subspace import Model, Params
from pipeline.retrieval import average_map
from pipeline.settings.params import load_params
from pipeline.settings.progress import track
from pipeline.tune.choice import Trial, chosen_trial, lead, scored
from pipeline.tune.fits import fold_curve
from pipeline.tune.folds import folds
from pipeline.tune.halving import SHIPPED
from studies.ablation import COLLAPSED, PAPER

N_FOLDS = 6
EPOCHS = 60  # at most
FORMS: dict[str, dict[str, Any]] = {
    "likelihood": {"correlation": "likelihood"},
    "cca": {"correlation": "cca", "batch_size": 1000, "explicit_width": 16},  # a batch well above the width
}
DROPOUTS = (0.0, 0.2, 0.5)
RIDGES = (0.1, 1.0, 10.0)


class Setting(NamedTuple):
    """What is chosen: the form of the correlation loss, a key of ``FORMS``, the dropout and the ridge of the fusion."""

    form: str
    dropout: float
    ridge: float


EXPECTED = Setting("likelihood", 0.2, 1.0)
"""What earlier measurements speak for; see docs/models.md."""


SETTINGS = [
    EXPECTED,
    *(one for one in map(Setting._make, itertools.product(FORMS, DROPOUTS, RIDGES)) if one != EXPECTED),
]
"""All that are tried; the place of each is the number of its trial."""


def main() -> None:
    """Print the table of the settings, or that of the test rows."""
    arguments = _arguments()
    table = FeatureTable.load(arguments.features)
    if arguments.test:
        print("| preset | test MAP | sd over the seeds |\n|---|---|---|")
        for name, preset in (("as it was", COLLAPSED), ("as it is", PAPER)):
            maps = [test_map(table, preset, seed) for seed in track(arguments.seeds, name, "seed")]
            print(f"| {name} | {np.mean(maps):.3f} | {np.std(maps, ddof=1) if len(maps) > 1 else 0:.3f} |", flush=True)
        return
    trials = [on_folds(table, setting, arguments.seeds) for setting in track(SETTINGS, "folds", "setting")]
    print("\n".join(lines(trials)))


def on_folds(table: FeatureTable, setting: Setting, seeds: Sequence[int]) -> Trial:
    """Return what a setting scores on rows of the table that are not test, each held out once for each seed.

    Args:
        table: of n clips.
        setting: to be tried, one of ``SETTINGS``.
        seeds: of the folds and the fits.
    """
    changes = {"dropout": setting.dropout, "fusion_ridge": setting.ridge, "epochs": EPOCHS, "patience": None}
    params = _params(PAPER | FORMS[setting.form] | changes)
    curves = [
        fold_curve(Model(params, seed), _pairs(table, kept), _pairs(table, held))
        for seed in seeds
        for kept, held in folds(table, N_FOLDS, seed, by_cluster=False)
    ]
    return scored(SETTINGS.index(setting), setting._asdict(), curves, has_epochs=True)


def lines(trials: Sequence[Trial]) -> Iterator[str]:
    """Yield the lines of a Markdown table of all settings, and which one is chosen."""
    expected = next(trial for trial in trials if trial.number == SHIPPED)
    yield "| correlation | dropout | ridge | epochs | held-out MAP | points behind the expected one |"
    yield "|---|---|---|---|---|---|"
    for trial in trials:
        (form, dropout, ridge), ahead = SETTINGS[trial.number], lead(trial, expected, N_FOLDS)
        behind = 0.0 if trial is expected else -100 * ahead.difference
        difference = f"{behind:.1f} ± {100 * ahead.standard_error:.1f}"
        score = f"{trial.params['epochs']} | {trial.validation_map:.3f}"
        yield f"| {form} | {dropout:g} | {ridge:g} | {score} | {difference} |"
    chosen = chosen_trial(trials, N_FOLDS)
    form, dropout, ridge = SETTINGS[chosen.number]
    yield f"\nchosen: {form}, dropout {dropout:g}, ridge {ridge:g}, {chosen.params['epochs']} epochs"


def test_map(table: FeatureTable, preset: dict[str, Any], seed: int) -> float:
    """Return the MAP of the test rows, average of both directions, of a preset fitted as the stage ``train`` does."""
    model = Model(_params(preset), seed)
    model.fit(Pairs(*table.rows("train")), Pairs(*table.rows("validation")))
    audio, visual, labels = table.rows("test")
    return average_map(model.embed_audio(audio), model.embed_visual(visual), labels)


def _params(changes: dict[str, Any]) -> Params:
    """The section ``model`` of params.yaml, changed."""
    return Params.model_validate(load_params("model", Params).model_dump() | changes)


def _pairs(table: FeatureTable, rows: NDArray[np.int64]) -> Pairs:
    """Some rows of a table."""
    return Pairs(table.audio[rows], table.visual[rows], table.labels[rows])


def _arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m studies.paper_form", description=__doc__)
    parser.add_argument("features", type=Path, help="feature table, such as data/features.safetensors")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="of the folds and the fits")
    parser.add_argument("--test", action="store_true", help="measure the preset on the test rows, and choose nothing")
    return parser.parse_args()


if __name__ == "__main__":
    main()
