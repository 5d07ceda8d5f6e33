"""The errors a user can meet. Each one names the item, what is wrong with it and what was expected."""

import errno
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
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
    "timeout",
    "crashed",
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
    """

    def __init__(self, clip_id: str, kind: RejectKind, problem: str, expected: str) -> None:
        super().__init__(clip_id, kind, problem, expected)
        self.clip_id, self.kind, self.problem, self.expected = clip_id, kind, problem, expected

    def __str__(self) -> str:
        """Name the clip, what is wrong with it, and what would be right."""
        return f"clip {self.clip_id!r}: {self.problem}; expected {self.expected}"


class DiskError(PipelineError):
    """A disk is full, fails or may not be written; the stage stops, and goes on where it stopped when there is room."""


FULL_OR_FAILING = (errno.ENOSPC, errno.EDQUOT, errno.EIO)
NOT_WRITABLE = (errno.EROFS, errno.EACCES, errno.EPERM, errno.EEXIST, errno.ENOTDIR)  # a file in a folder's place


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn a failure of the disk inside the block into a DiskError that names the file.

    Args:
        path: what the block writes.

    Raises:
        DiskError: the disk or the quota is full, or the device fails; other errors pass.
    """
    try:
        yield
    except Exception as error:
        number = _system_error(error)
        if number not in FULL_OR_FAILING:
            raise
        raise DiskError(_disk_problem(path, number)) from error


@contextmanager
def cache_errors(path: Path) -> Iterator[None]:
    """Do the same where the block writes to the cache folder, which may also be one that cannot be written.

    Raises:
        DiskError: as ``disk_errors``; or the folder is read-only, somebody else's, or no folder.
    """
    try:
        with disk_errors(path):
            yield
    except OSError as error:
        if error.errno not in NOT_WRITABLE:
            raise
        expected = "a folder that can be written (CACHE_DIR names that of the caches)"
        raise DiskError(f"{path}: {os.strerror(error.errno)}; expected {expected}") from error


def _system_error(error: Exception) -> int | None:
    """The number of the system's error, if it is one; safetensors has it in its message alone."""
    if isinstance(error, OSError):
        return error.errno
    found = re.search(r"\(os error (\d+)\)", str(error))
    return int(found[1]) if found and not isinstance(error, PipelineError) else None


def _disk_problem(path: Path, number: int) -> str:
    """What the system said of a file, how much room there is, and what to do."""
    folder = next(parent for parent in path.absolute().parents if parent.exists())
    free_megabytes = shutil.disk_usage(folder).free / 1e6
    return (
        f"{path}: {os.strerror(number)} ({free_megabytes:.1f} MB free); expected room to write: free some, or name a "
        "folder on another disk in CACHE_DIR, and run again: it goes on where it stopped"
    )
