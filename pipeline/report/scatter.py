"""The plane of a model's common space as points of a picture of SVG."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

WIDTH, HEIGHT, MARGIN = 640, 460, 14  # of the picture, in its own units
HALVES = {"audio": "sound", "visual": "video"}  # by the word of the columns
N_CLIPS = 500  # that are drawn; of more every so many
N_COLOURS = 10  # of classes that have one of their own, the largest ones; all others share a grey


class PlacedHalf(NamedTuple):
    """The sound or the video of a clip in the picture.

    Attributes:
        x: from the left.
        y: from the top.
        half: ``sound`` or ``video``, which have marks of their own.
        colour: number of its class among those with a colour; None: it has none.
        label: its class.
        clip_id: the clip.
    """

    x: float
    y: float
    half: str
    colour: int | None
    label: str
    clip_id: str


class Scatter(NamedTuple):
    """A picture of points.

    Attributes:
        points: the marks.
        classes: those that have a colour, in the order of the colours.
        n_others: how many classes have none.
        n_clips: how many clips there are, drawn or not.
        fractions: of the variance along both axes.
    """

    points: Sequence[PlacedHalf]
    classes: Sequence[str]
    n_others: int
    n_clips: int
    fractions: tuple[float, float]


def scatter(rows: Sequence[Mapping[str, str]], fractions: tuple[float, float]) -> Scatter:
    """Return the picture of a table ``plots/plane/NAME.csv``.

    Args:
        rows: of the table.
        fractions: of the variance along both axes.
    """
    sizes = Counter(row["class"] for row in rows)
    coloured = sorted(sorted(sizes, key=lambda name: (-sizes[name], name))[:N_COLOURS])
    colours = {label: number for number, label in enumerate(coloured)}
    drawn = rows[:: max(1, -(-len(rows) // N_CLIPS))]
    places = np.array([[[float(row[f"{half}_{axis}"]) for axis in "xy"] for half in HALVES] for row in drawn])
    points = [
        PlacedHalf(x, y, word, colours.get(row["class"]), row["class"], row["clip_id"])
        for row, of_clip in zip(drawn, _in_picture(places.reshape(-1, len(HALVES), 2)).tolist(), strict=True)
        for word, (x, y) in zip(HALVES.values(), of_clip, strict=True)
    ]
    return Scatter(points, coloured, len(sizes) - len(coloured), len(rows), fractions)


def _in_picture(places: NDArray[np.float64]) -> NDArray[np.float64]:
    """Places (n_clips, 2, 2) in the units of the picture, with one scale for both axes."""
    low, high = (places.min((0, 1)), places.max((0, 1))) if places.size else (np.zeros(2), np.zeros(2))
    size = np.array([WIDTH, HEIGHT])
    scale = ((size - 2 * MARGIN) / np.maximum(high - low, 1e-9)).min()
    return np.asarray(((places - (low + high) / 2) * scale * (1, -1) + size / 2).round(1))
