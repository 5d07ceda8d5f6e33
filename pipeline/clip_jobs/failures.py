"""What becomes of an error that nobody expected: it costs its clip, says where it arose, and blames no file."""

import errno
import traceback
from pathlib import Path

from pipeline.clip_jobs.engines.base import Stopped
from pipeline.errors import ClipError, DiskError, ParamsError
from pipeline.settings.imports import PROJECT

TRANSIENT = ("changed", "unreadable", "timeout", "out_of_memory", "lost", "failed")
"""Kinds that are true of a run or a machine and not of a clip: not remembered, and tried again by the next run."""
OF_THE_RUN = (ParamsError, DiskError)
"""Errors that every clip would meet: they stop the run."""
_EXPECTED = {
    "timeout": "a video that decodes within dataset.clip_timeout_seconds",
    "crashed": "a video that decodes within dataset.clip_timeout_seconds",
    "out_of_memory": "more of it (limits.worker_memory_gigabytes), or fewer clips at a time (AVR_WORKERS)",
    "lost": "a machine that stays for as long as a clip takes",
}


def refusal_of(clip_id: str, error: Exception) -> ClipError:
    """Return the refusal of a clip whose computing ended with an error that is no ClipError.

    Args:
        clip_id: the clip.
        error: as it was caught, with its traceback.
    """
    if _is_of_memory(error):
        return refusal_of_stopped(clip_id, Stopped("out_of_memory", f"out of memory at {place(error)}"))
    problem = f"{type(error).__name__} at {place(error)}: {error}"
    return ClipError(clip_id, "failed", problem, "a program that can handle this file: please report it")


def refusal_of_stopped(clip_id: str, stopped: Stopped) -> ClipError:
    """Return the refusal of a clip whose computing was stopped, or took its process down."""
    return ClipError(clip_id, stopped.kind, stopped.problem, _EXPECTED[stopped.kind])


def place(error: BaseException) -> str:
    """Return where an error arose: ``pipeline/video/media.py:105``, the innermost line of the project's own."""
    frames = traceback.extract_tb(error.__traceback__)
    installed = PROJECT / ".venv"
    for frame in reversed(frames):
        file = Path(frame.filename)
        if file.is_relative_to(PROJECT) and not file.is_relative_to(installed):
            return f"{file.relative_to(PROJECT)}:{frame.lineno}"
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else "an unknown place"


def _is_of_memory(error: Exception) -> bool:
    """Whether too little memory is behind it: torch has errors of its own, and the system a number."""
    is_by_number = isinstance(error, OSError) and error.errno == errno.ENOMEM
    is_of_torch = isinstance(error, RuntimeError) and ("allocate memory" in str(error) or "out of memory" in str(error))
    return isinstance(error, MemoryError) or is_by_number or is_of_torch
