"""Small pictures of the clips of the gallery: one picture of a video, the spectrogram of a sound."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pipeline import video
from pipeline.errors import ClipError
from pipeline.formats.clips import Clip, read_root
from pipeline.report.sounds import small_spectrogram_jpeg, thumbnail_jpeg
from pipeline.settings.paths import AnyPath

SAMPLE_RATE = 16000  # Hz
LONGEST_SECONDS = 10.0  # of a sound
AT_SECONDS = 0.5  # when the picture is on display
SMALL_PIXELS = 112  # the longer side

Half = Literal["audio", "visual"]
"""Which half of a clip is meant: its sound or its pictures."""


def thumbnails(clips_csv: AnyPath, clips: Mapping[str, Clip], wanted: Iterable[tuple[str, Half]]) -> dict[
    tuple[str, Half], str
]:  # fmt: skip
    """Return small pictures as addresses that hold them (``data:``), by clip_id and half.

    One that cannot be decoded any more, or whose file is not in its place, is left out.

    Args:
        clips_csv: beside which the folder of the videos is noted.
        clips: by clip_id; those without a file, and missing ones, are left out.
        wanted: which halves of which clips.
    """
    places = sorted(pair for pair in set(wanted) if pair[0] in clips and clips[pair[0]].path)
    if not places:
        return {}
    root = read_root(clips_csv)
    found = {(clip_id, half): _thumbnail(root / clips[clip_id].path, half) for clip_id, half in places}
    return {place: address for place, address in found.items() if address}


def first_seconds(path: AnyPath) -> NDArray[np.float32]:
    """Return the beginning of a clip's sound, (n_samples,) float32 at 16 kHz, at most 10 s.

    Raises:
        ClipError: it cannot be decoded.
        OSError: there is no such file.
    """
    _, waveform = next(video.iter_waveform(path, SAMPLE_RATE, LONGEST_SECONDS))
    return np.asarray(waveform[: round(LONGEST_SECONDS * SAMPLE_RATE)])


def early_picture(path: AnyPath) -> NDArray[np.uint8]:
    """Return the picture of a clip that is on display after half a second, (height, width, 3) uint8 RGB.

    Raises:
        ClipError: it cannot be decoded.
        OSError: there is no such file.
        StopIteration: the clip ends before.
    """
    _, picture = next(video.iter_frames(path, 1.0, lambda _: AT_SECONDS))
    return picture


def _thumbnail(path: Path, half: Half) -> str | None:
    """The small picture, if the clip can be read."""
    try:
        if half == "audio":
            return small_spectrogram_jpeg(first_seconds(path), SAMPLE_RATE)
        return thumbnail_jpeg(early_picture(path), SMALL_PIXELS, quality=72)
    except (ClipError, OSError, StopIteration):
        return None
