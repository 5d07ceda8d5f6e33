"""The pictures of the report, as SVG to stand within a page; equal numbers give equal bytes."""

import io
import re
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure

Points = Sequence[tuple[float, float]]

# Okabe & Ito (2008): the colour-blind tell them apart too, and no two lines share a marker
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#000000")
MARKERS = ("o", "s", "^", "D", "v")
OTHERS = "#a6c8e0"  # bars
CHANCE: dict[str, Any] = {"color": "#555555", "linestyle": "--", "linewidth": 1.2}
WIDTH_INCHES = 4.4
STYLE: dict[str, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "report",
    "font.family": "DejaVu Sans",
    "text.parse_math": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
}
DRAWN: list[str | dict[str, Any]] = ["default", STYLE]  # a user's matplotlibrc has no say
NO_METADATA = dict.fromkeys(("Date", "Creator", "Format", "Type"))


@style.context(DRAWN)
def bars(
    maps: Mapping[str, float], margins: Mapping[str, float], first: str, chance: float, metric: str = "MAP"
) -> str:
    """Return a bar a model, in the order given from the top, with whiskers and the line of chance.

    Args:
        maps: by model.
        margins: half the width of the interval, of the models that have one.
        first: the model whose bar is darker.
        chance: the MAP of rankings that know nothing.
        metric: what is shown in place of the MAP.
    """
    figure, axes = _figure(0.9 + 0.3 * len(maps))
    axes.barh(range(len(maps)), list(maps.values()), 0.7, color=[COLOURS[0] if n == first else OTHERS for n in maps])
    for place, (name, value) in enumerate(maps.items()):
        margin = margins.get(name, 0.0)
        if margin:
            axes.errorbar(value, place, xerr=margin, color="black", capsize=3, linewidth=1.2)
        end = (value + margin, place)
        axes.annotate(f"{value:.3f}", end, (5, 0), textcoords="offset points", va="center", size="small")
    axes.set_yticks(range(len(maps)), list(maps))
    longest = max(chance, *(value + margins.get(name, 0.0) for name, value in maps.items()))
    axes.set(xlim=(0, 1.2 * longest), ylim=(len(maps) - 0.4, -0.6), xlabel=f"{metric}, average of both directions")
    axes.axvline(chance, label=f"chance {chance:.3f}", **CHANCE)
    return _svg("bars", figure)


@style.context(DRAWN)
def curves(name: str, of_models: Mapping[str, Points], x: str, top: float, level: float, word: str) -> str:
    """Return a line a model of precision against x.

    Args:
        name: of the picture, which no other one of the page has.
        of_models: the points (x, precision) by model; as many models as there are colours at most.
        x: what the axis says; on a logarithmic scale where it goes beyond 1.
        top: the highest precision that the picture has to hold.
        level: the precision that every model is compared with.
        word: what that line is called.
    """
    figure, axes = _figure(3.4)
    for (model, points), colour, marker in zip(of_models.items(), COLOURS, MARKERS, strict=False):
        axes.plot(*zip(*points, strict=True), color=colour, marker=marker, markersize=5, label=model)
    axes.axhline(level, label=f"{word} {level:.3f}", **CHANCE)
    axes.set(ylim=(0, 1.05 * top), xlabel=x, ylabel="precision")
    places = sorted({place for points in of_models.values() for place, _ in points})
    if places[-1] > 1:
        axes.set_xscale("log")
        axes.minorticks_off()
        axes.set_xticks(places, [f"{place:g}" for place in places])
    axes.grid(alpha=0.3)
    return _svg(name, figure)


@style.context(DRAWN)
def training(name: str, of_models: Mapping[str, Mapping[str, Points]], y: str) -> str:
    """Return a line a seed of a value against the epoch, in the colour of its model.

    Args:
        name: of the picture, which no other one of the page has.
        of_models: by model and seed the points (epoch, value); as many models as there are colours at most.
        y: what the axis says.
    """
    figure, axes = _figure(3.4)
    for (model, of_seeds), colour in zip(of_models.items(), COLOURS, strict=False):
        for number, points in enumerate(of_seeds.values()):
            label = model if number == 0 else None
            axes.plot(*zip(*points, strict=True), color=colour, linewidth=1.2, alpha=0.8, label=label)
    axes.set(xlabel="epoch", ylabel=y)
    axes.grid(alpha=0.3)
    return _svg(name, figure)


def _figure(height_inches: float) -> tuple[Figure, Axes]:
    """What a picture is drawn in."""
    figure = Figure((WIDTH_INCHES, height_inches), layout="constrained")
    return figure, figure.subplots()


def _svg(name: str, figure: Figure) -> str:
    """The picture as an element of HTML: no prologue, no address, and ids that are the page's only ones."""
    file = io.StringIO()
    figure.legend(loc="outside upper left", ncols=2, frameon=False)
    figure.savefig(file, format="svg", metadata=NO_METADATA)
    text = file.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r'<svg .*?(viewBox="[^"]*").*?>', r"<svg \1>", text, count=1)
    text = re.sub(r"<style.*?</style>", "", text)
    return re.sub(r'( id="|url\(#|href="#)', rf"\1{name}-", text.replace("xlink:href", "href"))
