"""The page: numbers from the files of the fits, words from the template beside this file."""

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
from studies.ablation import MODEL, PRESETS
from studies.comparison import pictures, tables
from studies.comparison.fits import Fit
from studies.comparison.jobs import Search
from studies.comparison.lines import FORMS, Form, Line, SetLines
from studies.comparison.sets import FeatureSet
from studies.comparison.tables import MeasuredLine

PACKAGES = ("numpy", "scipy", "scikit-learn", "torch")  # whose versions the page names
TEMPLATE = "page.md.jinja"
NAME = "results"  # of the page, and of the folder of its pictures
COMPARED = (MODEL, "cca", "c_cca")  # whose canonical correlations are shown


class Study(NamedTuple):
    """What was asked for: the sets, the budget of the searches, sets of clusters, the seeds of the fits."""

    sources: list[FeatureSet]
    budget: Budget
    clusters: dict[str, int]
    seeds: list[int]

    @property
    def command(self) -> str:
        """The command line; the files stand as they were given, and only the working folder is left out."""
        words = [f"{source.name}={source.file}" for source in self.sources]
        options = (
            f"--trials {self.budget.n_trials} --folds {self.budget.n_folds} --seeds {' '.join(map(str, self.seeds))}"
        )
        if self.clusters:
            options += f" --clusters {' '.join(f'{name}={number}' for name, number in self.clusters.items())}"
        return f".venv/bin/python -m studies.comparison WORK {' '.join(words)} {options}"


def shown(lines: SetLines) -> dict[str, Fit]:
    """Return the tuned fits of the first seed whose embeddings are shown, by model."""
    return {model: lines.fits_of("tuned", model)[0] for model in COMPARED if model in lines.trials}


def write(folder: Path, run: Study, of_sets: Sequence[SetLines]) -> None:
    """Write results.md and the folder of its pictures.

    Args:
        folder: of the page.
        run: what was asked for.
        of_sets: what each set is used for; all fits are done.
    """
    by_name = {lines.features.stem: lines for lines in of_sets}
    presets = {name: _of_forms(lines.presets, "full") for name, lines in by_name.items()}
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
            presets=presets,
            preset_names=list(PRESETS),
            correlations=correlations,
            forms=FORMS,
            main_model=MODEL,
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


def _of_forms(lines: Sequence[Line], reference: str) -> dict[Form, list[MeasuredLine]]:
    """The rows of each form, compared with the line of a name."""
    result: dict[Form, list[MeasuredLine]] = {}
    for form in FORMS:
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


def _short(params: Mapping[str, Any]) -> str:
    """Parameters as words of ``dvc exp run -S``."""
    return " ".join(
        f"{key}={value:.4g}" if isinstance(value, float) else f"{key}={value}" for key, value in params.items()
    )
