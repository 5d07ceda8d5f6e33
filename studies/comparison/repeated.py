"""Further searches for the parameters of some models: with other seeds, and with other folds."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from pipeline.errors import ParamsError
from pipeline.tune.trials import Budget
from studies.comparison.fits import Fit
from studies.comparison.jobs import Search
from studies.comparison.lines import PRESET_FORMS, SetLines

BY_ROW = "folds by row"


class Repeats(NamedTuple):
    """Further searches on one set, by what is other about them.

    Attributes:
        searches: the searches of all models that were searched again; none where trial 0 alone can be chosen.
        lines: what each came to.
    """

    searches: dict[str, list[Search]]
    lines: dict[str, SetLines]


def check_models(models: Sequence[str], sections: Mapping[str, str]) -> None:
    """Refuse models to search again that are not searched at all.

    Raises:
        ParamsError: params.yaml does not list one.
    """
    for name in models:
        if name not in sections:
            raise ParamsError(f"--again {name}: no such model; expected some of {', '.join(sections)}")


def compared(of_set: Sequence[Search], models: Sequence[str]) -> list[Search]:
    """Return those of the searches on a set, of all models, that others are compared with.

    Args:
        of_set: those of the page.
        models: that are searched again. On a set of one fold there are none: nothing can be clearly ahead there.
    """
    return [job for job in of_set if job.model in models and job.budget.n_folds > 1]


def searches(
    of_set: Sequence[Search], budget: Budget, n_searches: int, models: Sequence[str], work: Path
) -> dict[str, list[Search]]:
    """Return the searches on a set beside those of the page, by what is other about them.

    A set of which trial 0 alone is tried has none, since any seed leaves it. One whose folds are clusters has a search
    by folds of rows.

    Args:
        of_set: those of the page, of all models.
        budget: of sets whose folds are of rows.
        n_searches: how many there are, with that of the page.
        models: that are searched again.
        work: folder of the results; each search has a folder of its own there.
    """
    some = [job for job in compared(of_set, models) if job.budget.n_trials > 1]
    if not some:
        return {}
    others = {f"search {seed}": some[0].budget._replace(seed=seed) for seed in range(1, n_searches)}
    if some[0].budget.by_cluster:
        others[BY_ROW] = budget
    return {of: [_moved(job, other, work / of.replace(" ", "-")) for job in some] for of, other in others.items()}


def fits_of(lines: SetLines) -> list[Fit]:
    """Return the fits of a further search that are compared: tuned and shipped ones, and no preset."""
    return [fit for line in lines.models if line.form in PRESET_FORMS for fit in line.fits]


def _moved(job: Search, budget: Budget, folder: Path) -> Search:
    """A search with another budget in another folder."""
    return job._replace(budget=budget, out=folder / "tune" / job.features.stem / job.out.name)
