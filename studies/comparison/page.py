"""The page: numbers from the files of the fits, words from the template beside this file."""

import math
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from pipeline.formats.feature_table import FeatureTable
from pipeline.formats.files import write_atomically
from pipeline.retrieval.cosines import Array
from pipeline.tune.trials import Budget
from studies import tuning
from studies.ablation import MODEL, PRESETS
from studies.comparison import ensembles, orders, pictures, repeated, tables
from studies.comparison.fits import Fit
from studies.comparison.jobs import Search
from studies.comparison.lines import FORMS, PRESET_FORMS, Form, Line, SetLines
from studies.comparison.repeated import Repeats
from studies.comparison.sets import FeatureSet
from studies.comparison.tables import Lead, MeasuredLine

PACKAGES = ("numpy", "scipy", "scikit-learn", "torch")  # whose versions the page names
TEMPLATE = "page.md.jinja"
NAME = "results"  # of the page, and of the folder of its pictures
NOT_SEARCHED = "none, as shipped"  # where trial 0 alone can be chosen, whatever the seed
NO_INTERVAL = "one group: no interval"
UNIT = "groups of test clips"  # which the intervals and the tests move as a whole
HEADS = (
    *("model", "validation MAP", "audio → visual", "visual → audio", "average", "95 % over seeds"),
    *("95 % over groups", "between, within", "R@1", "ahead", "p"),
)
COMPARED = (MODEL, "cca", "c_cca")  # whose canonical correlations are shown


class Study(NamedTuple):
    """What was asked for.

    Attributes:
        sources: the sets.
        budget: of a search.
        clusters: how many, by the set.
        seeds: of the fits.
        n_searches: of the models that are searched again.
        again: these.
        again_on: the sets on which they are.
    """

    sources: list[FeatureSet]
    budget: Budget
    clusters: dict[str, int]
    seeds: list[int]
    n_searches: int
    again: Sequence[str]
    again_on: Sequence[str]

    @property
    def command(self) -> str:
        """The command line; the files stand as they were given, and only the working folder is left out."""
        words = [f"{source.name}={source.file}" for source in self.sources]
        options = (
            f"--trials {self.budget.n_trials} --folds {self.budget.n_folds} --seeds {' '.join(map(str, self.seeds))}"
        )
        options += f" --searches {self.n_searches} --again {' '.join(self.again)}"
        if [source.name for source in self.sources] != list(self.again_on):
            options += f" --again-on {' '.join(self.again_on)}"
        if self.clusters:
            options += f" --clusters {' '.join(f'{name}={number}' for name, number in self.clusters.items())}"
        return f".venv/bin/python -m studies.comparison WORK {' '.join(words)} {options}"


def shown(lines: SetLines) -> dict[str, Fit]:
    """Return the tuned fits of the first seed whose embeddings are shown, by model."""
    return {model: lines.fits_of("tuned", model)[0] for model in COMPARED if model in lines.trials}


def write(folder: Path, run: Study, of_sets: Sequence[SetLines], again: Sequence[Repeats]) -> None:
    """Write results.md and the folder of its pictures.

    Args:
        folder: of the page.
        run: what was asked for.
        of_sets: what each set is used for; all fits are done.
        again: the further searches of each set.
    """
    by_name = {lines.features.stem: lines for lines in of_sets}
    repeats = dict(zip(by_name, again, strict=True))
    presets = {name: _of_forms(lines.presets, "full", PRESET_FORMS) for name, lines in by_name.items()}
    compared = {name: _compared(lines, repeats[name], run) for name, lines in by_name.items()}
    gains = {name: _gains(lines, repeats[name], compared[name]) for name, lines in by_name.items()}
    searched = [row for of_set in gains.values() for of, row in of_set if of != NOT_SEARCHED]
    correlations = {
        name: {model: tables.correlations(fit) for model, fit in shown(lines).items()}
        for name, lines in by_name.items()
    }
    _draw(folder / NAME, by_name, presets, correlations)
    text = (
        _environment()
        .get_template(TEMPLATE)
        .render(
            run=run,
            sets=by_name,
            facts={name: tables.facts(lines) for name, lines in by_name.items()},
            models={name: _of_forms(lines.models, MODEL) for name, lines in by_name.items()},
            ensembles={name: _added_up(lines) for name, lines in by_name.items()},
            not_searched={name: why for name, lines in by_name.items() if (why := lines.why_not_searched)},
            orders={
                name: orders.orders(lines, repeats[name].lines, [job.model for job in compared[name]])
                for name, lines in by_name.items()
                if compared[name]
            },
            n_other_firsts=orders.n_other_firsts,
            gains=gains,
            gain_in_words=tuning.summary(searched) if searched else "",
            presets=presets,
            preset_names=list(PRESETS),
            correlations=correlations,
            forms=FORMS,
            preset_forms=PRESET_FORMS,
            main_model=MODEL,
            unit=UNIT,
            heads=HEADS,
            tables=tables,
            versions={"python": platform.python_version(), **{package: version(package) for package in PACKAGES}},
        )
    )
    write_atomically(folder / f"{NAME}.md", text.encode())


def write_trials(folder: Path, searches: Sequence[Search]) -> None:
    """Write the tables of all trials beside the pictures, as results/trials/SET/MODEL.csv."""
    for job in searches:
        table = job.out / f"{job.model}.csv"
        write_atomically(folder / NAME / "trials" / job.features.stem / table.name, table.read_bytes())


def _compared(lines: SetLines, of_set: Repeats, run: Study) -> list[Search]:
    """The searches of the page that others are compared with, and those of a set that is not searched."""
    name = lines.features.stem
    return (
        repeated.compared(lines.searches, run.again)
        if name in run.again_on and (of_set.searches or lines.why_not_searched)
        else []
    )


def _gains(lines: SetLines, of_set: Repeats, compared: Sequence[Search]) -> list[tuple[str, tuning.SearchRow]]:
    """What each search of the models that were searched again gained on test rows."""
    of_page = NOT_SEARCHED if lines.why_not_searched else "this page"
    rows = [(of_page, row) for row in tuning.measured(compared, lines)]
    for of, jobs in of_set.searches.items():
        rows += [(of, row) for row in tuning.measured(jobs, of_set.lines[of])]
    return rows


def _added_up(lines: SetLines) -> dict[Form, dict[str, MeasuredLine]]:
    """The models of each form whose fits can be added up, by name, compared with the main one."""
    result: dict[Form, dict[str, MeasuredLine]] = {}
    for form in FORMS:
        of_form = [line for line in ensembles.several(lines.models) if line.form == form]
        reference = next(line for line in lines.models if (line.form, line.name) == (form, MODEL))
        rows = tables.rows(of_form, reference, ensembles.added_up) if of_form else []
        result[form] = {row.name: row for row in rows}
    return result


def _of_forms(lines: Sequence[Line], reference: str, forms: Sequence[Form] = FORMS) -> dict[Form, list[MeasuredLine]]:
    """The rows of each form, compared with the line of a name."""
    result: dict[Form, list[MeasuredLine]] = {}
    for form in forms:
        of_form = {line.name: line for line in lines if line.form == form}
        result[form] = tables.rows(list(of_form.values()), of_form[reference])
    return result


def _draw(
    folder: Path,
    of_sets: Mapping[str, SetLines],
    presets: Mapping[str, Mapping[Form, Sequence[MeasuredLine]]],
    correlations: Mapping[str, Mapping[str, tuple[Array, Array]]],
) -> None:
    """All pictures."""
    pictures.ablation(folder / "ablation.png", presets)
    pictures.correlations(folder / "correlations.png", correlations)
    for name, lines in of_sets.items():
        labels = FeatureTable.load(lines.features).rows("test")[2]
        embeddings = tables.read(shown(lines)[MODEL], "embeddings")
        pictures.plane(folder / f"plane_{name}.png", f"{name}: {MODEL}", embeddings, labels)


def _environment() -> Environment:
    """Jinja with the formats of the page's numbers."""
    loader = FileSystemLoader(Path(__file__).parent)
    environment = Environment(
        loader=loader, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    environment.filters |= {"map": _map, "points": _points, "spread": _spread, "interval": _interval, "short": _short}
    environment.filters |= {
        "over_groups": _over_groups,
        "lead_over_groups": _lead_over_groups,
        "parts": _parts,
        "errors": _errors,
    }
    return environment


def _map(value: float) -> str:
    """A MAP or a share."""
    return f"{value:.3f}"


def _points(value: float) -> str:
    """A difference of MAPs in points."""
    return f"{100 * value:+.1f}"


def _spread(row: MeasuredLine, direction: str) -> str:
    """Mean and standard deviation over the seeds."""
    of = row.metrics[direction]
    return f"{of['map']:.3f} ± {of['map_std']:.3f}" if row.n_fits > 1 else f"{of['map']:.3f}"


def _interval(row: MeasuredLine) -> str:
    """The interval over the seeds."""
    if row.n_fits == 1:
        return "one fit"
    of = row.metrics["average"]
    return f"{of['map'] - of['map_margin']:.3f} to {of['map'] + of['map_margin']:.3f}"


def _over_groups(row: MeasuredLine) -> str:
    """The interval over groups of test clips."""
    return f"{row.over_groups.low:.3f} to {row.over_groups.high:.3f}" if row.over_groups else NO_INTERVAL


def _lead_over_groups(lead: Lead) -> str:
    """The interval of a lead over groups of test clips."""
    ends = lead.over_groups
    return f"{_points(ends.low)} to {_points(ends.high)} over groups" if ends else NO_INTERVAL


def _parts(row: MeasuredLine) -> str:
    """The spread of the MAP between seeds, and within a seed."""
    of = row.metrics["average"]
    between = f"{of['map_std']:.3f}" if row.n_fits > 1 else "one fit"
    return f"{between}, {of['map_within_std']:.3f}" if "map_within_std" in of else f"{between}, {NO_INTERVAL}"


def _errors(of: tuning.Gain) -> str:
    """The standard errors of a gain over seeds and over groups, in points; of one fit, or one group, there is none."""
    return ", ".join("none" if math.isnan(error) else f"{100 * error:.1f}" for error in (of.over_seeds, of.over_groups))


def _short(params: Mapping[str, Any]) -> str:
    """Parameters as words of ``dvc exp run -S``."""
    return " ".join(
        f"{key}={value:.4g}" if isinstance(value, float) else f"{key}={value}" for key, value in params.items()
    )
