"""When the pictures of a media file are shown, and how many there are: from its packets, none of which is decoded."""

from typing import NamedTuple

from pipeline.errors import ClipError
from pipeline.settings.paths import AnyPath
from pipeline.video.bounds import BOUNDS, Bounds
from pipeline.video.media import reading


class FilmTimes(NamedTuple):
    """The pictures of a file on its clock, which starts with the earlier of the first picture and the first sample.

    Attributes:
        start: when the first picture is on display, in seconds.
        end: until when the last one is.
        n_pictures: how many there are.
    """

    start: float
    end: float
    n_pictures: int

    @property
    def rate(self) -> float:
        """Pictures a second, their mean number."""
        return self.n_pictures / max(self.end - self.start, 1e-9)


def film_times(path: AnyPath, bounds: Bounds = BOUNDS) -> FilmTimes:
    """Return when the pictures of a file are shown.

    Args:
        path: the media file.
        bounds: what the file may ask for.

    Raises:
        ClipError: the file is no media, damaged, cut short, out of bounds or has no video.

    Example:
        >>> import numpy as np
        >>> from pipeline.video import write_mp4
        >>> write_mp4("grey.mp4", [np.zeros((64, 96, 3), np.uint8)] * 4, 2, np.zeros(32000, np.float32), 16000)
        >>> film_times("grey.mp4")
        FilmTimes(start=0.0, end=2.0, n_pictures=4)
    """
    with reading(path, "video", bounds) as media:
        track = media.pictures
        if track is None or not len(track.timeline.starts):
            raise ClipError(str(path), "no_video", "no video in the file", "a video stream with a key frame")
        start, timeline = media.since_start_seconds(track), track.timeline
        return FilmTimes(start, start + track.seconds(timeline.end - int(timeline.starts[0])), len(timeline.starts))
