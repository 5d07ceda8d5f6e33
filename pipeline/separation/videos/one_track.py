"""The sound of one box of a video's pictures: what `avr separate` gives of a track that stays there."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import ClipError
from pipeline.separation.boxes import SoundingBox
from pipeline.separation.tracks import FaceTrack
from pipeline.separation.videos.opening import Video
from pipeline.separation.videos.taking_apart import picture_size, quiet_tracks, take_apart
from pipeline.separation.videos.trained import Trained
from pipeline.settings.paths import AnyPath

BOX, REST = "box", "rest"  # names of tracks


class TrackSound(NamedTuple):
    """What a separator makes of a box.

    Attributes:
        waveform: float32 (n_samples,), over the time in which the video has both sound and pictures.
        rate: of it, Hz.
        warnings: what a user has to know, in words.
    """

    waveform: NDArray[np.float32]
    rate: int
    warnings: Sequence[str]


def track_sound(path: AnyPath, box: SoundingBox, trained: Trained) -> TrackSound:
    """Return the sound of a box of a video's pictures, which stays where it is.

    A separator that compares sources is shown the largest part of the picture beside the box too.

    Args:
        path: of the video.
        box: as fractions of the upright picture.
        trained: what takes it apart.

    Raises:
        ClipError: the video has no sound or no pictures that can be decoded, nothing but silence, or too few pictures a
            second; or the box is outside of the picture, is smaller than a pixel, or leaves nothing to compare with.
        DataError: the estimates are not finite.
    """
    video = trained.opened(path)
    tracks: dict[str, FaceTrack | None] = {BOX: standing_track(BOX, box, video, trained)}
    if trained.separator.fewest_views > 1:
        tracks[REST] = standing_track(REST, rest_of(box, video), video, trained)
    found = take_apart(trained.separator, video, tracks, trained.views, trained.bounds)
    own = found.sounds[:1]
    return TrackSound(own[0], video.rate, [*video.warnings, *quiet_tracks([BOX], own, video.mixture)])


def standing_track(name: str, box: SoundingBox, video: Video, trained: Trained) -> FaceTrack:
    """Return the track of a box that stays where it is all through a film, checked as others are.

    Args:
        name: of the track.
        box: as fractions of the picture.
        video: whose film it is.
        trained: says how large pictures may be.

    Raises:
        ClipError: the box is smaller than a pixel or outside of the picture.
    """
    height, width = picture_size(video, trained.bounds)
    pixels = np.array(box) * [width, height, width, height]
    if min(pixels[2:]) < 1:
        problem = f"track {name!r}: {pixels[2]:.2g} x {pixels[3]:.2g} of {width} x {height} pixels"
        raise ClipError(video.path.name, "bad_track", problem, "at least 1 x 1 pixel")
    n_seconds = video.film.end - video.film.start
    seconds = np.arange(np.ceil(n_seconds) + 1)
    rows = np.arange(len(seconds), dtype=np.int64) + 2  # as they would stand in a tracks.csv
    track = FaceTrack(name, rows, seconds, np.tile(pixels, (len(seconds), 1)))
    track.check(video.path.name, width, height, n_seconds)
    return track


def rest_of(box: SoundingBox, video: Video) -> SoundingBox:
    """Return the largest part of a picture left, right, above or below of a box.

    Raises:
        ClipError: the box is the whole picture.
    """
    right, bottom = box.x + box.width, box.y + box.height
    left_and_right = SoundingBox(0.0, 0.0, box.x, 1.0), SoundingBox(right, 0.0, 1 - right, 1.0)
    above_and_below = SoundingBox(0.0, 0.0, 1.0, box.y), SoundingBox(0.0, bottom, 1.0, 1 - bottom)
    largest = max((*left_and_right, *above_and_below), key=lambda part: part.width * part.height)
    if largest.width * largest.height <= 0:
        problem, expected = "the box is the whole picture", "a part beside it, which this separator compares it with"
        raise ClipError(video.path.name, "bad_track", problem, expected)
    return largest
