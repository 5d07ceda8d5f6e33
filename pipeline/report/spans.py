"""Which part of a clip the page shows."""

from pathlib import Path
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


def content_of(root: Path, clip: Clip, what: str) -> str:
    """Return what names the content of a picture of a clip; empty where its file has no hash, or is not in its place.

    Args:
        root: the folder of the videos.
        clip: of a file.
        what: is shown of it.
    """
    start, end = shown_span(clip)
    return f"{clip.sha256}:{start!r}:{end!r}:{what}" if clip.sha256 and (root / clip.path).is_file() else ""
