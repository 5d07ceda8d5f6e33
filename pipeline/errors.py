"""The errors a user can meet. Each one names the item, what is wrong with it and what was expected."""

import re
from typing import Literal

RejectKind = Literal[
    "missing",
    "unreadable",
    "outside_root",
    "bad_name",
    "bad_label",
    "changed",
    "not_media",
    "truncated",
    "no_audio",
    "no_video",
    "too_short",
    "silent",
    "no_view",
    "bad_track",
    "low_rate",
    "undecodable",
    "limit",
    "timeout",
    "crashed",
    "out_of_memory",
    "lost",
    "failed",
]


# control characters, line ends, characters that turn the writing's direction, halves of characters
UNPRINTABLE = re.compile("[\0-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str) -> str:
    r"""Return a text in which whatever a terminal would obey is an escape in letters.

    Example:
        >>> print(printable("v\x1b[31m.mp4"))
        v\x1b[31m.mp4
    """
    return UNPRINTABLE.sub(lambda found: repr(found[0])[1:-1], text)


def in_words(error: BaseException) -> str:
    """Return what another library's error says of a file, in one line and without Python's words for it.

    Example:
        >>> in_words(KeyError("models")), in_words(FileNotFoundError(2, "No such file or directory", "a.npz"))
        ("no 'models' in it", 'No such file or directory')
    """
    if isinstance(error, PipelineError):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if isinstance(error, KeyError) and error.args and not isinstance(error.args[0], str):
        return "damaged"  # the key is a number that somebody has read
    if isinstance(error, KeyError) and error.args and " " not in error.args[0]:
        return f"no {error.args[0]!r} in it"
    if isinstance(error, TypeError | AttributeError | IndexError):
        return "not of the form that it should have"
    reason = getattr(error, "reason", None)  # of urllib, whose own text is no sentence
    if isinstance(reason, Exception):
        return in_words(reason)
    details = getattr(error, "errors", None)  # of pydantic, whose own text names classes and pages
    if callable(details):
        first = details(include_url=False)[0]
        return ": ".join(filter(None, [".".join(map(str, first["loc"])), first["msg"]]))
    text = str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
    return text.strip().partition("\n")[0] or "damaged"


class PipelineError(Exception):
    """Root of every error that this project raises on purpose."""

    def __str__(self) -> str:
        """Say what happened, on the lines that the message has, in characters that can be printed."""
        return "\n".join(map(printable, super().__str__().split("\n")))


class ParamsError(PipelineError, ValueError):
    """A value in params.yaml, or a command option, cannot be used."""


class DataError(PipelineError, ValueError):
    """A data set, a feature file or an array cannot be used; the stage stops."""


class DivergenceError(DataError):
    """A training whose numbers grow without bound; other parameters may train."""


class ClipError(PipelineError, ValueError):
    """One clip cannot be used; the run goes on without it.

    The arguments stay in ``args``, so the error survives the way out of a process pool.

    Args:
        clip_id: the clip, or the path of its file where only that is known.
        kind: the word for the damage in rejected.csv.
        problem: what is wrong.
        expected: what would be right.

    Example:
        >>> print(ClipError("bark.mp4", "no_audio", "no sound in the file", "an audio stream"))
        clip 'bark.mp4': no sound in the file; expected an audio stream
    """

    def __init__(self, clip_id: str, kind: RejectKind, problem: str, expected: str) -> None:
        super().__init__(clip_id, kind, problem, expected)
        self.clip_id, self.kind, self.problem, self.expected = clip_id, kind, problem, expected

    def __str__(self) -> str:
        """Name the clip, what is wrong with it, and what would be right."""
        return printable(f"clip {self.clip_id!r}: {self.problem}; expected {self.expected}")


class DiskError(PipelineError):
    """A disk is full, fails or may not be written; the stage stops, and goes on where it stopped when there is room."""
