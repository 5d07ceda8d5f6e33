"""What the page is made from: metrics.json, the tables of plots/ and the list of rejected clips."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pipeline.errors import DataError
from pipeline.formats import rejects
from pipeline.formats.csv_rows import read_rows
from pipeline.formats.rejects import Reject
from pipeline.report.shown_clips import ShownClip, shown_clips
from pipeline.settings.json_text import parse_json
from pipeline.settings.paths import AnyPath

Tables = Mapping[str, Mapping[str, Sequence[Mapping[str, str]]]]

TABLES = ("precision_scope", "precision_recall", "class_map", "confusion")


class Inputs(NamedTuple):
    """A finished run.

    Attributes:
        metrics: what metrics.json holds; its first model is the one that the others are compared with.
        tables: for each of ``TABLES`` the rows of its CSV file by model.
        leads: by other model, how far the first one is ahead: ``difference``, ``p`` and ``p_holm``.
        machine: the kind of machine, by key.
        refused: the rows of rejected.csv.
        shown: test clips to look at and listen to.
    """

    metrics: Mapping[str, Any]
    tables: Tables
    leads: Mapping[str, Mapping[str, float]]
    machine: Mapping[str, str]
    refused: Sequence[Reject]
    shown: Sequence[ShownClip]


def read_inputs(metrics: AnyPath, plots: AnyPath, rejected: AnyPath, clips_csv: AnyPath) -> Inputs:
    """Return what the stage `evaluate` wrote, and the clips that the run went on without.

    Args:
        metrics: metrics.json.
        plots: the folder of tables.
        rejected: rejected.csv.
        clips_csv: clips.csv, beside which the folder of the videos is noted.

    Raises:
        DataError: metrics.json is damaged, or has no model.
    """
    metrics, plots = Path(metrics), Path(plots)
    measured = _read_metrics(metrics)
    names = list(measured["models"])
    return Inputs(
        measured,
        {table: {name: read_rows(plots / table / f"{name}.csv") for name in names} for table in TABLES},
        _leads(read_rows(plots / "significance.csv"), names[0]),
        {row["key"]: row["value"] for row in read_rows(plots / "machine.csv")},
        rejects.read(rejected),
        shown_clips(clips_csv),
    )


def _read_metrics(path: Path) -> dict[str, Any]:
    """The content of a metrics.json that has a model."""
    try:
        measured = parse_json(path.read_text(encoding="utf-8"))
        if measured["models"].keys():
            return dict(measured)
        raise ValueError("no model")
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise DataError(f"{path}: {error!r}; expected a metrics.json that the stage `evaluate` wrote") from error


def _leads(pairs: Sequence[Mapping[str, str]], first: str) -> dict[str, dict[str, float]]:
    """The pairs of the first model, by the other one of each."""
    numbers = ("difference", "p", "p_holm")
    return {row["other"]: {key: float(row[key]) for key in numbers} for row in pairs if row["model"] == first}
