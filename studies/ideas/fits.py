"""A model with or without an idea, fitted on all folds but one: the curve of that one, kept in a file.

A file is named by what it was made of (features, fold, model, parameters, seed, code), so that a study that was killed
goes on where it stopped, and a change of the code leaves no old curve in the table.
"""

import hashlib
import json
import math
from functools import cache
from pathlib import Path
from typing import NamedTuple

from pipeline.errors import DivergenceError
from pipeline.formats.clips import read_clips
from pipeline.formats.feature_table import FeatureTable
from pipeline.formats.files import file_sha256, write_atomically
from pipeline.model_parts.base import Pairs
from pipeline.settings.device import one_thread
from pipeline.settings.fingerprint import fingerprint
from pipeline.settings.imports import PROJECT
from pipeline.tune.choice import FoldCurve
from pipeline.tune.fits import fold_curve
from pipeline.tune.folds import Fold, folds_sha256, repeated_folds
from pipeline.tune.trials import Budget
from studies.comparison.sets import clips_file
from studies.ideas.catalogue import fields_of, model_with


class IdeaFit(NamedTuple):
    """One fit of the study.

    Attributes:
        features: file of the feature table.
        model: its name.
        idea: that it is fitted with.
        seed: of the fit.
        number: of the fold.
        fold: its rows, which are no test rows.
        file: of the curve.
    """

    features: Path
    model: str
    idea: str
    seed: int
    number: int
    fold: Fold
    file: Path

    def __str__(self) -> str:
        """For the line of progress."""
        return f"{self.features.stem}: {self.model}, {self.idea}, fold {self.number}"


def parts_of(features: Path, budget: Budget) -> list[Fold]:
    """Return the folds of a set's table, by the clips beside it, as ``avr tune`` makes them.

    Args:
        features: the file that ``studies.comparison.sets.prepare`` wrote.
        budget: whose folds, seed and clusters count.

    Raises:
        DataError: as ``pipeline.tune.folds.folds``.
    """
    table, clips = FeatureTable.load(features), read_clips(clips_file(features))
    return repeated_folds(table, budget.n_folds, 1, budget.seed, by_cluster=budget.by_cluster, clips=clips)


def fits_of(features: Path, parts: list[Fold], model: str, idea: str, seed: int, work: Path) -> list[IdeaFit]:
    """Return the fits of a model with an idea, one a fold.

    Args:
        features: file of the feature table.
        parts: from ``parts_of``.
        model: its name.
        idea: or ``WITHOUT``.
        seed: of the fits.
        work: folder of the curves.

    Raises:
        ParamsError: params.yaml has no such section, or a wrong one.
    """
    found = []
    for number, fold in enumerate(parts):
        made_of = [file_sha256(features), folds_sha256([fold]), fields_of(model, idea), seed, _code()]
        key = hashlib.sha256(json.dumps(made_of).encode()).hexdigest()[:16]
        file = work / "curves" / features.stem / model / idea / f"{key}.json"
        found.append(IdeaFit(features, model, idea, seed, number, fold, file))
    return found


def fit(job: IdeaFit) -> None:
    """Write the curve of a fit; of one that diverges NaN."""
    table = FeatureTable.load(job.features)
    rows, held = (Pairs(table.audio[part], table.visual[part], table.labels[part]) for part in job.fold)
    model = model_with(job.model, job.idea, fields_of(job.model, job.idea), job.seed)
    try:
        with one_thread():
            curve = fold_curve(model, rows, held)
    except DivergenceError:
        curve = [math.nan]
    write_atomically(job.file, json.dumps(curve).encode())


def curve_of(job: IdeaFit) -> FoldCurve:
    """Return the curve that ``fit`` wrote: the MAP of the fold after each epoch."""
    curve: FoldCurve = json.loads(job.file.read_text())
    return curve


@cache
def _code() -> str:
    """A hash of the code that makes a curve, the models included."""
    return fingerprint({}, [__name__], PROJECT)
