"""What a separator sees of every track of a video, piece by piece: no film is held whole."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Generic, NamedTuple, TypeVar

import numpy as np

from pipeline.errors import ClipError
from pipeline.frames import resize
from pipeline.separation.heard import NO_FILM, NO_PICTURES
from pipeline.separation.parts.base import View
from pipeline.separation.tracks import FaceTrack
from pipeline.separation.videos.opening import Video
from pipeline.separation.views import ViewsParams, face_and_mouth, grey
from pipeline.video import BOUNDS, Bounds, iter_frames
from pipeline.video.pictures import Picture

Tracks = Sequence[FaceTrack | None]
"""Those of a video; None: the whole picture."""


class Glance(NamedTuple):
    """What is seen of one face at one time: the mouth (size, size), and the last kept face (size, size, 3)."""

    mouth: Picture
    face: Picture


class Watcher:
    """The views of a video's tracks for one piece of its time after another.

    Args:
        video: the opened video.
        tracks: where to look.
        params: section ``views``.
        bounds: what the video may ask for.
    """

    def __init__(self, video: Video, tracks: Tracks, params: ViewsParams, bounds: Bounds = BOUNDS) -> None:
        self._tracks, self._params, self._film_start = tracks, params, video.film.start
        self._faces: list[Picture] = []
        self._glances = _Strip(video, params.mouth_fps, self._glances_at, bounds) if params.mouth_fps else None
        self._frames = _Strip(video, params.frames_fps, self._frames_at, bounds) if params.frames_fps else None

    def views(self, start: int, stop: int) -> list[View]:
        """Return the views of every track from one sample of the mixture to another; starts must not fall.

        Where the film ends early its last picture stays.

        Raises:
            ClipError: there is no picture, or one cannot be decoded.
        """
        glances = self._glances.cut(start, stop) if self._glances else [()] * len(self._tracks)
        frames = self._frames.cut(start, stop) if self._frames else [()] * len(self._tracks)
        return [_view(*seen) for seen in zip(glances, frames, strict=True)]

    def _glances_at(self, k: int, picture: Picture, seconds: float) -> list[Glance]:
        """A glance at every face in the k-th picture."""
        params = self._params
        assert params.mouth_fps
        assert params.mouth_size
        assert params.face_size
        assert params.faces_per_second
        between_faces = max(1, round(params.mouth_fps / params.faces_per_second))
        cut = [face_and_mouth(picture, seconds - self._film_start, track) for track in self._tracks]
        if k % between_faces == between_faces // 2 or k == 0:
            self._faces = [resize(face, params.face_size) for face, _ in cut]
        mouths = [grey(resize(mouth, params.mouth_size)) for _, mouth in cut]
        return [Glance(*seen) for seen in zip(mouths, self._faces, strict=True)]

    def _frames_at(self, _: int, picture: Picture, seconds: float) -> list[Picture]:
        """What is in every track's box."""
        assert self._params.frames_size
        on_film = seconds - self._film_start
        boxes = [picture if track is None else track.face(picture, on_film) for track in self._tracks]
        return [resize(box, self._params.frames_size) for box in boxes]


Seen = TypeVar("Seen")


class _Strip(Generic[Seen]):
    """What is seen of every track at one rate; as much of it is held as a piece is long."""

    def __init__(
        self, video: Video, rate: float, look: Callable[[int, Picture, float], list[Seen]], bounds: Bounds
    ) -> None:
        self._video, self._rate, self._look = video, rate, look
        self._coming, self._held, self._n_seen = self._all(bounds), deque[list[Seen]](), 0

    def cut(self, start: int, stop: int) -> list[tuple[Seen, ...]]:
        """What is seen of each track from one sample to another, as many as fit."""
        rate = self._rate / self._video.rate
        first, n_pictures = round(start * rate), max(1, round((stop - start) * rate))
        self._let_go(first)
        while self._n_seen < first + n_pictures and (seen := next(self._coming, None)):
            self._n_seen += 1
            self._held.append(seen)
            self._let_go(first)
        if not self._held:
            raise ClipError(str(self._video.path), "no_view", "it ends before its first picture is taken", "a film")
        shown = list(self._held)[:n_pictures]
        shown += [shown[-1]] * (n_pictures - len(shown))
        return list(zip(*shown, strict=True))

    def _let_go(self, first: int) -> None:
        """Hold nothing before a picture, but for the last one of the film."""
        while self._n_seen - len(self._held) < first and len(self._held) > 1:
            self._held.popleft()

    def _all(self, bounds: Bounds) -> Iterator[list[Seen]]:
        """What is seen in the middle of each period."""
        offset = self._video.film_offset + 0.5 / self._rate
        pictures = iter_frames(self._video.path, self._rate, lambda _: offset, unlimited(bounds))
        for k, (seconds, picture) in enumerate(pictures):
            yield self._look(k, picture, seconds)


def unlimited(bounds: Bounds) -> Bounds:
    """Return bounds without a limit to the number of pictures, of which few are in memory."""
    return bounds._replace(rows_per_clip=1 << 40)


def _view(glances: Sequence[Glance], frames: Sequence[Picture]) -> View:
    """Glances and frames of one track as a view; of no picture where they are not cut."""
    faces = {id(glance.face): glance.face for glance in glances}
    return View(
        np.stack([glance.mouth for glance in glances]) if glances else NO_FILM,
        np.stack(list(faces.values())) if faces else NO_PICTURES,
        np.stack(frames) if frames else NO_PICTURES,
    )
