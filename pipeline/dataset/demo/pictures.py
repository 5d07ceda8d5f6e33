"""The pictures of the demo: a place, a far thing of another kind, and the event's motif in front of them."""

from colorsys import hsv_to_rgb
from math import tau

import numpy as np
from numpy.typing import NDArray

from pipeline.dataset.demo.draws import Draws
from pipeline.dataset.demo.shapes import SHAPES, Plane

HUES = dict(zip(SHAPES, (0.14, 0.62, 0.33, 0.02, 0.75, 0.06, 0.10, 0.55, 0.93, 0.46), strict=True))
FADE_SECONDS = 0.2
SHADOW_STRENGTH = 0.4


def make_pictures(
    label: str,
    seconds: NDArray[np.float64],
    size: int,
    event: tuple[float, float],
    difficulty: float,
    rng: Draws,
) -> NDArray[np.uint8]:
    """Return the pictures of one clip.

    Args:
        label: a key of ``SHAPES``.
        seconds: (n,) when each picture is shown.
        size: width and height in pixels.
        event: start and end of the event, in seconds; the motif is seen between them only.
        difficulty: in [0, 1]; raises the far thing, the spread of hues and poses, and lowers the contrast.
        rng: where every draw of these pictures comes from.

    Returns:
        (n, size, size, 3) uint8 RGB.
    """
    time = seconds[:, None, None]
    dark = rng.named_uniform("light", 0, 1) < 0.5
    pictures = np.repeat(_place(rng, size, dark)[:, None], len(seconds), axis=1)
    far = str(rng.choice([other for other in SHAPES if other != label]))
    far_opacity = 0.7 * difficulty * rng.uniform(0.2, 1)
    far_cover = far_opacity * _motif(rng.apart(), far, time, size, difficulty)
    _paint(pictures, far_cover, *_colours(rng, far, dark, difficulty))
    shown = slice(*np.searchsorted(seconds, event))
    time = time[shown]
    fade = np.clip(np.minimum(time - event[0], event[1] - time) / FADE_SECONDS, 0, 1)
    opacity = fade * (1 - difficulty * rng.named_uniform("faintness", 0, 0.4))
    cover = opacity * _motif(rng, label, time, size, difficulty)
    _paint(pictures[:, shown], cover, *_colours(rng, label, dark, difficulty))
    pictures = np.clip(255 * pictures + 0.5, 0, 255).astype(np.uint8)
    return np.ascontiguousarray(np.moveaxis(pictures, 0, -1))


def _place(rng: Draws, size: int, dark: bool) -> Plane:
    """A still backdrop (3, size, size): two muted colours that run into each other in clouds of some size."""
    x, y = _axes(size)
    blend = 0.5 + 0.25 * (rng.uniform(-1, 1) * x + rng.uniform(-1, 1) * y)
    grain = rng.uniform(1, 8)
    for _ in range(6):
        across, down = rng.normal(0, grain, 2).tolist()
        blend = blend + rng.uniform(0.03, 0.13) * np.sin(across * x + down * y + rng.uniform(0, tau))
    brightness = (0.08, 0.4) if dark else (0.65, 0.97)
    first, second = (_colour(rng.random(), rng.uniform(0.1, 0.4), rng.uniform(*brightness)) for _ in range(2))
    return first + np.clip(blend, 0, 1).astype(np.float32) * (second - first)


def _axes(size: int) -> tuple[Plane, Plane]:
    """Coordinates (1, size) and (size, 1) from -1 to 1."""
    axis = np.linspace(-1, 1, size)
    return axis[None, :], axis[:, None]


def _motif(rng: Draws, label: str, time: Plane, size: int, difficulty: float) -> Plane:
    """Coverage (n, size, size) of a motif seen by a camera at a random place, that drifts."""
    spread = 0.4 + 0.8 * difficulty
    angle, zoom = rng.normal(0, 0.2 * spread), float(np.exp(rng.named_normal("size", 0.25 * spread)))
    from_x, from_y, speed_x, speed_y = (spread * rng.normal(0, [0.2, 0.2, 0.05, 0.05])).tolist()
    x, y = (axis / zoom for axis in _axes(size))
    u = np.cos(angle) * x + np.sin(angle) * y + from_x + speed_x * time
    v = np.cos(angle) * y - np.sin(angle) * x + from_y + speed_y * time
    return SHAPES[label](rng, u, v, time)


def _colours(rng: Draws, label: str, dark: bool, difficulty: float) -> tuple[Plane, Plane]:
    """Two colours of one family that stand out from the place."""
    hue = HUES[label] + rng.normal(0, 0.02 + 0.12 * difficulty)
    brightness = (0.75, 1.0) if dark else (0.25, 0.6)
    near, far = rng.uniform(-0.08, 0.08, 2)
    return (
        _colour(hue + near, rng.uniform(0.45, 0.95), rng.uniform(*brightness)),
        _colour(hue + far, rng.uniform(0.45, 0.95), rng.uniform(*brightness)),
    )


def _colour(hue: float, saturation: float, brightness: float) -> Plane:
    """RGB (3, 1, 1)."""
    return np.array(hsv_to_rgb(hue % 1, saturation, brightness), np.float32)[:, None, None]


def _paint(pictures: Plane, cover: Plane, top: Plane, bottom: Plane) -> None:
    """Lay a coverage (n, size, size) on the pictures (3, n, size, size) in place, with a soft shadow below it."""
    size, cover = cover.shape[-1], cover.astype(np.float32)
    offset = size // 40
    shadow = 1 - SHADOW_STRENGTH * cover[:, : size - offset, : size - offset]
    down = np.linspace(0, 1, size, dtype=np.float32)[:, None]
    ink = top + (bottom - top) * down  # (3, size, 1)
    for channel, colour in zip(pictures, ink, strict=True):
        channel[:, offset:, offset:] *= shadow
        channel += cover * (colour - channel)
