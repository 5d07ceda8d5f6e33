"""What stands in the tables of the page: models and presets, with tuned parameters and as params.yaml ships them."""

import json
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pipeline.errors import ParamsError
from pipeline.formats.files import file_sha256
from pipeline.model_parts.base import model_module
from pipeline.settings.params import load_params
from pipeline.tune.choice import Trial, changes, chosen_trial
from pipeline.tune.tables import read_trials
from pipeline.tune.trials import Budget, why_not_searched
from studies.ablation import MODEL, PRESETS
from studies.comparison import code, sets
from studies.comparison.fits import Fit
from studies.comparison.jobs import Search

Form = Literal["tuned", "shipped", "unit"]
PRESET_FORMS: tuple[Form, ...] = ("tuned", "shipped")
FORMS: tuple[Form, ...] = (*PRESET_FORMS, "unit")
UNIT_INPUTS: dict[str, Any] = {"inputs": "unit", "whitening_ridge": 1.0}
"""What the form ``unit`` changes of the shipped parameters, of every model that has ``inputs``."""


class Line(NamedTuple):
    """A line of a table; those of one name have the same model or preset, in each form.

    Attributes:
        form: where the parameters are from.
        name: a model, or a preset of ``MODEL``.
        fits: one for each seed; a model without a parameter ``seeds`` is fitted once.
    """

    form: Form
    name: str
    fits: list[Fit]


class SetLines(NamedTuple):
    """Everything that one feature table is used for.

    Attributes:
        features: the file of the table; the set has its name.
        searches: for the parameters of each model.
        trials: the trial of each model that its search chose.
        models: a line a form and model.
        presets: a line a form and preset.
    """

    features: Path
    searches: list[Search]
    trials: dict[str, Trial]
    models: list[Line]
    presets: list[Line]

    @property
    def why_not_searched(self) -> str:
        """In words why no trial but 0 was tried on the folds of the set; empty where others were."""
        first = self.searches[0]
        return why_not_searched(first.features, first.budget, first.clips)

    @property
    def fits(self) -> list[Fit]:
        """All of them, each once."""
        lines = [*self.models, *self.presets]
        return list({fit.file("scores"): fit for line in lines for fit in line.fits}.values())

    def fits_of(self, form: Form, model: str) -> list[Fit]:
        """Return the fits of a model."""
        return next(line.fits for line in self.models if (line.form, line.name) == (form, model))


def check_models(sections: Mapping[str, str]) -> None:
    """Refuse models among which the one is missing that the others are compared with.

    Raises:
        ParamsError: it is missing.
    """
    if MODEL not in sections:
        raise ParamsError(f"models: {', '.join(sections)}; expected {MODEL} too, with which the others are compared")


def searches(features: Path, sections: Mapping[str, str], budget: Budget, work: Path) -> list[Search]:
    """Return the searches for the parameters of every model on one table, each in a folder of its code.

    Where nothing can be chosen (``why_not_searched``) a search is of trial 0 alone, for its validation MAP.
    """
    of_table = work / "tune" / features.stem
    folders = {model: of_table / code.code_hash(code.SEARCH, model)[:16] for model in sections}
    clips = sets.clips_file(features) if sets.clips_file(features).exists() else None
    if why_not_searched(features, budget, clips):
        budget = budget._replace(n_trials=1)
    return [Search(features, model, section, budget, folders[model], clips) for model, section in sections.items()]


def set_lines(done: Sequence[Search], seeds: Sequence[int], work: Path) -> SetLines:
    """Return what one table is used for, after the searches on it.

    Args:
        done: the searches, whose tables are there.
        seeds: of the fits.
        work: folder of the results.

    Raises:
        DataError: a search has no table.
        ParamsError: params.yaml has no valid section for a model.
    """
    features = done[0].features
    fits = partial(_fits, file_sha256(features), seeds, work)
    trials = {job.model: chosen_trial(read_trials(job.out / f"{job.model}.csv"), job.budget.n_folds) for job in done}
    models, presets = [], []
    for form in FORMS:
        for job in done:
            changed = _changed(form, job.model, trials[job.model])
            models.append(Line(form, job.model, fits(job, changed)))
            if job.model == MODEL and form in PRESET_FORMS:
                presets += [Line(form, name, fits(job, changed | preset)) for name, preset in PRESETS.items()]
    return SetLines(features, list(done), trials, models, presets)


def _changed(form: Form, model: str, trial: Trial) -> dict[str, Any]:
    """What a form changes of a model's section in params.yaml."""
    if form == "tuned":
        return changes(trial)
    return UNIT_INPUTS if form == "unit" and "inputs" in model_module(model).Params.model_fields else {}


def _fits(sha256: str, seeds: Sequence[int], work: Path, job: Search, changes: Mapping[str, Any]) -> list[Fit]:
    """A fit for each seed of a model, its section of params.yaml changed."""
    params_class = model_module(job.model).Params
    values = load_params(job.section, params_class).model_dump() | changes
    params = params_class.model_validate(values).model_dump(mode="json")
    own_seeds = seeds if params.pop("seeds", None) else seeds[:1]
    text = json.dumps(params, sort_keys=True)
    made_by = code.code_hash(code.FIT, job.model)
    return [Fit(job.features, sha256, job.model, text, seed, made_by, work) for seed in own_seeds]
