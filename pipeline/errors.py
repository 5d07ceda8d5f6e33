"""The errors a user can meet. Each one names the item, what is wrong with it and what was expected."""

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
    "undecodable",
    "limit",
    "timeout",
    "crashed",
    "out_of_memory",
    "failed",
]


class PipelineError(Exception):
    """Root of every error that this project raises on purpose."""


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
        return f"clip {self.clip_id!r}: {self.problem}; expected {self.expected}"


class DiskError(PipelineError):
    """A disk is full, fails or may not be written; the stage stops, and goes on where it stopped when there is room."""
