"""The page to listen to a run by: its rows with their intervals, and mixtures beside what was made of them."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

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
        facts=dict(_facts(metrics)),
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


def _facts(metrics: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What metrics.json says of other things than rows, as names with numbers in words."""
    for section in ("matching", "silence", "localisation", "synchrony"):
        for name, values in metrics.get(section, {}).items():
            members = values.items() if isinstance(values, Mapping) else [("", values)]
            numbers = [f"{key} {_number(value)}".strip() for key, value in members if isinstance(value, int | float)]
            yield f"{section}, {name}", ", ".join(numbers)


def _number(value: float) -> str:
    """A count as it is, another number with three digits."""
    return str(value) if isinstance(value, int) else f"{value:.3g}"
