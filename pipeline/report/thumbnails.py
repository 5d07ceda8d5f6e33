"""Small pictures of the clips of the gallery: one picture of a video, the spectrogram of a sound."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from pipeline import video
from pipeline.errors import ClipError
from pipeline.formats.clips import Clip, read_root
from pipeline.report.sounds import small_spectrogram_jpeg, thumbnail_jpeg
from pipeline.settings.paths import AnyPath

SAMPLE_RATE = 16000  # Hz
LONGEST_SECONDS = 10.0  # of a sound
AT_SECONDS = 0.5  # after the start of a clip: when the picture is on display
SMALL_PIXELS = 112  # the longer side

Half = Literal["audio", "visual"]
"""Which half of a clip is meant: its sound or its pictures."""
TimeSpan: TypeAlias = tuple[float, float]  # start and end in a file, seconds
_FAR_SECONDS = 1e9  # behind the end of any file


def thumbnails(clips_csv: AnyPath, clips: Mapping[str, Clip], wanted: Iterable[tuple[str, Half]]) -> dict[
    tuple[str, Half], str
]:  # fmt: skip
    """Return small pictures as addresses that hold them (``data:``), by clip_id and half; a file is read once a half.

    One that cannot be decoded any more, or whose file is not in its place, is left out.

    Args:
        clips_csv: beside which the folder of the videos is noted.
        clips: by clip_id; those without a file, and missing ones, are left out.
        wanted: which halves of which clips.
    """
    files = defaultdict(list)
    for clip_id, half in sorted(set(wanted)):
        if clip_id in clips and clips[clip_id].path:
            files[clips[clip_id].path, half].append(clips[clip_id])
    if not files:
        return {}
    root = read_root(clips_csv)
    return {
        (clip.clip_id, half): found[shown_span(clip)]
        for (path, half), of_file in sorted(files.items())
        for found in [_thumbnails(root / path, half, list(map(shown_span, of_file)))]
        for clip in of_file
        if shown_span(clip) in found
    }


def shown_span(clip: Clip) -> TimeSpan:
    """Return the beginning of a clip in its file, at most 10 s."""
    start, end = clip.window or (0.0, LONGEST_SECONDS)
    return start, min(end, start + LONGEST_SECONDS)


def sounds_at(path: AnyPath, spans: Iterable[TimeSpan]) -> dict[TimeSpan, NDArray[np.float32]]:
    """Return the sound of a file in spans of time, each (n_samples,) float32 at 16 kHz.

    Args:
        path: of the file, which is decoded once, up to the end of the last span.
        spans: start and end in seconds; those that begin behind the end of the sound are left out.

    Raises:
        ClipError: it cannot be decoded.
        OSError: there is no such file.
    """
    wanted, found = sorted(set(spans)), defaultdict(list)
    last = max((end for _, end in wanted), default=0.0)
    for seconds, block in video.iter_waveform(path, SAMPLE_RATE, LONGEST_SECONDS):
        for start, end in wanted:
            first, stop = (max(0, round((time - seconds) * SAMPLE_RATE)) for time in (start, end))
            if len(part := block[first:stop]):
                found[start, end].append(part)
        if seconds + len(block) / SAMPLE_RATE >= last:
            break
    return {span: np.concatenate(parts) for span, parts in found.items()}


def pictures_at(path: AnyPath, spans: Iterable[TimeSpan]) -> dict[TimeSpan, NDArray[np.uint8]]:
    """Return the picture of a file half a second after the start of each span, (height, width, 3) uint8 RGB.

    Args:
        path: of the file, which is read once; spans that begin behind its end are left out.
        spans: start and end in seconds.

    Raises:
        ClipError: it cannot be decoded.
        OSError: there is no such file.
    """
    wanted = sorted(set(spans))
    times = [start + AT_SECONDS for start, _ in wanted]
    shown = video.iter_frames(path, float("inf"), lambda k: times[k] if k < len(times) else _FAR_SECONDS)
    return {span: picture for span, (_, picture) in zip(wanted, shown, strict=False)}


def _thumbnails(path: Path, half: Half, spans: Sequence[TimeSpan]) -> dict[TimeSpan, str]:
    """The small pictures of a file, if it can be read."""
    try:
        if half == "audio":
            return {at: small_spectrogram_jpeg(sound, SAMPLE_RATE) for at, sound in sounds_at(path, spans).items()}
        return {at: thumbnail_jpeg(shown, SMALL_PIXELS, quality=72) for at, shown in pictures_at(path, spans).items()}
    except (ClipError, OSError):
        return {}
