"""Boxes of faces in the pictures of a film become tracks: a face is that of the picture before which it overlaps."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

LEAST_OVERLAP = 0.3  # intersection over union of the boxes of one face in two pictures
MOST_MISSED_SECONDS = 1.0  # without a box, before a track ends: tracks.csv has a row a second at least
SHORTEST_SECONDS = 1.0

FaceBoxes = NDArray[np.float64]
"""(n, 4): left, top, width, height in pixels."""


class LinkedFace(NamedTuple):
    """The boxes of one face.

    Attributes:
        seconds: float64 (n,), rising.
        boxes: float64 (n, 4), left, top, width, height.
    """

    seconds: NDArray[np.float64]
    boxes: FaceBoxes


def overlaps(first: FaceBoxes, second: FaceBoxes) -> NDArray[np.float64]:
    """Return intersection over union of all pairs of boxes (n, 4) and (m, 4), as (n, m).

    Example:
        >>> overlaps(np.array([[0.0, 0.0, 2.0, 2.0]]), np.array([[1.0, 0.0, 2.0, 2.0], [5.0, 5.0, 1.0, 1.0]])).round(3)
        array([[0.333, 0.   ]])
    """
    starts = np.maximum(first[:, None, :2], second[None, :, :2])
    ends = np.minimum(first[:, None, :2] + first[:, None, 2:], second[None, :, :2] + second[None, :, 2:])
    shared = np.clip(ends - starts, 0, None).prod(axis=2)
    areas = first[:, None, 2:].prod(axis=2) + second[None, :, 2:].prod(axis=2)
    return np.asarray(shared / (areas - shared))


def link_faces(sightings: Iterable[tuple[float, FaceBoxes]]) -> list[LinkedFace]:
    """Return the faces that are seen for a second or longer, in the order in which they come.

    The boxes of a picture are given to the faces so that the sum of overlaps is the largest (Hungarian assignment). A
    box without a face begins one; a face that is not seen for over a second has ended.

    Args:
        sightings: (seconds, boxes (n, 4)) of each picture, in their order; n may be 0.
    """
    faces: list[list[tuple[float, NDArray[np.float64]]]] = []
    for seconds, boxes in sightings:
        live = [face for face in faces if seconds - face[-1][0] <= MOST_MISSED_SECONDS]
        taken = _matches(live, boxes)
        for k, box in enumerate(boxes):
            face = taken.get(k)
            if face is None:
                face = []
                faces.append(face)
            face.append((seconds, box))
    found = [LinkedFace(np.array([s for s, _ in face]), np.stack([box for _, box in face])) for face in faces]
    return [face for face in found if face.seconds[-1] - face.seconds[0] >= SHORTEST_SECONDS]


def _matches(
    live: Sequence[list[tuple[float, NDArray[np.float64]]]], boxes: FaceBoxes
) -> dict[int, list[tuple[float, NDArray[np.float64]]]]:
    """The face that each box, by its number, goes on with."""
    if not live or not len(boxes):
        return {}
    overlap = overlaps(np.stack([face[-1][1] for face in live]), boxes)
    pairs = zip(*linear_sum_assignment(overlap, maximize=True), strict=True)
    return {int(k): live[i] for i, k in pairs if overlap[i, k] >= LEAST_OVERLAP}
