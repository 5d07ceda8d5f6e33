"""Which part of a clip the page shows."""

from typing import Literal, TypeAlias

from pipeline.formats.clips import Clip

LONGEST_SECONDS = 10.0  # of a sound
AT_SECONDS = 0.5  # after the start of a clip: when the picture is on display

Half = Literal["audio", "visual"]
"""Which half of a clip is meant: its sound or its pictures."""
TimeSpan: TypeAlias = tuple[float, float]  # start and end in a file, seconds


def shown_span(clip: Clip) -> TimeSpan:
    """Return the beginning of a clip in its file, at most 10 s."""
    start, end = clip.window or (0.0, LONGEST_SECONDS)
    return start, min(end, start + LONGEST_SECONDS)
