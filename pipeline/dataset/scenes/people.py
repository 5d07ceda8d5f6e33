"""The people of the demo of talkers: what each one's voice and face are like."""

from typing import NamedTuple

import numpy as np

F0_HZ = (95.0, 230.0)
TRACT_SPREAD = 0.18
_FACE_NOISE = 0.15  # of the span of what a face tells of its voice


class Person(NamedTuple):
    """One talker.

    Attributes:
        f0_hz: the mean pitch of the voice.
        tract: length of the vocal tract over the mean one; it divides the formants.
        tilt: how fast the harmonics fall with their number, as a power.
        hue: of the face in [0, 1), which follows the pitch.
        breadth: of the face over its height, which follows the tract.
        lightness: of the skin; as the next two, it tells nothing of the voice.
        hair: red, green and blue in [0, 1].
        lips: red, green and blue.
    """

    f0_hz: float
    tract: float
    tilt: float
    hue: float
    breadth: float
    lightness: float
    hair: tuple[float, float, float]
    lips: tuple[float, float, float]


def make_person(rng: np.random.Generator) -> Person:
    """Return a talker: a low voice tends to a long tract, and the face tells of both, with noise.

    Args:
        rng: where every draw comes from.
    """
    height = rng.random()  # of the pitch in its range, on a logarithmic scale
    f0_hz = F0_HZ[0] * (F0_HZ[1] / F0_HZ[0]) ** height
    length = np.clip(0.7 * (1 - 2 * height) + 0.3 * rng.uniform(-1, 1), -1, 1)
    seen = rng.normal(0, _FACE_NOISE, 2)
    return Person(
        f0_hz=float(f0_hz),
        tract=float(1 + TRACT_SPREAD * length),
        tilt=float(rng.uniform(0.6, 1.2)),
        hue=float(np.clip(0.02 + 0.30 * (height + seen[0]), 0, 0.45)),
        breadth=float(np.clip(0.70 + 0.12 * (length + 2 * seen[1]), 0.5, 0.9)),
        lightness=float(rng.uniform(0.55, 0.9)),
        hair=_colour(rng, 0.05, 0.5),
        lips=_colour(rng, 0.35, 0.7),
    )


def _colour(rng: np.random.Generator, darkest: float, lightest: float) -> tuple[float, float, float]:
    """Any colour of a range of brightness."""
    red, green, blue = rng.uniform(darkest, lightest, 3).tolist()
    return red, green, blue
