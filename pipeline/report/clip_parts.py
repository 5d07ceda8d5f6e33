"""Sounds and pictures of a file at some times, decoded once."""

from collections import defaultdict
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from pipeline import video
from pipeline.report.spans import AT_SECONDS, LONGEST_SECONDS, TimeSpan
from pipeline.settings.paths import AnyPath

SAMPLE_RATE = 16000  # Hz
_FAR_SECONDS = 1e9  # behind the end of any file


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
