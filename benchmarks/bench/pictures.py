"""The pictures of the page, as SVG: the same numbers give the same bytes."""

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.bench import roofline
from benchmarks.bench.results import MeasuredRow, Measurement
from benchmarks.bench.ways import OURS
from pipeline.formats.files import write_atomically

PANEL_INCHES = (6.4, 3.8)
SETTINGS = {"svg.hashsalt": "bench", "svg.fonttype": "none", "font.size": 9}
DRAWN: list[str | dict[str, Any]] = ["default", SETTINGS]  # a user's matplotlibrc has no say
MAP, ROOFLINE, CLIPS = "performance_map.svg", "performance_roofline.svg", "performance_clips.svg"


def draw(folder: Path, measurement: Measurement) -> None:
    """Write the pictures of a measurement into a folder, those whose rows it has."""
    of_map = [row for row in measurement.rows if row.group == "map"]
    growth = [row for row in measurement.rows if row.group == "growth"]
    plots: list[tuple[str, object, Callable[[Axes], None]]] = [
        (MAP, of_map, lambda axes: growth_of_map(axes, of_map)),
        (ROOFLINE, roofline.points(measurement), lambda axes: roofline.draw(axes, measurement)),
        (CLIPS, growth, lambda axes: by_clips(axes, growth)),
    ]
    for name, is_there, plot in plots:
        if is_there:
            with style.context(DRAWN):
                figure = Figure(figsize=PANEL_INCHES, layout="constrained")
                plot(figure.subplots())
                _write(folder / name, figure)


def growth_of_map(axes: Axes, rows: Sequence[MeasuredRow]) -> None:
    """Draw the time of a query over the size of the gallery, a line a way."""
    names = {name: None for row in rows for name in row.milliseconds if name != "before"}
    for name in names:
        points = [(row.size["items"], row.milliseconds[name]) for row in rows if name in row.milliseconds]
        is_limit = any(one.way == name and one.role == "limit" for one in rows[0].beside)
        colour, line = ("black", "--") if is_limit else (None, "-")
        width = 2.5 if name == OURS else 1.2
        axes.plot(*zip(*points, strict=True), marker=".", label=name, color=colour, linestyle=line, linewidth=width)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("items in the gallery")
    axes.set_ylabel("ms of processor time a query")
    axes.grid(which="major", alpha=0.3)
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)


def by_clips(axes: Axes, rows: Sequence[MeasuredRow]) -> None:
    """Draw the processor time of stages over the number of clips: what is paid once, and the slope of a clip more."""
    for number, row in enumerate(rows):
        for way, line in ((OURS, "-"), ("before", ":")):
            points = sorted(row.points.get(way, {}).items())
            if points:
                counts, milliseconds = zip(*points, strict=True)
                name = row.name.rpartition(" ")[2]
                label, seconds = f"stage {name}", [one / 1e3 for one in milliseconds]
                label += "" if way == OURS else ", before"
                axes.plot(counts, seconds, line, marker="o", color=f"C{number}", label=label)
    axes.set_xlabel("clips of 1.2 s")
    axes.set_ylabel("s of processor time")
    axes.set_xlim(0)
    axes.set_ylim(0)
    axes.grid(alpha=0.3)
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)


def _write(path: Path, figure: Figure) -> None:
    """The file, without the date."""
    drawn = io.StringIO()
    figure.savefig(drawn, format="svg", metadata={"Date": None, "Creator": None})
    lines = [line.rstrip() for line in drawn.getvalue().splitlines()]
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, ("\n".join(lines) + "\n").encode())
