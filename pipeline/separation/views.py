"""What a separator sees of a clip: a film of the mouth and some pictures of the face, or a film of the whole picture.

Section ``views`` of a task names what is cut. The whole picture is taken for the face, as in clips that a face tracker
has cut, unless tracks say where it is; a fixed part of the face is taken for the mouth, unless they say where that is.
"""

from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import PositiveFloat, PositiveInt, computed_field, model_validator

from pipeline.errors import ClipError
from pipeline.formats.clip_files import ClipFiles, files_at
from pipeline.formats.clips import Clip
from pipeline.formats.files import file_sha256
from pipeline.frames import resize
from pipeline.separation.mouth_rois import mouth_film, no_face
from pipeline.separation.tracks import FaceTrack, track_of_clip
from pipeline.settings.params import StageParams
from pipeline.settings.paths import AnyPath
from pipeline.video import BOUNDS, Bounds, FilmTimes, film_times, iter_frames

MOUTH_CENTRE = (0.50, 0.72)  # of the face's width and height
MOUTH_SIDE = 0.45  # of the face's shorter side
LUMA = np.array([0.299, 0.587, 0.114])  # of red, green and blue
FEWEST_PICTURES = 2
LOWEST_RATE = 15  # pictures a second of a film in which lips can be read

Pictures = Iterator[tuple[float, NDArray[np.uint8]]]
"""(seconds, picture) in their order, with pictures uint8 (height, width, 3)."""


class ViewsParams(StageParams):
    """Section ``views`` of params.yaml: all that cuts a mouth and a face, or all that cuts frames, or both.

    Attributes:
        mouth_fps: pictures of the mouth a second.
        mouth_size: side of the mouth's square, pixels.
        face_size: side of the face's square, pixels.
        faces_per_second: pictures of the face a second.
        frames_fps: whole pictures a second.
        frames_size: side of the square that a whole picture is resized to, pixels.
        allow_low_rate: whether a film of faces may have less than 15 pictures a second, which are then repeated.
        tracks: a tracks.csv with one track for every clip; null: the whole picture is the face.
    """

    mouth_fps: PositiveFloat | None = None
    mouth_size: PositiveInt | None = None
    face_size: PositiveInt | None = None
    faces_per_second: PositiveFloat | None = None
    frames_fps: PositiveFloat | None = None
    frames_size: PositiveInt | None = None
    allow_low_rate: bool = False
    tracks: Path | None = None

    @model_validator(mode="after")
    def _something_is_whole(self) -> Self:
        given = {name for name, value in self if value is not None} & set().union(*_CUT)
        cut = [group for group in _CUT if given & group]
        if not cut or any(group - given for group in cut):
            expected = " or ".join(f"all of {', '.join(sorted(group))}" for group in _CUT)
            raise ValueError(f"{', '.join(sorted(given)) or 'nothing'}; expected {expected}")
        return self

    @computed_field  # type: ignore[prop-decorator]  # as pydantic documents it
    @property
    def tracks_sha256(self) -> str | None:
        """Hash of the tracks, by which the clip cache knows them."""
        return file_sha256(self.tracks) if self.tracks else None


_CUT = (
    {"mouth_fps", "mouth_size", "face_size", "faces_per_second"},
    {"frames_fps", "frames_size"},
)
PARAMS = ViewsParams  # by this name every decoding stage finds its section


def clip_arrays(clip: Clip, path: AnyPath, params: ViewsParams, bounds: Bounds = BOUNDS) -> dict[str, NDArray[Any]]:
    """Return what is seen of a clip, uint8, and when each film starts, (1,) seconds; what is not cut is left out.

    ``mouth`` (n, size, size), ``face`` (n_faces, size, size, 3) and ``seconds``; ``frames`` (n, size, size, 3) and
    ``frames_seconds``. Picture k of a film is on display half a period after k / its rate, counted from the video's
    first picture, whatever the video's own rate. Where the data set has cut mouths itself, their film is taken.

    Args:
        clip: for the message.
        path: of its video.
        params: section ``views``.
        bounds: what the video may ask for.

    Raises:
        ClipError: the video has no pictures that can be decoded, hardly any, or too few a second; or its track is none
            of a face.
        DataError: the file of the tracks is no such table.
    """
    files, arrays = files_at(path, clip.path), dict[str, NDArray[Any]]()
    if params.mouth_fps is not None:
        arrays |= _with_own_mouth(clip.clip_id, files, params, bounds)
    if params.frames_fps is not None:
        if files.pictures is None:
            raise ClipError(clip.clip_id, "no_view", "no pictures but of its mouth", "pictures of what sounds")
        arrays |= frames_arrays(clip.clip_id, _pictures(files.pictures, params.frames_fps, bounds), params)
    return arrays


def _with_own_mouth(clip_id: str, files: ClipFiles, params: ViewsParams, bounds: Bounds) -> dict[str, NDArray[Any]]:
    """``mouth``, ``face`` and ``seconds`` of a clip, the mouth as the data set has cut it where it has."""
    assert params.mouth_fps
    assert params.mouth_size
    assert params.face_size
    seen = _face_arrays(clip_id, files.pictures, params, bounds) if files.pictures else no_face(params.face_size)
    if files.mouth:
        seen["mouth"] = mouth_film(clip_id, files.mouth, params.mouth_fps, params.mouth_size)
    return seen


def _face_arrays(clip_id: str, path: AnyPath, params: ViewsParams, bounds: Bounds) -> dict[str, NDArray[Any]]:
    """``mouth``, ``face`` and ``seconds`` of a clip, where its track says."""
    assert params.mouth_fps
    times = film_times(path, bounds)
    check_rate(clip_id, times, params)
    pictures = _pictures(path, params.mouth_fps, bounds)
    if params.tracks is None:
        return film_arrays(clip_id, pictures, params)
    track = track_of_clip(params.tracks, clip_id)
    first = next(pictures, None)
    if first is not None:
        track.check(clip_id, first[1].shape[1], first[1].shape[0], times.end - times.start)
    return film_arrays(clip_id, chain([first] if first else [], pictures), params, track, times.start)


def check_rate(clip_id: str, times: FilmTimes, params: ViewsParams) -> None:
    """Refuse a film whose pictures are too few a second to read lips in.

    Raises:
        ClipError: it is one, and ``allow_low_rate`` is not set.
    """
    if times.rate < LOWEST_RATE - 0.01 and not params.allow_low_rate:
        expected = f"at least {LOWEST_RATE}, or views.allow_low_rate=true, which repeats pictures"
        raise ClipError(clip_id, "low_rate", f"{times.rate:.2f} pictures a second", expected)


def film_arrays(
    clip_id: str, pictures: Pictures, params: ViewsParams, track: FaceTrack | None = None, film_start: float = 0.0
) -> dict[str, NDArray[Any]]:
    """Return ``mouth`` (n, size, size), ``face`` and ``seconds``, one whole picture in memory at a time.

    Args:
        clip_id: for the message.
        pictures: at ``mouth_fps``.
        params: section ``views``, with all of the mouth and the face.
        track: where the face is; None: the whole picture.
        film_start: when the film's first picture is on display, in the same seconds.

    Raises:
        ClipError: there are not two pictures.
    """
    assert params.mouth_fps
    assert params.mouth_size
    assert params.face_size
    assert params.faces_per_second
    mouth, face, starts = [], [], []
    between_faces = max(1, round(params.mouth_fps / params.faces_per_second))
    for k, (seconds, picture) in enumerate(pictures):
        starts.append(seconds - 0.5 / params.mouth_fps)
        shown, lips = face_and_mouth(picture, seconds - film_start, track)
        mouth.append(grey(resize(lips, params.mouth_size)))
        if k % between_faces == between_faces // 2 or k == 0:
            face.append(resize(shown, params.face_size))
    _check_length(clip_id, len(mouth), "a face")
    return {"mouth": np.stack(mouth), "face": np.stack(face), "seconds": np.array(starts[:1], np.float64)}


def frames_arrays(clip_id: str, pictures: Pictures, params: ViewsParams) -> dict[str, NDArray[Any]]:
    """Return ``frames`` (n, size, size, 3) and ``frames_seconds``, one whole picture in memory at a time.

    Args:
        clip_id: for the message.
        pictures: at ``frames_fps``.
        params: section ``views``, with all of the frames.

    Raises:
        ClipError: there are not two pictures.
    """
    assert params.frames_fps
    assert params.frames_size
    frames, starts = [], []
    for seconds, picture in pictures:
        starts.append(seconds - 0.5 / params.frames_fps)
        frames.append(resize(picture, params.frames_size))
    _check_length(clip_id, len(frames), "what sounds")
    return {"frames": np.stack(frames), "frames_seconds": np.array(starts[:1], np.float64)}


def _pictures(path: AnyPath, rate: float, bounds: Bounds) -> Pictures:
    """The pictures of a video in the middle of every period of a rate, in Hz."""
    return iter_frames(path, rate, lambda _: 0.5 / rate, bounds)


def _check_length(clip_id: str, n_pictures: int, shown: str) -> None:
    """Refuse a clip of hardly any picture."""
    if n_pictures < FEWEST_PICTURES:
        raise ClipError(clip_id, "no_view", f"{n_pictures} pictures", f"at least {FEWEST_PICTURES} of {shown}")


def face_and_mouth(
    picture: NDArray[np.uint8], seconds: float, track: FaceTrack | None
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return the face (height, width, 3) and the square (side, side, 3) of its mouth, both uint8.

    Args:
        picture: uint8 (height, width, 3).
        seconds: from the film's first picture.
        track: where the face is; None: the whole picture.
    """
    if track is None:
        return picture, mouth_of(picture)
    face, mouth = track.face(picture, seconds), track.mouth(picture, seconds)
    return face, mouth_of(face) if mouth is None else mouth


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
