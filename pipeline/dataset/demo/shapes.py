"""The moving shapes of the demo: ten kinds of motif, each a picture of where it covers the place behind it.

A motif takes a generator, the plane's coordinates x (to the right) and y (down), each (n, H, W) with the picture about
[-1, 1], and the seconds (n, 1, 1); it returns the coverage (n, H, W) in [0, 1]. All of them are float64.
"""

from collections.abc import Callable
from math import pi, tau
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.dataset.demo.draws import Draws

Plane = NDArray[np.floating[Any]]
Shape = Callable[[Draws, Plane, Plane, Plane], Plane]

SOFTNESS = 0.035
TABLE_SIZE = 32


def _inside(distance: Plane, softness: float = SOFTNESS) -> Plane:
    """1 where the distance is positive, 0 where it is negative, a soft edge between."""
    cover: Plane = np.clip(0.5 + distance / softness, 0, 1)
    return cover


def _radius(x: Plane, y: Plane) -> Plane:
    """Distance from the origin; several times as fast as ``np.hypot``, which guards against overflow."""
    radius: Plane = np.sqrt(x * x + y * y)
    return radius


def _tiles(rng: Draws, x: Plane, y: Plane, cell: float, presence: float) -> tuple[Plane, Plane, NDArray[np.bool_]]:
    """The plane cut in cells: coordinates about each cell's own centre, in cells, and whether it is taken."""
    columns, rows = np.floor(x / cell), np.floor(y / cell)
    index = columns.astype(np.int32) % TABLE_SIZE, rows.astype(np.int32) % TABLE_SIZE
    shifts = rng.uniform(0.35, 0.65, (2, TABLE_SIZE, TABLE_SIZE))
    taken = rng.random((TABLE_SIZE, TABLE_SIZE)) < presence
    return x / cell - columns - shifts[0][index], y / cell - rows - shifts[1][index], taken[index]


def _turned(x: Plane, y: Plane, angle: Plane | float) -> tuple[Plane, Plane]:
    """The coordinates in axes turned by an angle in radians."""
    cosine, sine = np.cos(angle), np.sin(angle)
    return x * cosine + y * sine, y * cosine - x * sine


def _centres(rng: Draws, n_most: int, spread: float) -> tuple[list[tuple[float, float]], float]:
    """One to ``n_most`` places around a ring, and the size that lets the things at them stand apart."""
    n_things = int(rng.integers(1, n_most + 1))
    first = rng.uniform(0, tau)
    angles = [first + tau * k / n_things for k in range(n_things)]
    radius = spread if n_things > 1 else rng.uniform(0, 0.3)
    return [(radius * float(np.cos(a)), radius * float(np.sin(a))) for a in angles], 1 / n_things**0.5


def _bells(rng: Draws, x: Plane, y: Plane, seconds: Plane) -> Plane:
    swing = rng.uniform(0.3, 0.7) * np.sin(tau * rng.named_uniform("tempo", 0.5, 1.4) * seconds + rng.uniform(0, tau))
    centres, size = _centres(rng, 3, 0.5)
    flare = rng.uniform(0, 1)
    cover = np.full_like(x, -1)
    for centre_x, centre_y in centres:
        u, v = _turned((x - centre_x) / size, (y - centre_y) / size + 0.5, swing)
        width = 0.22 + 0.38 * v * v * (1 - flare + flare * v)
        body = np.minimum(width - np.abs(u), np.minimum(v, 1 - v))
        clapper, knob = 0.13 - _radius(u + 0.3 * swing, v - 1.08), 0.1 - _radius(u, v + 0.05)
        cover = np.maximum(cover, np.maximum(body, np.maximum(clapper, knob)))
    return _inside(cover)


def _birds(rng: Draws, x: Plane, y: Plane, seconds: Plane) -> Plane:
    drift = rng.uniform(-0.6, 0.6, 2).tolist()
    u, v, taken = _tiles(rng, x + drift[0] * seconds, y + drift[1] * seconds, rng.uniform(0.35, 0.6), 0.7)
    flap = 0.45 + 0.5 * np.sin(tau * rng.named_uniform("tempo", 1.5, 4) * seconds)
    span = rng.uniform(0.28, 0.36)
    wing = rng.uniform(0.045, 0.08) - np.abs(v - 0.1 + 2 * flap * (np.abs(u) - 2 * u * u))
    return np.where(taken, _inside(np.minimum(wing, span - np.abs(u)), 0.06), 0)


def _clock(rng: Draws, x: Plane, y: Plane, seconds: Plane) -> Plane:
    radius, angle = _radius(x, y), np.arctan2(y, x)
    size, n_marks = rng.uniform(0.6, 0.9), 4 * int(rng.integers(1, 4))
    ring = rng.uniform(0.04, 0.09) - np.abs(radius - size)
    along = (angle * n_marks / tau + 0.5) % 1 - 0.5
    marks = np.minimum(0.04 - np.abs(along) * radius * tau / n_marks, 0.09 - np.abs(radius - 0.8 * size))
    cover = np.maximum(ring, marks)
    ticks = np.floor(seconds * rng.named_uniform("tempo", 2, 6))
    for reach, turn in ((0.7, 6), (0.45, 1)):
        u, v = _turned(x, y, ticks * (turn * pi / 30) + rng.uniform(0, tau))
        cover = np.maximum(cover, np.minimum(0.045 - np.abs(v), np.minimum(u + 0.1, reach * size - u)))
    return _inside(cover)


def _drums(rng: Draws, x: Plane, y: Plane, seconds: Plane) -> Plane:
    centres, size = _centres(rng, 4, 0.55)
    rate_hz, beats = rng.named_uniform("tempo", 2, 5), rng.uniform(0, 1, len(centres)).tolist()
    cover = np.zeros_like(x)
    for (centre_x, centre_y), beat in zip(centres, beats, strict=True):
        hit = np.exp(-4 * ((seconds * rate_hz + beat) % 1))
        radius = _radius(x - centre_x, y - centre_y) / size
        skin = _inside(0.5 + 0.06 * hit - radius) * (1 - 0.35 * hit)
        rim = _inside(0.045 - np.abs(radius - 0.62 - 0.06 * hit))
        cover = np.maximum(cover, np.maximum(skin, rim))
    return cover


def _engine(rng: Draws, x: Plane, y: Plane, seconds: Plane) -> Plane:
    n_teeth, speed = int(rng.integers(8, 15)), rng.named_uniform("tempo", 1, 4) * float(rng.choice([-1, 1]))
    size, reach = rng.uniform(0.4, 0.55), 0.12
    cover = np.full_like(x, -1)
    for side in (-1, 1):
        u, v = x - side * (size + reach / 2), y
        radius, angle = _radius(u, v), np.arctan2(v, u) - side * speed * seconds
        teeth = np.clip(3 * np.sin(n_teeth * angle), -1, 1) * reach / 2
        spokes = np.maximum(0.07 - np.abs(np.sin(1.5 * angle)) * radius, 0.5 * size - np.abs(radius - 0.1))
        holes = np.minimum(np.minimum(radius - 0.3 * size, 0.72 * size - radius), -spokes + 0.1)
        cover = np.maximum(cover, np.minimum(size + teeth - radius, -holes))
    return _inside(cover)


def _fire(rng: Draws, x: Plane, y: Plane, seconds: Plane) -> Plane:
    top = np.full_like(x, rng.uniform(0.4, 0.9))
    for frequency in (1.5, 3, 6, 11):
        rate, phase = rng.uniform(2, 6) * float(rng.choice([-1, 1])), rng.uniform(0, tau)
        tongue = np.abs(np.sin(frequency * x + rate * seconds + phase + 0.6 * np.sin(4 * y + 5 * seconds)))
        top -= rng.uniform(0.4, 0.7) / frequency**0.7 * tongue
    u, v, taken = _tiles(rng, x + 0.1 * np.sin(6 * y), y + rng.named_uniform("tempo", 0.6, 1.4) * seconds, 0.3, 0.35)
    sparks = np.where(taken, _inside(0.1 - _radius(u, v), 0.08), 0) * _inside(y - top + 0.6)
    return np.maximum(_inside(y - top, 0.3), sparks)


def _guitar(rng: Draws, x: Plane, y: Plane, seconds: Plane) -> Plane:
    n_strings, gap = int(rng.integers(4, 8)), rng.uniform(0.15, 0.24)
    decay = np.exp(-2 * (seconds * rng.named_uniform("tempo", 0.8, 2) % 1))
    pluck = 0.4 * gap * decay * np.sin(tau * rng.uniform(3, 4.9) * seconds)
    bow = pluck * np.cos(np.clip(x, -1.3, 1.3) * pi / 2.6)
    row = np.clip(np.round(y / gap), -(n_strings // 2), (n_strings - 1) // 2)
    strings = _inside(rng.uniform(0.02, 0.035) - np.abs(y - row * gap - bow * np.cos(2.3 * row)))
    hole = _inside(0.07 - np.abs(_radius(x - rng.uniform(-0.5, 0.5), y) - rng.uniform(0.45, 0.65)))
    cover: Plane = np.maximum(strings, 0.8 * hole)
    return cover


def _rain(rng: Draws, x: Plane, y: Plane, seconds: Plane) -> Plane:
    slant, stretch = rng.uniform(-0.3, 0.3), rng.uniform(2.5, 5)
    u, v, taken = _tiles(
        rng, stretch * (x + slant * y), y - rng.named_uniform("tempo", 1.5, 3.5) * seconds, rng.uniform(0.22, 0.45), 0.6
    )
    drops = np.minimum(0.2 - np.abs(u) * (1 + 0.5 * v), 0.33 - np.abs(v))
    return np.where(taken, _inside(drops, 0.15), 0)


def _siren(rng: Draws, x: Plane, y: Plane, seconds: Plane) -> Plane:
    n_beams, speed = int(rng.integers(2, 5)), rng.named_uniform("tempo", 1.5, 5) * float(rng.choice([-1, 1]))
    centre_x, centre_y = rng.uniform(-0.5, 0.5, 2).tolist()
    u, v = x - centre_x, y - centre_y
    radius = _radius(u, v)
    beams = _inside(np.cos(n_beams * (np.arctan2(v, u) - speed * seconds)) - rng.uniform(0, 0.4), 0.5)
    glow = np.clip(1.15 - 0.45 * radius, 0, 0.9)
    lamp = _inside(rng.uniform(0.15, 0.3) - radius)
    cover: Plane = np.maximum(beams * glow, lamp)
    return cover


def _waves(rng: Draws, x: Plane, y: Plane, seconds: Plane) -> Plane:
    pitch, height = rng.uniform(0.22, 0.4), rng.uniform(0.05, 0.11)
    length, speed = rng.uniform(3, 6), rng.named_uniform("tempo", 1, 4) * float(rng.choice([-1, 1]))
    crest = height * np.sin(length * x + speed * seconds) + 0.4 * height * np.sin(2.3 * length * x - 2 * seconds)
    depth = (y + crest + 0.1 * np.sin(2 * seconds)) / pitch
    ripple = 1 - depth % 1
    return _inside(depth + 2.5, 0.2) * (0.25 + 0.75 * ripple * np.sqrt(ripple))


SHAPES: dict[str, Shape] = {
    "bells": _bells,
    "birds": _birds,
    "clock": _clock,
    "drums": _drums,
    "engine": _engine,
    "fire": _fire,
    "guitar": _guitar,
    "rain": _rain,
    "siren": _siren,
    "waves": _waves,
}
