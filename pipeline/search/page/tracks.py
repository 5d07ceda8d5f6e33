"""One track of a sent video as the query: the box that a user draws, and what the answer says of its sound."""

import base64
import math
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, NamedTuple

from pipeline.errors import ParamsError, printable
from pipeline.search.page.uploads import UploadError
from pipeline.search.page.worker import TrackWav
from pipeline.separation.boxes import SoundingBox
from pipeline.settings.paths import AnyPath

EXPECTED = "expected left,top,right,bottom as fractions of the picture, such as 0,0,0.5,1"
WHOLE = ("0,0,1,1", "the whole picture")
HALVES = (("0,0,0.5,1", "the left half"), ("0.5,0,1,1", "the right half"))


class OneTrack(NamedTuple):
    """That one track of a video can be the query.

    Attributes:
        wav_of: gives the sound of a box of a video.
        compares: whether the separator has to see something beside the box.
    """

    wav_of: Callable[[Path, SoundingBox], TrackWav]
    compares: bool

    def choices(self) -> list[tuple[str, str]]:
        """Return the boxes that can be chosen without drawing, as the address has them, and in words."""
        return [*HALVES] if self.compares else [WHOLE, *HALVES]


def compares_sources(task: AnyPath) -> bool:
    """Return whether a task's separator has to see several sources; refuse one that cannot be used.

    Args:
        task: folder of the task, such as ``separation/speech``.

    Raises:
        DataError: the separator is not trained.
        ParamsError: the folder is no task's, or the separator sees nothing.
    """
    from pipeline.separation.videos.trained import load_trained

    trained = load_trained(task)
    if not trained.separator.uses_views:
        expected = "a task with a separator that looks at the video"
        raise ParamsError(f"--separation {task}: separator {trained.name!r} sees nothing; expected {expected}")
    return trained.separator.fewest_views > 1


def parse_box(text: str) -> SoundingBox:
    """Return the box that an address asks for.

    Args:
        text: such as ``0,0,0.5,1``.

    Raises:
        UploadError: it is no box within the picture.

    Example:
        >>> parse_box("0.5,0,1,1")
        SoundingBox(x=0.5, y=0.0, width=0.5, height=1.0)
    """
    try:
        left, top, right, bottom = map(float, text.split(","))
    except ValueError as error:
        raise UploadError(422, f"track={text}: not four numbers; {EXPECTED}") from error
    if not all(map(math.isfinite, (left, top, right, bottom))):
        raise UploadError(422, f"track={text}: not four finite numbers; {EXPECTED}")
    if not (0 <= left < right <= 1 and 0 <= top < bottom <= 1):
        raise UploadError(422, f"track={text}: no box within the picture; {EXPECTED}")
    return SoundingBox(left, top, right - left, bottom - top)


def track_as_shown(track: TrackWav) -> dict[str, Any]:
    """Return what the page hears of a track: the WAV file in base64, and warnings."""
    return {"wav": base64.b64encode(track.wav).decode(), "warnings": [printable(line) for line in track.warnings]}


async def blocks_of(track: TrackWav) -> AsyncIterator[bytes]:
    """Yield the WAV file, as files come in."""
    yield track.wav
