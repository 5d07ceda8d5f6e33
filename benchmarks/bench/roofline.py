"""The roofline: the speed of each way whose operations and bytes are known, under what one core can do at most."""

from typing import NamedTuple, get_args

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import NullFormatter

from benchmarks.bench.results import MeasuredRow, Measurement, Roof
from benchmarks.bench.turns import BEFORE
from benchmarks.bench.ways import Precision

ROWS = {  # whose points are shown, by their short names
    "inception": "Inception-v3",
    "vggish": "VGGish",
    "epoch": "training step",
    "cca": "CCA",
    "map 28000": "cosines of 28,000 items",
    "map 100000": "cosines of 100,000 items",
}
INTENSITIES = (0.5, 1000)  # operations a byte, the ends of the axis
MARKERS = {"ours": "o", "straightforward": "s"}
OTHER_MARKER = "^"


class Point(NamedTuple):
    """A way under the roof.

    Attributes:
        label: the row's short name, and the way where the row has several.
        row: the row's name.
        way: the way's.
        intensity: operations for each byte that is moved if nothing stays in a cache.
        gflops: 10^9 operations a second.
        roof: what the core could reach at this intensity, likewise.
        precision: of its numbers.
    """

    label: str
    row: str
    way: str
    intensity: float
    gflops: float
    roof: float
    precision: Precision


def points(measurement: Measurement) -> list[Point]:
    """Return the points of a measurement; none where its roof was not measured."""
    roof, rows = measurement.roof, {row.name: row for row in measurement.rows}
    if roof is None:
        return []
    shown = [(rows[name], way) for name in ROWS if name in rows for way in rows[name].work if way != BEFORE]
    return [_point(row, way, roof) for row, way in shown]


def limit_at(intensity: float, precision: Precision, roof: Roof) -> float:
    """Return the 10^9 operations a second that a core could reach: as many as it can compute, or has the numbers for.

    Args:
        intensity: operations for each byte.
        precision: of the numbers.
        roof: as it was measured; the best of it counts.
    """
    peak = roof.float32 if precision == "float32" else roof.float64
    return min(peak.highest, intensity * roof.triad.highest)


def draw(axes: Axes, measurement: Measurement) -> None:
    """Draw the points of a measurement, which has some, and the roofs of both precisions."""
    found, roof = points(measurement), measurement.roof
    assert roof is not None  # for mypy: no points without it
    ends = np.geomspace(*INTENSITIES, 200)
    for precision, line in zip(get_args(Precision), ("-", "--"), strict=True):
        heights = [limit_at(place, precision, roof) for place in ends]
        axes.plot(ends, heights, line, color="black", linewidth=1.2, label=f"roof, {precision}")
    colours = {row: f"C{number}" for number, row in enumerate(ROWS)}
    for point in found:
        axes.plot(
            point.intensity, point.gflops, MARKERS.get(point.way, OTHER_MARKER), color=colours[point.row],
            fillstyle="full" if point.way == "ours" else "none", linestyle="none", label=point.label,
        )  # fmt: skip
    axes.set_xscale("log")
    axes.set_yscale("log")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter("{x:g}")
        axis.set_minor_formatter(NullFormatter())
    axes.set_xlim(*INTENSITIES)
    axes.set_ylim(5, 2 * roof.float32.highest)
    axes.set_yticks([5, 10, 20, 50, 100])
    axes.set_xlabel("operations a byte")
    axes.set_ylabel("10^9 operations a second of one core")
    axes.grid(which="both", alpha=0.2)
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)


def _point(row: MeasuredRow, way: str, roof: Roof) -> Point:
    """The point of a way that has counted its work."""
    work = row.work[way]
    intensity = work.operations / work.n_bytes
    gflops = work.operations / row.milliseconds[way] / 1e6
    label = ROWS[row.name] if set(row.work) <= {way, BEFORE} else f"{ROWS[row.name]}, {way}"
    return Point(label, row.name, way, intensity, gflops, limit_at(intensity, work.precision, roof), work.precision)
