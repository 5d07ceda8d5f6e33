"""Trials of a search: drawn, run, kept in a table that grows."""

import csv
import io
import json
import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

from pipeline.errors import DataError, DivergenceError, ParamsError, in_words
from pipeline.formats.files import file_sha256, write_atomically
from pipeline.settings.environment import chosen_workers
from pipeline.settings.interrupt import held_back_interrupts, kill_workers
from pipeline.settings.paths import AnyPath
from pipeline.settings.progress import track

COLUMNS = ["trial", "validation_map", "validation_map_sd", "params"]
Drawn = tuple[int, dict[str, Any]]  # a trial's number and parameters


class Trial(NamedTuple):
    """One parameter set and its score: mean and standard deviation over the folds of the held-out MAP."""

    number: int
    validation_map: float
    validation_map_sd: float
    params: dict[str, Any]


class Budget(NamedTuple):
    """What every model is given.

    Attributes:
        n_trials: parameter sets that are tried.
        n_folds: parts of the rows that are not test; each is held out once. With 1 the table's own validation rows are
            held out: right where the features hold what was fitted on its train rows, such as a PCA.
        seed: of the folds and of the draws.
        by_cluster: a fold is a cluster of sounds that differ alike from the rest of their classes, such as those of one
            voice or one room: right where the test clips come from others than the train clips.
    """

    n_trials: int
    n_folds: int
    seed: int
    by_cluster: bool = False


def best_trial(trials: Sequence[Trial]) -> Trial:
    """Return the trial of the highest validation MAP; among equals the first.

    Raises:
        DataError: no trial has one.

    Example:
        >>> trials = [Trial(0, 0.4, 0.1, {"ridge": 0.1}), Trial(1, 0.6, 0.1, {"ridge": 1.0}), Trial(2, 0.6, 0.2, {})]
        >>> best_trial(trials).params
        {'ridge': 1.0}
    """
    trained = [trial for trial in trials if not math.isnan(trial.validation_map)]
    if not trained:
        raise DataError(f"all {len(trials)} trials diverged; expected one that trains (lower learning_rate)")
    return max(trained, key=lambda trial: (trial.validation_map, -trial.number))


def read_trials(table: AnyPath) -> list[Trial]:
    """Return the trials of a table.

    Raises:
        DataError: the file is missing or is no such table.
    """
    table = Path(table)
    try:
        lines = table.read_text(encoding="utf-8").splitlines()
        rows = csv.DictReader(line for line in lines if not line.startswith("#"))
        return [
            Trial(int(r["trial"]), float(r["validation_map"]), float(r["validation_map_sd"]), json.loads(r["params"]))
            for r in rows
        ]
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise DataError(f"{table}: {in_words(error)}; expected a table that pipeline.tune wrote") from error


def _trials_so_far(table: Path, made_with: str) -> list[Trial]:
    """The trials of a table whose first line says what it was made with; none if there is no table."""
    if not table.exists():
        return []
    first = table.read_text(encoding="utf-8").partition("\n")[0]
    if first != f"# {made_with}":
        raise DataError(
            f"{table}: made with {first.removeprefix('# ')}; expected {made_with}: remove it or name another folder"
        )
    return read_trials(table)


def _write_table(table: Path, made_with: str, trials: Sequence[Trial]) -> None:
    """The whole table, at once or not at all."""
    file = io.StringIO()
    file.write(f"# {made_with}\n")
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(COLUMNS)
    for number, score, spread, params in trials:
        writer.writerow([number, repr(score), repr(spread), json.dumps(params, sort_keys=True)])
    write_atomically(table, file.getvalue().encode())


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


def tune(features: AnyPath, name: str, section: str, budget: Budget, out: AnyPath) -> Trial:
    """Return the best trial, after running those that the table does not hold yet.

    Args:
        features: file of a feature table; rows of its split ``test`` are not looked at.
        name: the model.
        section: its parameters in params.yaml; what is not searched stays as it stands there.
        budget: trials, folds and seed.
        out: folder of the tables.

    Raises:
        DataError: the features cannot be read, a class has fewer clips than folds, or the table was made with other
            features, folds, seed or parameters.
        ParamsError: there is no such model or section, no drawn parameters are valid, the budget is too small, or
            AVR_WORKERS is not a whole number above 0.
    """
    from pipeline.model_parts.base import model_module
    from pipeline.settings.params import load_params
    from pipeline.tune.draws import draw

    if budget.n_trials < 1 or budget.n_folds < 1:
        raise ParamsError(f"{budget}; expected at least 1 trial and 1 fold")
    if budget.by_cluster and budget.n_folds < 2:
        raise ParamsError(f"{budget}; expected at least 2 folds, a cluster each")
    features, out = Path(features), Path(out)
    module = model_module(name)
    base = load_params(section, module.Params)
    folds = {"n_folds": budget.n_folds, "seed": budget.seed} | ({"by_cluster": True} if budget.by_cluster else {})
    made_with = json.dumps({"features": _sha256(features), **folds, "base": base.model_dump()}, sort_keys=True)
    table = out / f"{name}.csv"
    done = _trials_so_far(table, made_with)
    drawn = [(number, draw(module, base, budget.seed, number)) for number in range(len(done), budget.n_trials)]
    trials = _in_order(partial(_run, features, name, section, budget), drawn)
    for trial in track(trials, f"tune, {name}", "trial", len(drawn)):
        done.append(trial)
        _write_table(table, made_with, done)
    return best_trial(done[: budget.n_trials])


def _sha256(features: Path) -> str:
    """Hash of the features."""
    try:
        return file_sha256(features)
    except OSError as error:
        raise DataError(f"{features}: {error.strerror}; expected a table that the stage `features` wrote") from error


def _in_order(run: Callable[[Drawn], Trial], drawn: Sequence[Drawn]) -> Iterator[Trial]:
    """The trials as they end, in order, $AVR_WORKERS at a time (default: one a core), each on one thread."""
    n_workers = min(chosen_workers(), len(drawn))
    if n_workers <= 1:
        yield from map(run, drawn)
    else:
        with ProcessPoolExecutor(n_workers, get_context("spawn")) as pool:
            try:
                with held_back_interrupts():
                    trials = pool.map(run, drawn)
                yield from trials
            except BaseException:
                kill_workers()  # which a pool waits for, perhaps for minutes
                raise


def _run(features: Path, name: str, section: str, budget: Budget, drawn: Drawn) -> Trial:
    """One trial, in a process of its own."""
    import numpy as np

    from pipeline.formats.feature_table import FeatureTable
    from pipeline.model_parts.base import model_module
    from pipeline.settings.device import one_thread
    from pipeline.settings.params import load_params

    number, values = drawn
    module = model_module(name)
    params = module.Params.model_validate(load_params(section, module.Params).model_dump() | values)
    try:
        with one_thread():
            scores = list(_fold_scores(FeatureTable.load(features), module.Model, params, budget))
    except DivergenceError as error:
        print(f"{name}: trial {number}: {error}", file=sys.stderr)
        return Trial(number, math.nan, math.nan, values)
    spread = float(np.std(scores, ddof=1)) if len(scores) > 1 else math.nan
    return Trial(number, float(np.mean(scores)), spread, values)


def _fold_scores(table: Any, model_class: Any, params: Any, budget: Budget) -> Iterator[float]:  # noqa: ANN401 - see _run
    """The held-out MAP of each fold."""
    from pipeline.model_parts.base import Pairs
    from pipeline.retrieval import average_map
    from pipeline.tune.folds import folds

    parts = folds(table, budget.n_folds, budget.seed, by_cluster=budget.by_cluster)
    for fit_rows, held_rows in parts:
        fitted_on, held = (
            Pairs(table.audio[rows], table.visual[rows], table.labels[rows]) for rows in (fit_rows, held_rows)
        )
        model = model_class(params, budget.seed)
        model.fit(fitted_on, held)
        yield average_map(model.embed_audio(held.audio), model.embed_visual(held.visual), held.labels)
