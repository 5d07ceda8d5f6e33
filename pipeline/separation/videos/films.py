"""The films of a video that was taken apart: the box of every track with its sound, and the heat over all of it."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from itertools import islice, repeat
from pathlib import Path

import numpy as np
import soxr
from numpy.typing import NDArray

from pipeline.separation.tracks import FaceTrack
from pipeline.separation.videos.heat import Heat, glowing
from pipeline.separation.videos.opening import Video
from pipeline.separation.videos.watching import unlimited
from pipeline.settings.paths import AnyPath
from pipeline.settings.progress import progress
from pipeline.video import BOUNDS, Bounds, Mp4Writer, iter_frames

SOUND_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)  # of AAC
HIGHEST_RATE = 60  # pictures a second
SMALLEST = 16  # pixels of a side


def write_films(
    folder: AnyPath,
    video: Video,
    tracks: Mapping[str, FaceTrack | None],
    sounds: NDArray[np.float32],
    heats: Sequence[Heat],
    bounds: Bounds = BOUNDS,
) -> None:
    """Write ``TRACK.mp4`` for every track, and ``heat.mp4`` with the sound of the mixture where there are heats.

    The film is decoded once more, and one of its pictures is in memory at a time.

    Args:
        folder: where they go.
        video: what they are of.
        tracks: by name.
        sounds: (n_tracks, n_samples).
        heats: of every track, or none.
        bounds: what the video may ask for.
    """
    rate = min(max(round(video.film.rate), 1), HIGHEST_RATE)
    n_pictures, offset = video.n_pictures(rate), video.film_offset + 0.5 / rate
    with ExitStack() as opened:

        def writer(name: str, sound: NDArray[np.float32]) -> Mp4Writer:
            return opened.enter_context(Mp4Writer(Path(folder) / f"{name}.mp4", rate, *playable(sound, video.rate)))

        writers = [writer(name, sound) for name, sound in zip(tracks, sounds, strict=True)]
        hot = writer("heat", video.mixture) if heats else None
        advance = opened.enter_context(progress("films", n_pictures, "picture"))
        for k, (seconds, picture) in enumerate(_held(video, rate, offset, n_pictures, bounds)):
            on_film = seconds - video.film.start
            for of_track, track in zip(writers, tracks.values(), strict=True):
                of_track.add(window_of(picture, track, on_film))
            if hot:
                hot.add(_even(glowing(picture, heats, list(tracks.values()), k / rate, on_film)))
            advance()


def playable(sound: NDArray[np.float32], rate: int) -> tuple[NDArray[np.float32], int]:
    """Return a sound (n_samples,) in [-1, 1] at a rate that AAC knows, and that rate.

    Example:
        >>> played, rate = playable(np.zeros(100, np.float32), 10000)
        >>> len(played), rate
        (110, 11025)
    """
    known = next((known for known in SOUND_RATES if known >= rate), SOUND_RATES[-1])
    if known != rate:
        sound = soxr.resample(sound, rate, known)
    return np.clip(sound, -1, 1), known


def window_of(picture: NDArray[np.uint8], track: FaceTrack | None, seconds: float) -> NDArray[np.uint8]:
    """Return the part of a picture in which a track is, of one size all through the track: that of its largest box.

    Args:
        picture: uint8 (height, width, 3).
        track: where the face is; None: the whole picture.
        seconds: from the film's first picture.
    """
    if track is None:
        return _even(picture)
    n_rows, n_columns, _ = picture.shape
    width, height = (max(SMALLEST, int(np.ceil(size))) for size in track.boxes[:, 2:].max(axis=0))
    width, height = min(width + width % 2, n_columns - n_columns % 2), min(height + height % 2, n_rows - n_rows % 2)
    x, y, box_width, box_height = track.box(seconds)
    left = min(max(round(x + (box_width - width) / 2), 0), n_columns - width)
    top = min(max(round(y + (box_height - height) / 2), 0), n_rows - height)
    return picture[top : top + height, left : left + width]


def _even(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A picture without the last row and column of an odd size."""
    return picture[: len(picture) // 2 * 2, : picture.shape[1] // 2 * 2]


def _held(
    video: Video, rate: int, offset: float, n_pictures: int, bounds: Bounds
) -> Iterator[tuple[float, NDArray[np.uint8]]]:
    """So many pictures and their times; where the film ends early its last one stays."""
    shown, n_shown = None, 0
    for shown in islice(iter_frames(video.path, rate, lambda _: offset, unlimited(bounds)), n_pictures):
        n_shown += 1
        yield shown
    if shown is not None:
        yield from repeat(shown, n_pictures - n_shown)
