"""The numbers of a run that a paper prints: the MAP of every model each way, how sure it is, and what it is of."""

import io
import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from pipeline.errors import DataError, in_words
from pipeline.evaluate.runs import PLOTS, Run
from pipeline.formats.csv_rows import parse_rows
from pipeline.formats.headlines import headline_of_report

DIRECTIONS = ("audio_to_visual", "visual_to_audio", "average")
METRICS_TABLE = f"{PLOTS}/metrics.csv"
LEVEL = 0.95
ALIKE = 1e-5  # numbers of six digits that are those of one run


class Estimate(NamedTuple):
    """A MAP and how far it may be off.

    Attributes:
        value: the MAP, 0 to 1.
        margin: half the width of its 95 % interval over groups of test clips; None where it is not known.
    """

    value: float
    margin: float | None


class PaperRow(NamedTuple):
    """A model's line.

    Attributes:
        name: of the model.
        maps: those of ``DIRECTIONS``, in their order.
        seeds_margin: half the width of the average's 95 % interval over the model's seeds; None where it has one fit.
    """

    name: str
    maps: tuple[Estimate, ...]
    seeds_margin: float | None


class PaperTable(NamedTuple):
    """What a run's table holds.

    Attributes:
        rows: a line a model, in the order of metrics.json.
        chance: the MAP of random rankings.
        dataset: name of the data set.
        n_classes: of the test clips.
        n_test: test clips, the gallery.
        n_queries: of each direction.
        n_groups: groups of queries that share a sound, a picture, a file or a source.
        alone: what there is one of among all queries, such as ``source``; no interval covers others of it.
        of_average_only: whether the intervals of the two directions are not known.
    """

    rows: tuple[PaperRow, ...]
    chance: float
    dataset: str
    n_classes: int
    n_test: int
    n_queries: int
    n_groups: int
    alone: tuple[str, ...]
    of_average_only: bool


def paper_table(run: Run) -> PaperTable:
    """Return what the table of a run holds.

    metrics.json has the standard error over groups of test clips of the average alone; those of the two directions are
    read from plots/metrics.csv, where that can be had.

    Args:
        run: a finished one.

    Raises:
        DataError: metrics.json lacks a number, as those of earlier versions do, or plots/metrics.csv is none or of
            another run; or relevant is the own clip, as without labels.
    """
    if headline_of_report(run.report) != "map":
        raise DataError(f"{run.name}: relevant is the own clip, so there is no MAP; expected a run with labels")
    try:
        return _table(run, _direction_errors(run))
    except (LookupError, TypeError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        problem = f"{run.name}: {in_words(error)}"
        raise DataError(f"{problem}; expected the metrics.json of version 0.2 or later: dvc repro evaluate") from error


def _table(run: Run, errors: Mapping[str, Mapping[str, float]] | None) -> PaperTable:
    """The table, by the standard errors of the directions where they are known."""
    facts, models = run.report["dataset"], run.report["models"]
    groups = facts["query_groups"]
    n_groups = int(groups["n_groups"])
    return PaperTable(
        rows=tuple(_row(name, of_model, n_groups, (errors or {}).get(name, {})) for name, of_model in models.items()),
        chance=float(run.report["chance"]["map"]),
        dataset=str(facts["name"]),
        n_classes=int(facts["n_test_classes"]),
        n_test=int(facts["n_test"]),
        n_queries=int(facts["n_queries"]),
        n_groups=n_groups,
        alone=tuple(name for name in ("sound", "picture", "source") if groups.get(f"n_{name}s") == 1),
        of_average_only=not errors and n_groups > 1,
    )


def _row(name: str, of_model: Mapping[str, Any], n_groups: int, errors: Mapping[str, float]) -> PaperRow:
    """A model's line; the standard errors of the directions may be unknown."""
    average = of_model["average"]
    known = {**errors, **({"average": float(average["map_within_std"])} if n_groups > 1 else {})}
    maps = tuple(Estimate(float(of_model[way]["map"]), _margin(known.get(way), n_groups)) for way in DIRECTIONS)
    seeds = average.get("map_margin")
    return PaperRow(name, maps, None if seeds is None else float(seeds))


def _margin(standard_error: float | None, n_groups: int) -> float | None:
    """Half the width of the interval by Student's t, of as many degrees of freedom as groups less one."""
    if standard_error is None or n_groups < 2:
        return None
    from scipy import stats

    return float(stats.t.ppf((1 + LEVEL) / 2, n_groups - 1) * standard_error)


def _direction_errors(run: Run) -> dict[str, dict[str, float]] | None:
    """The standard error over groups by model and direction; None where the table cannot be had."""
    try:
        text = run.read(METRICS_TABLE)
        parsed = parse_rows(io.StringIO(text, newline=""), METRICS_TABLE)
        rows = {(row["model"], row["direction"]): row for row in parsed}
        maps = {place: float(row["map"]) for place, row in rows.items()}
        stated_errors = {place: float(row.get("map_within_std") or "nan") for place, row in rows.items()}
    except OSError:
        return None
    except (LookupError, TypeError, ValueError) as error:
        problem = f"{run.name}: {METRICS_TABLE}: {in_words(error)}"
        raise DataError(f"{problem}; expected the table that the stage `evaluate` wrote: dvc repro evaluate") from error
    errors: dict[str, dict[str, float]] = {}
    for model, of_model in run.report["models"].items():
        for way in DIRECTIONS:
            stated, found = float(of_model[way]["map"]), maps.get((model, way))
            if found is None or abs(found - stated) > ALIKE:
                has = "no row" if found is None else f"a MAP of {found}"
                raise DataError(
                    f"{run.name}: {METRICS_TABLE}: {model} {way} has {has}, metrics.json a MAP of {stated}; "
                    "expected both of one run: dvc repro evaluate, or dvc checkout"
                )
            if math.isfinite(stated_errors[model, way]):
                errors.setdefault(model, {})[way] = stated_errors[model, way]
    return errors
