"""The pictures of the demo of players: a body whose look follows the class, an arm that moves with the sound.

On the other side something silent moves as much, and as brightly: motion alone does not say where the sound is.
"""

from colorsys import hsv_to_rgb
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

SOFTNESS = 0.06
CENTRE_X, CENTRE_Y = 0.5, 0.1  # of a body, to the left or to the right, in coordinates from -1 to 1
ARM_LENGTH, ARM_WIDTH = 0.5, 0.08
REST_ANGLE, SWING = 0.5, 2.1  # radians over the horizontal, of a silent and by the loudest note
NOD = 0.12  # how far a body rises with the loudest note
DISTRACTOR_SWING = 1.3  # how much more the silent one moves, as a grey body stands out less

Canvas = NDArray[np.floating[Any]]


class PictureBox(NamedTuple):
    """A rectangle as fractions of the picture's width and height, from the upper left corner."""

    x: float
    y: float
    width: float
    height: float


class Body(NamedTuple):
    """What a player looks like.

    Attributes:
        breadth, height: half of its width and of its height.
        corners: 2 of an ellipse, higher ones of what is nearly a rectangle.
        colour: red, green and blue in [0, 1].
    """

    breadth: float
    height: float
    corners: float
    colour: tuple[float, float, float]


class Scene(NamedTuple):
    """Pictures (n, size, size, 3) uint8, and where in them the one is that sounds."""

    pictures: NDArray[np.uint8]
    box: PictureBox


def make_body(number: int, n_classes: int, difficulty: float, rng: np.random.Generator) -> Body:
    """Return the look of a player of a class: its colour and its shape, with noise.

    Args:
        number: of the class.
        n_classes: how many there are.
        difficulty: in [0, 1]; raises the noise of colour and shape.
        rng: where every draw comes from.
    """
    noise = rng.normal(0, 0.1 * difficulty, 3)
    hue = (number + noise[0] * 2) / n_classes % 1
    slender = 0.7 if number % 2 else 1.0
    return Body(
        breadth=0.32 * slender * (1 + noise[1]),
        height=0.40 / slender * (1 + noise[2]),
        corners=(2.0, 8.0, 1.2)[number % 3],
        colour=hsv_to_rgb(hue, 0.75, float(rng.uniform(0.6, 0.9))),
    )


def make_bystander(rng: np.random.Generator) -> Body:
    """Return the look of what makes no sound, in no class's colour."""
    grey = float(rng.uniform(0.35, 0.75))
    return Body(float(rng.uniform(0.22, 0.33)), float(rng.uniform(0.4, 0.55)), float(rng.uniform(1.2, 6)), (grey,) * 3)


def make_scene(
    bodies: tuple[Body, Body], loudness: tuple[Canvas, Canvas], size: int, difficulty: float, rng: np.random.Generator
) -> Scene:
    """Return the pictures of the player that sounds and the silent bystander, on sides that are drawn.

    Args:
        bodies: the player, and the bystander.
        loudness: (n,) in [0, 1] of each picture, that moves either of them.
        size: width and height in pixels.
        difficulty: in [0, 1]; raises the drift of both, the changes of light and the noise.
        rng: where every draw comes from.
    """
    n = len(loudness[0])
    axis = (np.arange(size) + 0.5) / size * 2 - 1
    pictures = np.empty((3, n, size, size), np.float32)
    pictures[:] = rng.uniform(0.1, 0.4, (3, 1, 1, 1))
    side = 1 if rng.random() < 0.5 else -1
    covers = []
    for body, moved, where, swing in zip(bodies, loudness, (side, -side), (1.0, DISTRACTOR_SWING), strict=True):
        drift = _drift(n, 0.01 + 0.02 * difficulty, rng)
        x = axis[None, None, :] - where * CENTRE_X - drift[0][:, None, None]
        y = axis[None, :, None] - CENTRE_Y - drift[1][:, None, None]
        arm_colour = tuple(rng.uniform(0.8, 1.0, 3).tolist())
        covers.append(_paint_player(pictures, body, where * x, y, swing * moved, arm_colour))
    light = 1 + 0.1 * difficulty * np.sin(np.arange(n) * rng.uniform(0.05, 0.3) + rng.uniform(0, 6.28))
    pictures *= light[:, None, None].astype(np.float32)
    pictures += (0.01 + 0.03 * difficulty) * rng.standard_normal((n, size, size), np.float32)
    as_bytes = np.clip(255 * pictures + 0.5, 0, 255).astype(np.uint8)
    return Scene(np.ascontiguousarray(np.moveaxis(as_bytes, 0, -1)), _box_of(covers[0]))


def _paint_player(
    pictures: Canvas, body: Body, x: Canvas, y: Canvas, moved: Canvas, arm_colour: tuple[float, ...]
) -> Canvas:
    """Paint a body that nods and its arm; what they cover, (n, size, size). The arm is at the side of rising x."""
    y = y + NOD * moved[:, None, None]
    cover = _rounded(x, y, body)
    _paint(pictures, cover, body.colour)
    angle = REST_ANGLE - SWING * moved + np.pi / 4
    arm = _bar(x, y + 0.4 * body.height, ARM_LENGTH * np.cos(angle), ARM_LENGTH * np.sin(angle))
    _paint(pictures, arm, arm_colour)
    return np.maximum(cover, arm)


def _rounded(x: Canvas, y: Canvas, body: Body) -> Canvas:
    """Coverage (n, size, size) in [0, 1] of a superellipse about the origin, with a soft edge."""
    radius = (np.abs(x / body.breadth) ** body.corners + np.abs(y / body.height) ** body.corners) ** (1 / body.corners)
    cover: Canvas = np.clip(0.5 + (1 - radius) * min(body.breadth, body.height) / SOFTNESS, 0, 1)
    return cover


def _bar(x: Canvas, y: Canvas, end_x: Canvas, end_y: Canvas) -> Canvas:
    """Coverage (n, size, size) of a bar with round ends from the origin to a point (n,)."""
    end_x, end_y = end_x[:, None, None], end_y[:, None, None]
    along = np.clip((x * end_x + y * end_y) / (end_x**2 + end_y**2), 0, 1)
    away = np.hypot(x - along * end_x, y - along * end_y)
    cover: Canvas = np.clip(0.5 + (ARM_WIDTH - away) / SOFTNESS, 0, 1)
    return cover


def _paint(pictures: Canvas, cover: Canvas, colour: tuple[float, ...]) -> None:
    """Lay a colour over the pictures (3, n, size, size) in place."""
    cover = cover.astype(np.float32)
    for channel, level in zip(pictures, colour, strict=True):
        channel += cover * (np.float32(level) - channel)


def _drift(n: int, amount: float, rng: np.random.Generator) -> Canvas:
    """Where a body is, (2, n): slow waves."""
    time = np.arange(n)
    return amount * np.stack([np.sin(time * rng.uniform(0.05, 0.3) + rng.uniform(0, 6.28)) for _ in range(2)])


def _box_of(cover: Canvas) -> PictureBox:
    """The smallest rectangle about all that is covered in any picture."""
    ever = cover.max(axis=0) > 0.5
    rows, columns = (np.flatnonzero(ever.any(axis=axis)) for axis in (1, 0))
    size = len(ever)
    return PictureBox(
        float(columns[0] / size),
        float(rows[0] / size),
        float((columns[-1] + 1 - columns[0]) / size),
        float((rows[-1] + 1 - rows[0]) / size),
    )
