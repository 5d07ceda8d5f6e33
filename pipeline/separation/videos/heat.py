"""Where in a film the sound of every track comes from: kept as arrays, and laid over the pictures."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

from pipeline.separation.overlay import overlaid
from pipeline.separation.tracks import FaceTrack
from pipeline.separation.videos.opening import Video
from pipeline.separation.videos.pieces import Piece
from pipeline.settings.paths import AnyPath


class Heat(NamedTuple):
    """The heat of a track over the time of a video.

    Attributes:
        maps: float32 (n_frames, height, width), at least 0, larger where it sounds; of the track's box.
        rate: frames a second.
        most: what is shown in the brightest colour.
    """

    maps: NDArray[np.float32]
    rate: float
    most: float


class HeatMaps:
    """The heat of all tracks of a video as its pieces become known; of none where no piece has any.

    Args:
        video: whose time it is of.
    """

    def __init__(self, video: Video) -> None:
        self._video, self._maps, self._rate = video, list[NDArray[np.float32]](), 0.0

    def add(self, piece: Piece, maps: NDArray[np.float32], rate: float) -> None:
        """Take the maps (n_tracks, n_frames, height, width) of the next piece, at a rate in Hz."""
        first, first_used = (round(start * rate / self._video.rate) for start in (piece.start, piece.first_used))
        self._rate = rate
        before = [of_track[:first_used] for of_track in self._maps] or [maps[0, :0]] * len(maps)
        self._maps = [np.concatenate([*pair]) for pair in zip(before, maps[:, first_used - first :], strict=True)]

    def heats(self) -> list[Heat]:
        """Return the heat of every track."""
        return [heat_of(maps, self._rate) for maps in self._maps]


def heat_of(maps: NDArray[np.float32], rate: float) -> Heat:
    """Return heat whose brightest colour is for all but the hottest hundredth of its maps (n_frames, height, width)."""
    return Heat(maps, rate, max(float(np.quantile(maps, 0.99)), 1e-9))


def glowing(
    picture: NDArray[np.uint8], heats: Sequence[Heat], tracks: Sequence[FaceTrack | None], part: float, film: float
) -> NDArray[np.uint8]:
    """Return a picture with the heat of every track in its box, uint8 (height, width, 3).

    Args:
        picture: uint8 (height, width, 3), left as it is.
        heats: of every track.
        tracks: where they are.
        part: seconds since the separated part of the video began.
        film: seconds since the film's first picture.
    """
    shown = picture.copy()
    for heat, track in zip(heats, tracks, strict=True):
        box = shown if track is None else track.face(shown, film)  # a view: what is laid over it is in the picture
        box[:] = overlaid(box, heat.maps[min(int(part * heat.rate), len(heat.maps) - 1)] / heat.most)
    return shown


def write_heat(path: AnyPath, heats: Sequence[Heat], tracks: Mapping[str, FaceTrack | None], video: Video) -> None:
    """Write the arrays of heat as one safetensors file.

    ``TRACK`` float32 (n_frames, height, width); ``TRACK.boxes`` float32 (n_frames, 4), where in the picture it lies,
    but for the whole picture; ``seconds`` float64 (n_frames,) since the film's first picture.

    Args:
        path: the file.
        heats: of every track.
        tracks: by name.
        video: whose heat it is.
    """
    rate, n_frames = heats[0].rate, len(heats[0].maps)
    seconds = video.film_offset + (np.arange(n_frames) + 0.5) / rate
    arrays: dict[str, NDArray[Any]] = {"seconds": seconds}
    for heat, (name, track) in zip(heats, tracks.items(), strict=True):
        arrays[name] = np.ascontiguousarray(heat.maps)
        if track is not None:
            arrays[f"{name}.boxes"] = np.array([track.box(time) for time in seconds.tolist()], np.float32)
    save_file(arrays, path)
