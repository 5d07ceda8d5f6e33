"""The page to listen to a run by: its rows with their intervals, and mixtures beside what was made of them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pipeline.report.rendering import new_environment
from pipeline.separation.listening.examples import Example

FOLDER = Path(__file__).with_name("templates")
PAGE = "listening.html.jinja"
COLUMNS = {
    "si_sdr_improvement": "SI-SDR over the mixture, dB",
    "si_sdr": "SI-SDR, dB",
    "sdr": "SDR, dB",
    "sir": "SIR, dB",
    "sar": "SAR, dB",
    "stoi": "STOI",
    "pesq": "PESQ",
}
DIGITS = {"stoi": 2, "pesq": 2}  # of the others one


class MeasureTable(NamedTuple):
    """A section of metrics.json that is a table of the page.

    Attributes:
        title: of the table.
        caption: what its numbers are.
        columns: words of each number; the first one has an interval.
        digits: of numbers that are no counts.
    """

    title: str
    caption: str
    columns: Mapping[str, str]
    digits: int = 2


MEASURES = {
    "matching": MeasureTable(
        "Faces and voices",
        "Every test face with every test voice of another clip, by the cosine of their embeddings; chance has 0.5.",
        {"auc": "AUC", "eer": "EER", "n_pairs": "pairs"},
    ),
    "silence": MeasureTable(
        "Who is silent",
        "What is made of a source that is not heard, and looks so: its level under the mixture. Lower is better.",
        {"silent_target_db": "level, dB", "n_mixtures": "mixtures"},
        digits=1,
    ),
    "localisation": MeasureTable(
        "Where it sounds",
        "The hottest pixels, as many as the true box has, and that box; cIoU is how often they overlap by half.",
        {"ciou": "cIoU", "iou": "IoU", "auc": "AUC", "pointing": "pointing", "n_clips": "clips"},
    ),
    "synchrony": MeasureTable(
        "Sound and film in time",
        "How often a film is nearer to its own sound than to that of another time; 0.5 is chance.",
        {"sync_accuracy": "right", "n_films": "films"},
    ),
}


def page(task: str, metrics: Mapping[str, Any], examples: Mapping[str, Sequence[Example]]) -> str:
    """Return the page as HTML, a function of its inputs alone.

    Args:
        task: its name.
        metrics: what its metrics.json holds.
        examples: by separator.
    """
    rows, played = metrics["rows"], {name: found for name, found in examples.items() if found}
    environment = new_environment(FOLDER)
    environment.filters["decibels"] = "{:+.1f}".format
    return environment.get_template(PAGE).render(
        task=task,
        metrics=metrics,
        examples=played,
        columns={key: words for key, words in COLUMNS.items() if any(key in row for row in rows.values())},
        kinds=_kinds(rows),
        rows=[(name, row, {key: _in_words(row, key) for key in COLUMNS}) for name, row in rows.items()],
        ranked=sorted(played, key=lambda name: -rows[name]["si_sdr_improvement"]),
        measures=[(measure, _table(measure, metrics[key])) for key, measure in MEASURES.items() if metrics.get(key)],
    )


def _in_words(row: Mapping[str, Any], key: str) -> str:
    """A number of a row, with half the width of its interval where there is one; a dash where it was not measured."""
    if key not in row:
        return "-"
    digits = DIGITS.get(key, 1)
    number = f"{round(row[key], digits) + 0.0:.{digits}f}"  # zero has no sign
    margin = row.get("margin", 0.0) if key == "si_sdr_improvement" else 0.0
    return f"{number} ± {margin:.1f}" if margin else number


def _kinds(rows: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The kinds of mixtures that some row is also measured by, if there are two or more."""
    kinds = sorted({kind for row in rows.values() for kind in row.get("by_kind", {})})
    return kinds if len(kinds) > 1 else []


def _table(measure: MeasureTable, values: Mapping[str, Mapping[str, Any]]) -> list[list[str]]:
    """The rows of a table: a name, and a cell a column."""
    return [[name, *(_cell(measure, key, of_name) for key in measure.columns)] for name, of_name in values.items()]


def _cell(measure: MeasureTable, key: str, values: Mapping[str, Any]) -> str:
    """A count as it is, another number with its digits, the first one with half the width of its interval."""
    if key not in values:
        return "-"
    if isinstance(values[key], int):
        return str(values[key])
    number = f"{values[key]:.{measure.digits}f}"
    has_interval = key == next(iter(measure.columns)) and values.get("margin")
    return f"{number} ± {values['margin']:.{measure.digits}f}" if has_interval else number
