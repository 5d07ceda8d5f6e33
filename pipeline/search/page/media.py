"""The files that the page plays: those of the index's rows, each within the folder that it was found in."""

import mimetypes
import os
import re
from pathlib import Path
from typing import NamedTuple

from starlette.datastructures import Headers
from starlette.responses import FileResponse, Response
from starlette.types import Receive, Scope, Send

from pipeline.errors import DataError, PipelineError
from pipeline.settings.paths import AnyPath
from pipeline.settings.regular_files import check_regular

PLAYED = ("audio/", "video/", "image/")
UNKNOWN = "application/octet-stream"
FILE_POLICY = "default-src 'none'; sandbox"  # whatever is in a file, opened as a page it may do nothing


RANGES = re.compile(
    r"bytes=\s*(?:\d{1,18}-\d{0,18}|-\d{1,18})(?:\s*,\s*(?:\d{1,18}-\d{0,18}|-\d{1,18}))*\s*", re.ASCII | re.I
)


class RangeResponse(FileResponse):
    """A file, or the ranges of it that are asked for; where the header is none, all of it (RFC 9110, 14.2)."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        asked = Headers(scope=scope).get("range", "")
        if not is_range(asked):
            scope = {**scope, "headers": [(name, value) for name, value in scope["headers"] if name != b"range"]}
        await super().__call__(scope, receive, send)


class FoundFile(NamedTuple):
    """A file that may be served.

    Attributes:
        path: with no link in it.
        facts: what the system says of it.
    """

    path: Path
    facts: os.stat_result


class UnservedError(PipelineError):
    """A clip's file cannot be served.

    Args:
        status: of the answer: 404 for what never was to be served, 410 for what is gone.
        problem: what is wrong, and what was expected.
    """

    def __init__(self, status: int, problem: str) -> None:
        super().__init__(problem)
        self.status = status


def find_file(root: str, path: str) -> FoundFile:
    """Return a file below a folder; no link leads out of it.

    Args:
        root: the folder.
        path: of the file, from the folder on.

    Raises:
        UnservedError: there is no such file, it lies elsewhere, or it is no regular file.
    """
    if not path:
        raise UnservedError(404, "the clip has no file, as its features were imported; expected a clip with one")
    try:
        folder = Path(root).resolve(strict=True)
        found = (folder / path).resolve(strict=True)
        if not found.is_relative_to(folder):
            raise UnservedError(404, "the clip's file lies outside of its folder; expected one within")
        return FoundFile(found, check_regular(found, follow_link=False))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise UnservedError(410, "the clip's file is gone; expected it where it was indexed") from error
    except (DataError, OSError, RuntimeError, ValueError) as error:  # a loop of links is a RuntimeError of old Pythons
        raise UnservedError(404, "the clip's file cannot be read; expected a regular file") from error


def media_type(path: AnyPath) -> str:
    """Return the type that a player is told, from the name's ending; what no player plays is plain bytes.

    Example:
        >>> media_type(Path("a.mp4")), media_type(Path("a.html")), media_type(Path("a.svg"))
        ('video/mp4', 'application/octet-stream', 'application/octet-stream')
    """
    guessed = mimetypes.guess_type(Path(path).name)[0] or UNKNOWN
    return guessed if guessed.startswith(PLAYED) and "svg" not in guessed else UNKNOWN


def is_range(asked: str) -> bool:
    """Return whether a Range header asks for ranges of bytes, none of which ends before it starts.

    Example:
        >>> is_range("bytes=0-9, -5"), is_range("bytes=5-2"), is_range("lines=1-2"), is_range("bytes=")
        (True, False, False, False)
    """
    if not RANGES.fullmatch(asked):
        return False
    bounds = [part.strip().split("-") for part in asked.partition("=")[2].split(",")]
    return all(not (first and last) or int(first) <= int(last) for first, last in bounds)


def respond(file: FoundFile) -> Response:
    """Return the answer with a file, or with the range of it that is asked for."""
    headers = {"content-security-policy": FILE_POLICY, "cache-control": "private, no-cache"}
    return RangeResponse(file.path, headers=headers, media_type=media_type(file.path), stat_result=file.facts)
