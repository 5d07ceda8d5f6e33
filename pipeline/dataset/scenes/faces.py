"""The faces of the demo of talkers: heads that drift in changing light, with mouths that move."""

from colorsys import hsv_to_rgb
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.dataset.scenes.people import Person

MOUTH_CENTRE = (0.0, 0.44)  # in coordinates from -1 to 1: where a film of the mouth is cut
SOFTNESS = 0.04
MOUTH_COLOUR = (0.12, 0.02, 0.04)

Raster = NDArray[np.floating[Any]]


def make_faces(
    opening: Raster, spread: Raster, person: Person, size: int, difficulty: float, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Return the pictures (n, size, size, 3) uint8 of a person whose mouth moves.

    Args:
        opening: (n,) in [0, 1], of each picture.
        spread: (n,) in [0, 1].
        person: whose face it is.
        size: width and height in pixels.
        difficulty: in [0, 1]; raises the drift of the head, the changes of light and the noise.
        rng: where every draw comes from.
    """
    n = len(opening)
    axis = (np.arange(size) + 0.5) / size * 2 - 1
    drift = _drift(n, 0.01 + 0.03 * difficulty, rng)
    x = axis[None, None, :] - drift[0][:, None, None]  # (n, 1, size)
    y = axis[None, :, None] - drift[1][:, None, None]  # (n, size, 1)
    pictures = np.empty((3, n, size, size), np.float32)
    pictures[:] = rng.uniform(0.2, 0.9, (3, 1, 1, 1))
    head = _ellipse(x, y - 0.05, person.breadth, 0.85)
    _paint(pictures, head, hsv_to_rgb(person.hue, 0.45, person.lightness))
    _paint(pictures, head * _above(y, -0.45), person.hair)
    for side in (-1, 1):
        _paint(pictures, _ellipse(x - 0.32 * side, y + 0.12, 0.10, 0.06), (0.1, 0.1, 0.12))
    _paint_mouth(pictures, x - MOUTH_CENTRE[0], y - MOUTH_CENTRE[1], opening, spread, person)
    light = 1 + 0.15 * difficulty * np.sin(np.arange(n) * rng.uniform(0.02, 0.1) + rng.uniform(0, 6.28))
    pictures *= light[:, None, None].astype(np.float32)
    pictures += (0.01 + 0.03 * difficulty) * rng.standard_normal((n, size, size), np.float32)
    return np.ascontiguousarray(np.moveaxis(np.clip(255 * pictures + 0.5, 0, 255).astype(np.uint8), 0, -1))


def _paint_mouth(pictures: Raster, x: Raster, y: Raster, opening: Raster, spread: Raster, person: Person) -> None:
    """Lips around a dark opening; coordinates are about the mouth's centre."""
    half_width = (0.13 + 0.12 * spread)[:, None, None]
    half_height = (0.012 + 0.16 * opening)[:, None, None]
    _paint(pictures, _ellipse(x, y, half_width + 0.05, half_height + 0.06), person.lips)
    _paint(pictures, _ellipse(x, y, half_width, half_height), MOUTH_COLOUR)


def _ellipse(x: Raster, y: Raster, half_width: Raster | float, half_height: Raster | float) -> Raster:
    """Coverage (n, size, size) in [0, 1] of an ellipse about the origin, with a soft edge."""
    radius = np.sqrt((x / half_width) ** 2 + (y / half_height) ** 2)
    cover: Raster = np.clip(0.5 + (1 - radius) * np.minimum(half_width, half_height) / SOFTNESS, 0, 1)
    return cover


def _above(y: Raster, line: float) -> Raster:
    """1 above a line, 0 below it."""
    cover: Raster = np.clip(0.5 + (line - y) / SOFTNESS, 0, 1)
    return cover


def _paint(pictures: Raster, cover: Raster, colour: tuple[float, float, float]) -> None:
    """Lay a colour over the pictures (3, n, size, size) in place."""
    cover = cover.astype(np.float32)
    for channel, level in zip(pictures, colour, strict=True):
        channel += cover * (np.float32(level) - channel)


def _drift(n: int, amount: float, rng: np.random.Generator) -> Raster:
    """Where a head is, (2, n): slow waves."""
    time = np.arange(n)
    waves = [np.sin(time * rng.uniform(0.02, 0.12) + rng.uniform(0, 6.28)) for _ in range(4)]
    return amount * np.stack([waves[0] + 0.5 * waves[1], waves[2] + 0.5 * waves[3]])
