"""A search: trials drawn, scored by folds that never stop a fit, halved from rung to rung, kept in tables that grow."""

import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from pipeline.errors import DataError, ParamsError
from pipeline.formats.files import file_sha256
from pipeline.settings.paths import AnyPath
from pipeline.settings.progress import progress
from pipeline.tune.choice import Trial, scored, why_too_few
from pipeline.tune.fits import fold_fit
from pipeline.tune.halving import n_fits, rungs, survivors
from pipeline.tune.samplers import RandomSampler, Sampler, Space
from pipeline.tune.tables import (
    CURVES,
    TRIALS,
    FoldFit,
    check_made_with,
    read_curves,
    write_curves,
    write_trials,
)
from pipeline.tune.workers import FoldKey, Outcome, Workers, workers_of_machine


class Budget(NamedTuple):
    """What every model is given.

    Attributes:
        n_trials: parameter sets that are tried.
        n_folds: parts of the rows that are not test; each is held out once. With 1 the table's own validation rows are
            held out: right where the features hold what was fitted on its train rows, such as a PCA; trial 0 is then
            kept, since one fold has no standard error.
        seed: of the folds and of the draws.
        by_cluster: a fold is a cluster of sounds that differ alike from the rest of their classes, such as those of one
            voice or one room: right where the test clips come from others than the train clips.
        n_repeats: how often the rows are cut into folds, differently each time.
    """

    n_trials: int
    n_folds: int
    seed: int
    by_cluster: bool = False
    n_repeats: int = 1


def check_search(features: AnyPath, sections: Mapping[str, str]) -> None:
    """Refuse what no trial could begin with, before anything is said or run.

    Args:
        features: file of a feature table.
        sections: the parameters of each model in params.yaml, by the model's name.

    Raises:
        DataError: the features cannot be read.
        ParamsError: there is no such model, or its section is missing or wrong.
    """
    from pipeline.formats.feature_table import FeatureTable
    from pipeline.model_parts.base import model_module
    from pipeline.settings.params import load_params

    for name, section in sections.items():
        load_params(section, model_module(name).Params)
    FeatureTable.load(features)


def without_labels(features: AnyPath, names: Iterable[str], n_folds: int) -> dict[str, str]:
    """Return the models that cannot be fitted, as no clip that a fold fits on has a label, each with why in words.

    Args:
        features: file of a feature table.
        names: of models.
        n_folds: as in ``Budget``: with 1 the train rows are fitted on, with more also those of validation.

    Raises:
        DataError: the features cannot be read.
    """
    import numpy as np

    from pipeline.formats.feature_table import FeatureTable
    from pipeline.model_parts.base import model_module
    from pipeline.model_parts.seeds import why_left_out

    table = FeatureTable.load(features)
    fitted = ["train"] if n_folds == 1 else ["train", "validation"]
    labels = table.labels[np.isin(table.splits, fitted)]
    reasons = {name: why_left_out(model_module(name).Model, labels) for name in names}
    return {name: why for name, why in reasons.items() if why}


def why_not_searched(features: AnyPath, budget: Budget, clips: AnyPath | None = None) -> str:
    """Return in words why trial 0 alone is run, of any model; empty where folds hold out groups enough.

    Args:
        features: file of a feature table.
        budget: that is asked for. One fold is of the table's own validation rows, and no group is held out.
        clips: as in ``tune``.

    Raises:
        DataError: the features or the clips cannot be read.
    """
    from pipeline.formats.clips import read_clips
    from pipeline.formats.feature_table import FeatureTable
    from pipeline.tune.folds import n_groups

    if budget.n_folds == 1:
        return ""
    if budget.by_cluster:
        return why_too_few(budget.n_folds)
    return why_too_few(n_groups(FeatureTable.load(features), [] if clips is None else read_clips(clips)))


def tune(
    features: AnyPath,
    name: str,
    section: str,
    budget: Budget,
    out: AnyPath,
    *,
    clips: AnyPath | None = None,
    sampler: type[Sampler] = RandomSampler,
) -> list[Trial]:
    """Return the trials, after running the fits that the table of curves does not hold yet.

    Where ``why_not_searched`` has a reason, trial 0 alone is run.

    Args:
        features: file of a feature table; rows of its split ``test`` are not looked at.
        name: the model.
        section: its parameters in params.yaml; what is not searched stays as it stands there.
        budget: trials, folds and seed.
        out: folder of the tables.
        clips: clips.csv of the features, whose clips of one recording or of equal bytes stay together; None: unknown.
        sampler: what draws the trials.

    Raises:
        DataError: the features cannot be read, a class has fewer clips than folds, or the tables were made with other
            features, folds, seed or parameters.
        ParamsError: there is no such model or section, no drawn parameters are valid, the budget is too small, or
            AVR_WORKERS is not a whole number above 0.
    """
    from pipeline.model_parts.base import model_module
    from pipeline.settings.params import load_params

    _check_budget(budget)
    features, out = Path(features), Path(out)
    module = model_module(name)
    base = load_params(section, module.Params)
    parts, facts = _folds(features, budget, clips)
    n_trials = 1 if why_not_searched(features, budget, clips) else budget.n_trials
    space_facts = {"base": base.model_dump(), "search": getattr(module, "SEARCH", {}), "sampler": sampler.name}
    made_with = json.dumps(facts | space_facts, sort_keys=True)
    search = _SearchState(name, made_with, out, "epochs" in module.Params.model_fields)
    drawn_by = sampler(Space(module, base, budget.seed, out / name, search.study))
    n_steps = n_fits(n_trials, len(parts))
    with workers_of_machine() as workers, progress(f"tune, {name}", n_steps, "fit") as advance:
        fit = partial(fold_fit, features, name, parts, budget.seed, base.model_dump(), search.drawn)
        run = partial(search.run, workers, fit, advance)
        first, *later = rungs(len(parts))
        numbers = range(n_trials)
        batches: list[Sequence[int]] = [[number] for number in numbers] if drawn_by.is_guided else [numbers]
        for batch in batches:
            search.drawn.update({number: drawn_by.draw(number) for number in batch})
            run(batch, first)
            for number in batch:
                drawn_by.tell(number, search.trial(number).validation_map)
        for n_folds in later:
            alive = survivors({n: search.trial(n).validation_map for n in search.n_folds if search.is_last(n)})
            run(alive, n_folds)
    search.write()
    return search.trials()


def _check_budget(budget: Budget) -> None:
    """Refuse a budget that buys nothing, or that repeats what is no draw."""
    if budget.n_trials < 1 or budget.n_folds < 1 or budget.n_repeats < 1:
        raise ParamsError(f"{budget}; expected at least 1 trial, 1 fold and 1 repeat")
    if budget.by_cluster and budget.n_folds < 2:
        raise ParamsError(f"{budget}; expected at least 2 folds, a cluster each")
    if budget.n_repeats > 1 and (budget.by_cluster or budget.n_folds < 2):
        raise ParamsError(f"{budget}; expected 1 repeat: validation rows and clusters are no draw")


def _folds(features: Path, budget: Budget, clips: AnyPath | None) -> tuple[list[Any], dict[str, Any]]:
    """The folds, and what tells them from others."""
    from pipeline.formats.clips import read_clips
    from pipeline.formats.feature_table import FeatureTable
    from pipeline.tune.folds import folds_sha256, repeated_folds

    try:
        sha256 = file_sha256(features)
    except OSError as error:
        raise DataError(f"{features}: {error.strerror}; expected a table that the stage `features` wrote") from error
    parts = repeated_folds(
        FeatureTable.load(features),
        budget.n_folds,
        budget.n_repeats,
        budget.seed,
        by_cluster=budget.by_cluster,
        clips=[] if clips is None else read_clips(clips),
    )
    of_budget = {key: value for key, value in budget._asdict().items() if key != "n_trials"}
    return parts, {"features": sha256, "folds": folds_sha256(parts), **of_budget}


class _SearchState:
    """What a search has found so far, kept in its two tables."""

    def __init__(self, name: str, made_with: str, out: Path, has_epochs: bool) -> None:
        self.name, self.made_with, self.has_epochs = name, made_with, has_epochs
        self.table, self.curves = (out / file.format(name=name) for file in (TRIALS, CURVES))
        for file in (self.table, self.curves):
            check_made_with(file, made_with)
        known = read_curves(self.curves) if self.curves.exists() else []
        self.fits: dict[FoldKey, FoldFit] = {(fit.trial, fit.fold): fit for fit in known}
        self.drawn: dict[int, dict[str, Any]] = {}
        self.n_folds: dict[int, int] = {}  # on which each trial is scored

    @property
    def study(self) -> str:
        """A short name for what the search was made with."""
        import hashlib

        return hashlib.sha256(self.made_with.encode()).hexdigest()[:16]

    def run(
        self,
        workers: Workers,
        fit: Callable[[FoldKey], Outcome],
        advance: Callable[..., None],
        numbers: Iterable[int],
        n_folds: int,
    ) -> None:
        """Score trials on so many folds; each fit is kept as it ends."""
        keys = [(number, fold) for number in numbers for fold in range(n_folds)]
        missing = [key for key in keys if not self._is_done(key)]
        for number, fold in keys:
            if (number, fold) not in missing and fold >= self.n_folds.get(number, 0):
                advance()
        for (number, fold), curve, problem in workers(fit, missing):
            if problem:
                print(f"{self.name}: trial {number}, fold {fold}: {problem}", file=sys.stderr)
            self.fits[number, fold] = FoldFit(number, fold, self.drawn[number], curve)
            write_curves(self.curves, self.made_with, self.fits.values())
            advance()
        self.n_folds.update({number: n_folds for number, _ in keys})
        if missing:
            self.write()

    def trial(self, number: int) -> Trial:
        """The trial as it is scored so far."""
        curves = [self.fits[number, fold].curve for fold in range(self.n_folds[number])]
        return scored(number, self.drawn[number], curves, has_epochs=self.has_epochs)

    def trials(self) -> list[Trial]:
        """All of them."""
        return [self.trial(number) for number in sorted(self.n_folds)]

    def write(self) -> None:
        """Write the table of the trials as they are scored so far."""
        write_trials(self.table, self.made_with, self.trials())

    def is_last(self, number: int) -> bool:
        """Whether a trial is in the rung that was run last."""
        return self.n_folds[number] == max(self.n_folds.values())

    def _is_done(self, key: FoldKey) -> bool:
        """Whether a fit of these parameters is there."""
        return key in self.fits and self.fits[key].params == self.drawn[key[0]]
