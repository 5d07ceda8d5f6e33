"""A user's video: its sound, and the time in which there are sound and pictures."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import ClipError
from pipeline.separation.heard import APART_SECONDS, HELD_SECONDS
from pipeline.settings.paths import AnyPath
from pipeline.video import BOUNDS, Bounds, FilmTimes, film_times, iter_waveform


class Video(NamedTuple):
    """The part of a video in which it has both sound and pictures.

    Attributes:
        path: of the file.
        film: the times of its pictures.
        start: where the part begins, in seconds on the file's clock.
        mixture: float32 (n_samples,), its sound.
        rate: of the sound, Hz.
        warnings: what was left out, in words.
    """

    path: Path
    film: FilmTimes
    start: float
    mixture: NDArray[np.float32]
    rate: int
    warnings: tuple[str, ...]

    @property
    def seconds(self) -> float:
        """The length of the part."""
        return len(self.mixture) / self.rate

    @property
    def film_offset(self) -> float:
        """Seconds from the film's first picture to where the part begins."""
        return self.start - self.film.start

    def n_pictures(self, rate: float) -> int:
        """Return how many pictures at a rate, in Hz, cover the part."""
        return max(1, int(np.ceil(self.seconds * rate - 1e-6)))


def open_video(path: AnyPath, rate: int, silence_db: float, bounds: Bounds = BOUNDS) -> Video:
    """Return the sound of a video at a rate, and what it shares its time with.

    Args:
        path: of the video.
        rate: of the sound, Hz.
        silence_db: a video whose loudest sample is below it, in dB of full scale, is refused.
        bounds: what the video may ask for.

    Raises:
        ClipError: it has no sound or no pictures that can be decoded, no time in which it has both, or nothing but
            silence.
    """
    path = Path(path)
    film = film_times(path, bounds)
    blocks = list(iter_waveform(path, rate, bounds=bounds))
    if not blocks:
        raise ClipError(str(path), "no_audio", "no sound in the file", "an audio stream")
    sound, sound_start = np.concatenate([block for _, block in blocks]), blocks[0][0]
    sound_end = sound_start + len(sound) / rate
    is_held = film.end < sound_end <= film.end + HELD_SECONDS
    start, end = max(film.start, sound_start), sound_end if is_held else min(film.end, sound_end)
    first, last = (max(0, round((seconds - sound_start) * rate)) for seconds in (start, end))
    mixture = sound[first:last]
    if not len(mixture):
        problem = f"sound from {sound_start:.2f} to {sound_end:.2f} s, pictures from {film.start:.2f} s"
        raise ClipError(str(path), "too_short", problem, "a time at which there are both")
    _check_loudness(path, mixture, silence_db)
    return Video(path, film, start, mixture, rate, tuple(_left_out(film, sound_start, sound_end)))


def _check_loudness(path: Path, mixture: NDArray[np.float32], silence_db: float) -> None:
    """Refuse silence."""
    loudest = float(np.abs(mixture).max())
    if loudest < 10 ** (silence_db / 20):
        problem = f"its loudest sample is at {loudest:.2g} of full scale"
        raise ClipError(str(path), "silent", problem, f"sound above sounds.silence_db={silence_db:g}")


def _left_out(film: FilmTimes, sound_start: float, sound_end: float) -> list[str]:
    """Warnings of sound and film that begin or end over half a second apart."""
    lines = []
    for word, of_film, of_sound in (("begins", film.start, sound_start), ("ends", film.end, sound_end)):
        if abs(of_film - of_sound) > APART_SECONDS:
            what = f"the film {word} at {of_film:.2f} s and the sound at {of_sound:.2f} s"
            lines.append(f"{what}: what only one of them has is left out")
    return lines
