"""Whether tuning pays: each model searched with several seeds, and the tuned test MAP beside the shipped one.

usage: python -m studies.tuning WORK NAME=FILE... [--models MODEL...] [--searches S...] [--trials N] [--folds K]

A search with another seed has other folds and other draws, so that the spread over the searches is the luck of
searching. The searches follow ``avr tune``; test rows are scored when all of them are done, and choose nothing.
Searches and fits leave files in WORK, $AVR_WORKERS at a time; a run that was killed goes on where it stopped.
"""

import argparse
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pipeline.errors import ParamsError, PipelineError
from pipeline.evaluate.independence import Groups, standard_error
from pipeline.retrieval.cosines import Array
from pipeline.settings.params import model_sections
from pipeline.tune.choice import lead
from pipeline.tune.tables import read_trials
from pipeline.tune.trials import Budget
from studies.comparison import fits, jobs, lines, repeated, sets, tables
from studies.comparison.fits import DIRECTIONS, Fit
from studies.comparison.jobs import Search
from studies.comparison.lines import SetLines


class Gain(NamedTuple):
    """By how much the tuned model is ahead of the shipped one on test rows, in MAP.

    Attributes:
        difference: mean over seeds, queries and directions.
        over_seeds: standard error of that over the seeds of the fits; NaN for one.
        over_groups: standard error over groups of test clips that share a sound, picture, file or source; NaN for one.
    """

    difference: float
    over_seeds: float
    over_groups: float

    @property
    def standard_error(self) -> float:
        """Both parts together; NaN for one group, whose gain is neither above nor below it."""
        return math.hypot(0.0 if math.isnan(self.over_seeds) else self.over_seeds, self.over_groups)


class SearchRow(NamedTuple):
    """What a search for a model's parameters on a set came to.

    Attributes:
        data: name of the set.
        model: its name.
        search: seed of the search.
        trial: number of the chosen trial.
        validation_lead: of that trial over trial 0 on the folds, in MAP.
        shipped, tuned: test MAP, mean of seeds and directions.
        gain: of the tuned over the shipped.
    """

    data: str
    model: str
    search: int
    trial: int
    validation_lead: float
    shipped: float
    tuned: float
    gain: Gain


def main() -> None:
    """Search, fit, print the table."""
    arguments = _arguments()
    try:
        sections = sections_of(arguments.models)
        paths = [sets.prepare(source, arguments.work / "sets") for source in sets.parse(arguments.sets)]
        todo = [
            lines.searches(
                path, sections, Budget(arguments.trials, arguments.folds, seed), _folder(arguments.work, seed)
            )
            for path in paths
            for seed in arguments.searches
        ]
        of_searches = rows_of(todo, arguments.seeds, arguments.work)
        print("\n".join(page([row for rows in of_searches for row in rows])))
    except PipelineError as error:
        sys.exit(f"tuning: {type(error).__name__}: {error}")


def rows_of(
    todo: Sequence[Sequence[Search]],
    seeds: Sequence[int],
    work: Path,
    search: Callable[[Search], None] = jobs.search,
) -> list[list[SearchRow]]:
    """Return the rows of searches, after running those and the fits that are not there.

    Args:
        todo: in each item those of one set and seed, one a model.
        seeds: of the fits.
        work: folder of the fits.
        search: runs one of them.
    """
    jobs.run(search, [job for of_search in todo for job in of_search])
    of_searches = [lines.set_lines(of_search, seeds, work) for of_search in todo]
    found = {fit.file("scores"): fit for of in of_searches for fit in repeated.fits_of(of)}
    jobs.run(fits.score, [fit for file, fit in found.items() if not file.exists()])
    return [list(measured(done, of)) for done, of in zip(todo, of_searches, strict=True)]


def measured(done: Sequence[Search], of: SetLines) -> Iterator[SearchRow]:
    """Yield a row for each model of one search.

    Args:
        done: the searches of one set and seed.
        of: their fits, which have scores.
    """
    groups = tables.groups_of_set(of.features)
    for job in done:
        trials = read_trials(job.out / f"{job.model}.csv")
        chosen, shipped = of.trials[job.model], trials[0]
        ahead = lead(chosen, shipped, job.budget.n_folds).difference
        tuned_scores, shipped_scores = (query_scores(of.fits_of(form, job.model)) for form in ("tuned", "shipped"))
        maps = float(shipped_scores.mean()), float(tuned_scores.mean())
        gained = gain(tuned_scores - shipped_scores, groups)
        yield SearchRow(of.features.stem, job.model, job.budget.seed, chosen.number, ahead, *maps, gained)


def query_scores(of_model: Sequence[Fit]) -> Array:
    """Return the average precisions of the test rows, mean of both directions: (n_seeds, n_queries)."""
    files = [tables.read(fit, "scores") for fit in of_model]
    return np.stack([np.mean([file[f"{way}.map"] for way in DIRECTIONS], axis=0) for file in files])


def gain(differences: Array, groups: Groups) -> Gain:
    """Return the mean of differences, and its standard errors.

    Args:
        differences: (n_seeds, n_queries), tuned minus shipped.
        groups: of the test rows.
    """
    of_seeds, of_queries = differences.mean(axis=1), differences.mean(axis=0)
    return Gain(
        float(of_queries.mean()),
        _error_of_mean(of_seeds, Groups.each_its_own(len(of_seeds))),
        _error_of_mean(of_queries, groups),
    )


def _error_of_mean(values: Array, groups: Groups) -> float:
    """The standard error of the mean of (n,) values, over groups of them; NaN for one group."""
    return float(standard_error(values, np.full(len(values), 1 / len(values)), groups))


def page(rows: Sequence[SearchRow]) -> Iterator[str]:
    """Yield the lines of a Markdown table, and what it comes to."""
    yield "| set | model | search | trial | ahead on the folds | shipped test MAP | tuned | gain | SE: seeds, groups |"
    yield "|---|---|---|---|---|---|---|---|---|"
    for row in rows:
        errors = f"{100 * row.gain.over_seeds:.1f}, {100 * row.gain.over_groups:.1f}"
        yield (
            f"| {row.data} | `{row.model}` | {row.search} | {row.trial} | {100 * row.validation_lead:+.1f} | "
            f"{row.shipped:.3f} | {row.tuned:.3f} | {100 * row.gain.difference:+.1f} | {errors} |"
        )
    yield ""
    yield summary(rows)


def summary(rows: Sequence[SearchRow]) -> str:
    """Return in words what searches come to."""
    below = [row for row in rows if row.gain.difference < -row.gain.standard_error]
    above = [row for row in rows if row.gain.difference > row.gain.standard_error]
    n_challengers = sum(row.trial != 0 for row in rows)
    return (
        f"Of {len(rows)} searches {n_challengers} chose another trial than 0. The tuned test MAP is below the shipped "
        f"one by more than its standard error in {len(below)}, above in {len(above)}; the mean gain is "
        f"{100 * float(np.mean([row.gain.difference for row in rows])):+.2f} points."
    )


def sections_of(models: Sequence[str]) -> dict[str, str]:
    """The section of each model, all of params.yaml where none is named."""
    known = model_sections()
    for name in models:
        if name not in known:
            raise ParamsError(f"--models {name}: no such model; expected some of {', '.join(known)}")
    return {name: known[name] for name in models or known}


def _folder(work: Path, seed: int) -> Path:
    """Where the searches of a seed leave their tables."""
    return work / f"search-{seed}"


def _arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m studies.tuning", description=__doc__)
    parser.add_argument("work", metavar="WORK", type=Path, help="folder of finished searches and fits")
    parser.add_argument("sets", metavar="NAME=FILE", nargs="+", help="a data set and its features")
    parser.add_argument("--models", nargs="+", default=[], help="default: all in params.yaml")
    parser.add_argument(
        "--searches", type=int, nargs="+", default=[0, 1, 2, 3, 4], help="their seeds (default: 0 to 4)"
    )
    parser.add_argument("--trials", type=int, default=12, help="parameter sets a model (default: 12)")
    parser.add_argument("--folds", type=int, default=6, help="parts of train + validation (default: 6)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4], help="of the fits (default: 0 to 4)")
    return parser.parse_args()


if __name__ == "__main__":
    main()
