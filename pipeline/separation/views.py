"""What a separator sees of a clip: a small grey film of the mouth, and some pictures of the face.

The whole picture is taken for the face, as in clips that a face tracker has cut, and a fixed part of it for the mouth.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import PositiveFloat, PositiveInt

from pipeline.errors import ClipError
from pipeline.formats.clips import Clip
from pipeline.frames import resize
from pipeline.settings.params import StageParams
from pipeline.settings.paths import AnyPath
from pipeline.video import BOUNDS, Bounds, iter_frames

MOUTH_CENTRE = (0.50, 0.72)  # of the face's width and height
MOUTH_SIDE = 0.45  # of the face's shorter side
LUMA = np.array([0.299, 0.587, 0.114])  # of red, green and blue
FEWEST_PICTURES = 2


class ViewsParams(StageParams):
    """Section ``views`` of params.yaml.

    Attributes:
        mouth_fps: pictures of the mouth a second.
        mouth_size: side of the mouth's square, pixels.
        face_size: side of the face's square, pixels.
        faces_per_second: pictures of the face a second.
    """

    mouth_fps: PositiveFloat
    mouth_size: PositiveInt
    face_size: PositiveInt
    faces_per_second: PositiveFloat


PARAMS = ViewsParams  # by this name every decoding stage finds its section


def clip_arrays(clip: Clip, path: AnyPath, params: ViewsParams, bounds: Bounds = BOUNDS) -> dict[str, NDArray[Any]]:
    """Return ``mouth`` (n, size, size) uint8, ``face`` (n_faces, size, size, 3) uint8 and ``seconds`` (1,), the start.

    Picture k of the mouth is on display half a period after k / mouth_fps, counted from the video's first picture,
    whatever the video's own rate.

    Args:
        clip: for the message.
        path: of its video.
        params: section ``views``.
        bounds: what the video may ask for.

    Raises:
        ClipError: the video has no pictures that can be decoded, or hardly any.
    """
    period = 1 / params.mouth_fps
    pictures = iter_frames(path, params.mouth_fps, lambda _: period / 2, bounds)
    return film_arrays(clip.clip_id, pictures, params)


def film_arrays(
    clip_id: str, pictures: Iterable[tuple[float, NDArray[np.uint8]]], params: ViewsParams
) -> dict[str, NDArray[Any]]:
    """Return the arrays of ``clip_arrays``, one whole picture in memory at a time.

    Args:
        clip_id: for the message.
        pictures: (seconds, picture) at ``mouth_fps``, with pictures uint8 (height, width, 3).
        params: section ``views``.

    Raises:
        ClipError: there are not two pictures.
    """
    mouth, face, starts = [], [], []
    between_faces = max(1, round(params.mouth_fps / params.faces_per_second))
    for k, (seconds, picture) in enumerate(pictures):
        starts.append(seconds - 0.5 / params.mouth_fps)
        mouth.append(grey(resize(mouth_of(picture), params.mouth_size)))
        if k % between_faces == between_faces // 2 or k == 0:
            face.append(resize(picture, params.face_size))
    if len(mouth) < FEWEST_PICTURES:
        raise ClipError(clip_id, "no_view", f"{len(mouth)} pictures", f"at least {FEWEST_PICTURES} of a face")
    return {"mouth": np.stack(mouth), "face": np.stack(face), "seconds": np.array(starts[:1], np.float64)}


def mouth_of(face: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the square (side, side, 3) of a face (height, width, 3) in which its mouth is.

    Example:
        >>> mouth_of(np.zeros((100, 120, 3), np.uint8)).shape
        (45, 45, 3)
    """
    height, width, _ = face.shape
    side = max(1, round(MOUTH_SIDE * min(height, width)))
    left, top = round(MOUTH_CENTRE[0] * width - side / 2), round(MOUTH_CENTRE[1] * height - side / 2)
    left, top = min(max(left, 0), width - side), min(max(top, 0), height - side)
    return face[top : top + side, left : left + side]


def grey(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the brightness (height, width) of a picture (height, width, 3), both uint8."""
    brightness: NDArray[np.uint8] = np.rint(picture @ LUMA).astype(np.uint8)
    return brightness
