"""The page about what each step costs: numbers from results.json, words from the template beside this file."""

from collections.abc import Mapping
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from benchmarks.bench import pictures, roofline
from benchmarks.bench.groups import aims
from benchmarks.bench.regressions import of
from benchmarks.bench.results import Beside, MeasuredRow, Measurement
from benchmarks.bench.ways import Aim
from pipeline.formats.files import write_atomically

DOCS = Path(__file__).parents[2] / "docs"
TEMPLATE, NAME = "page.md.jinja", "performance.md"


def write_page(kinds: Mapping[str, Measurement], docs: Path = DOCS) -> None:
    """Write the page and its pictures, which are of the newest measurement."""
    newest = max(kinds.values(), key=lambda measurement: measurement.date)
    pictures.draw(docs / "pictures", newest)
    write_atomically(docs / NAME, rendered(kinds).encode())


def rendered(kinds: Mapping[str, Measurement]) -> str:
    """Return the page: a section of tables for each kind of processor, the newest first; aims are those of the code."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.globals |= {"cells": cells, "verdict": verdict, "has_before": has_before, "others": others}
    environment.globals |= {"under_roof": under_roof, "roof": roof, "digits": digits}
    newest_first = sorted(kinds.items(), key=lambda item: item[1].date, reverse=True)
    return environment.get_template(TEMPLATE).render(
        kinds=newest_first, aims=aims(), has_picture=bool(newest_first and newest_first[0][1].roof)
    )


def table(measurement: Measurement) -> str:
    """Return the table as it is printed at the end of a run: a line a ratio."""
    lines = ["| row | ours | beside | ratio | rounds from, to |", "|---|---|---|---|---|"]
    for row in measurement.rows:
        for one in row.beside:
            what = f"{one.way} / ours" if one.role == "peer" else f"ours / {one.way}"
            said = f"{one.ratio.median:.3g} | {one.ratio.lowest:.3g}, {one.ratio.highest:.3g}" if one.ratio else ""
            lines.append(f"| {row.name} | {digits(row.ours)} {row.unit} | {what} | {said or f'{one.absent} |'} |")
    return "\n".join(lines)


def cells(row: MeasuredRow) -> list[str]:
    """Return the cells of a row: what it is, our time, what peers take beside it, and ours beside the limit."""
    peers = "; ".join(_said(one) for one in row.beside if one.role == "peer")
    limits = "; ".join(_said(one) for one in row.beside if one.role == "limit")
    return [row.what, f"{digits(row.ours)} {row.unit}", peers, limits]


def digits(number: float) -> str:
    """Return a number with three digits, and all of them before the point.

    >>> digits(0.01234), digits(12.34), digits(12345.6)
    ('0.0123', '12.3', '12,346')
    """
    return f"{number:.3g}" if number < 1000 else f"{number:,.0f}"


def has_before(measurement: Measurement) -> bool:
    """Return whether another checkout took turns."""
    return any(one.role == "before" for row in measurement.rows for one in row.beside)


def others(row: MeasuredRow) -> str:
    """Return the cell about the other checkout."""
    said = [_number(one) for one in row.beside if one.role == "before"]
    return said[0] if said else ""


def roof(measurement: Measurement) -> str:
    """Return what one core can do at most, in words."""
    found = measurement.roof
    if found is None:
        return "not measured"
    rates = (found.float32, found.float64, found.triad)
    best, middle = [digits(rate.highest) for rate in rates], [digits(rate.median) for rate in rates]
    return (
        f"{best[0]} x 10^9 operations a second in float32 (median {middle[0]}), {best[1]} in float64 ({middle[1]}), "
        f"{best[2]} x 10^9 bytes a second ({middle[2]})"
    )


def under_roof(measurement: Measurement) -> list[list[str]]:
    """Return the cells of each way under the roof: its work, its speed, and its share of what the core could reach."""
    rows = {row.name: row for row in measurement.rows}
    return [
        [
            f"{rows[point.row].what}: {point.way}",
            digits(rows[point.row].work[point.way].operations / 1e6),
            digits(rows[point.row].work[point.way].n_bytes / 1e6),
            digits(point.intensity),
            digits(point.gflops),
            f"{100 * point.gflops / point.roof:.0f} % of {digits(point.roof)}",
        ]
        for point in roofline.points(measurement)
    ]


def verdict(row: MeasuredRow, aim: Aim | None) -> list[str]:
    """Return the cells about an aim: the limit, what is asked for, what is measured, whether it is met, and why."""
    ratio = row.ratio(aim.way) if aim else None
    if aim is None or ratio is None:
        return []
    met = "met" if ratio.median <= aim.most else "**missed**"
    return [row.what, aim.way, f"{aim.most:g}", f"{of(ratio)}, {met}", aim.reason]


def _said(one: Beside) -> str:
    """A way with its ratio and how far the rounds lie apart, or why there is none."""
    return f"{one.way} {_number(one)}" if one.ratio else f"{one.way}: {_number(one)}"


def _number(one: Beside) -> str:
    """The ratio, that to a limit in bold type, or why there is none."""
    if one.ratio is None:
        return one.absent
    number = f"**{one.ratio.median:.3g}**" if one.role == "limit" else f"{one.ratio.median:.3g}"
    return f"{number} ({one.ratio.lowest:.3g} to {one.ratio.highest:.3g})"
