"""The page about what each step costs: numbers from results.json, words from the template beside this file."""

from collections.abc import Mapping
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from benchmarks.bench import pictures
from benchmarks.bench.regressions import of
from benchmarks.bench.results import Beside, MeasuredRow, Measurement
from pipeline.formats.files import write_atomically

DOCS = Path(__file__).parents[2] / "docs"
TEMPLATE, NAME = "page.md.jinja", "performance.md"


def write_page(kinds: Mapping[str, Measurement], docs: Path = DOCS) -> None:
    """Write the page and its pictures, which are of the newest measurement."""
    newest = max(kinds.values(), key=lambda measurement: measurement.date)
    pictures.draw(docs / "pictures", newest)
    write_atomically(docs / NAME, rendered(kinds).encode())


def rendered(kinds: Mapping[str, Measurement]) -> str:
    """Return the page: a section of tables for each kind of processor, the newest first."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.globals |= {"cells": cells, "verdict": verdict, "has_before": has_before, "others": others}
    newest_first = sorted(kinds.items(), key=lambda item: item[1].date, reverse=True)
    return environment.get_template(TEMPLATE).render(kinds=newest_first)


def table(measurement: Measurement) -> str:
    """Return the table as it is printed at the end of a run: a line a ratio."""
    lines = ["| row | ours | beside | ratio | rounds from, to |", "|---|---|---|---|---|"]
    for row in measurement.rows:
        for one in row.beside:
            what = f"{one.way} / ours" if one.role == "peer" else f"ours / {one.way}"
            said = f"{one.ratio.median:.3g} | {one.ratio.lowest:.3g}, {one.ratio.highest:.3g}" if one.ratio else ""
            lines.append(f"| {row.name} | {row.ours:.4g} {row.unit} | {what} | {said or f'{one.absent} |'} |")
    return "\n".join(lines)


def cells(row: MeasuredRow) -> list[str]:
    """Return the cells of a row: what it is, our time, what peers take beside it, and ours beside the limit."""
    peers = "; ".join(_said(one) for one in row.beside if one.role == "peer")
    limits = "; ".join(_said(one) for one in row.beside if one.role == "limit")
    return [row.what, f"{row.ours:.3g} {row.unit}", peers, limits]


def has_before(measurement: Measurement) -> bool:
    """Return whether another checkout took turns."""
    return any(one.role == "before" for row in measurement.rows for one in row.beside)


def others(row: MeasuredRow) -> str:
    """Return the cell about the other checkout."""
    said = [_said(one) for one in row.beside if one.role == "before"]
    return said[0].removeprefix("before ") if said else ""


def verdict(row: MeasuredRow) -> list[str]:
    """Return the cells about an aim: the limit, what is asked for, what is measured, whether it is met, and why."""
    ratio = row.ratio(row.aim.way) if row.aim else None
    if row.aim is None or ratio is None:
        return []
    met = "met" if ratio.median <= row.aim.most else "**missed**"
    return [row.what, row.aim.way, f"{row.aim.most:g}", f"{of(ratio)}, {met}", row.aim.reason]


def _said(one: Beside) -> str:
    """A way with its ratio and how far the rounds lie apart, or why there is none."""
    if one.ratio is None:
        return f"{one.way}: {one.absent}"
    number = f"**{one.ratio.median:.3g}**" if one.role == "limit" else f"{one.ratio.median:.3g}"
    return f"{one.way} {number} ({one.ratio.lowest:.3g} to {one.ratio.highest:.3g})"
