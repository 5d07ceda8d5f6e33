"""What a user may ask for: a file, a clip of the index, or a span of time of either."""

import re
from pathlib import Path
from typing import NamedTuple

from pipeline.errors import DataError
from pipeline.settings.paths import AnyPath

CLIP = "clip:"
_TIME = r"(?:(?:(\d+):)?(\d+):)?(\d+(?:\.\d*)?)"  # seconds, or hours and minutes before them
_SPAN = re.compile(rf"t=(?:npt:)?(?:{_TIME})?(?:,{_TIME})?", re.ASCII)


class Asked(NamedTuple):
    """A query in its parts.

    Attributes:
        name: path of a file, or id of a clip.
        is_clip: whether it is a clip of the index.
        start: where the span begins, in seconds.
        end: where it ends; infinite for the end of the file.
    """

    name: str
    is_clip: bool
    start: float = 0.0
    end: float = float("inf")

    @property
    def is_whole(self) -> bool:
        """Whether all of the file or clip is asked for."""
        return self.start == 0 and self.end == float("inf")


def parse_query(query: AnyPath) -> Asked:
    """Return what a query asks for; a file whose name really ends in ``#t=12,15`` is that file.

    Args:
        query: a path, ``clip:ID``, or either with a span ``#t=START,END`` behind it.

    Raises:
        DataError: a span is no span of time.

    References:
        W3C (2012), Media Fragments URI 1.0, 4.2.1: temporal dimension.

    Example:
        >>> parse_query("dog.mp4#t=12,1:15")
        Asked(name='dog.mp4', is_clip=False, start=12.0, end=75.0)
        >>> parse_query("clip:dog/1.mp4")
        Asked(name='dog/1.mp4', is_clip=True, start=0.0, end=inf)
    """
    text = str(query)
    is_clip = text.startswith(CLIP) and not _is_file(text)
    name, mark, fragment = text.removeprefix(CLIP if is_clip else "").rpartition("#")
    if not mark or not fragment.startswith("t=") or (not is_clip and _is_file(text)):
        return Asked(text.removeprefix(CLIP if is_clip else ""), is_clip)
    return Asked(name, is_clip, *parse_span(fragment))


def parse_span(fragment: str) -> tuple[float, float]:
    """Return start and end of a span ``t=START,END`` in seconds; either may be left out.

    Raises:
        DataError: it is no such span, or ends before it starts.
    """
    found = _SPAN.fullmatch(fragment)
    if not found or not any(found.groups()):
        raise DataError(f"#{fragment}: no span of time; expected #t=START,END in seconds, such as #t=12,15")
    start = _seconds(*found.groups()[:3]) if found[3] else 0.0
    end = _seconds(*found.groups()[3:]) if found[6] else float("inf")
    if not start < end:
        raise DataError(f"#{fragment}: from {start:g} s to {end:g} s; expected an end after the start")
    return start, end


def _seconds(hours: str | None, minutes: str | None, seconds: str) -> float:
    """A time in seconds."""
    return 3600.0 * int(hours or 0) + 60.0 * int(minutes or 0) + float(seconds)


def _is_file(name: str) -> bool:
    """Whether there is a file of that name; none has a name that the system refuses."""
    try:
        return Path(name).exists()
    except (OSError, ValueError):
        return False
