"""Folders in which weights are fetched and written until they are whole, and what killed runs leave of them.

Whoever works in such a folder holds a lock on it, which the system takes back when the process ends, however it ends.
"""

import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import mkdtemp

from pipeline.settings.paths import AnyPath

PREFIX = ".unfinished-"
DAY_SECONDS = 24 * 60 * 60.0


@contextmanager
def unfinished_folder(folder: AnyPath) -> Iterator[Path]:
    """Give a folder of one's own, which is removed after the block; those that killed runs left are removed before."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    remove_unfinished(folder)
    path, lock = _new_folder(folder)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
        os.close(lock)


def remove_unfinished(folder: AnyPath) -> list[Path]:
    """Remove the folders that nobody works in any more, and the notes of sets that were never finished.

    Returns:
        What was removed. While somebody writes into the folder, notes stay: theirs comes before its set.
    """
    folder = Path(folder)
    left = sorted(folder.glob(f"{PREFIX}*"))
    removed = [path for path in left if _remove_if_unused(path)]
    if removed == left:
        notes = [note for note in folder.glob("*.*.json") if not note.with_suffix(".safetensors").exists()]
        for note in sorted(notes):
            note.unlink(missing_ok=True)
            removed.append(note)
    return removed


def _new_folder(folder: Path) -> tuple[Path, int]:
    """A folder of one's own, and the open file that holds its lock."""
    while True:
        path = Path(mkdtemp(dir=folder, prefix=PREFIX))
        with suppress(FileNotFoundError):
            lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
            with suppress(OSError):  # some network folders know no locks
                fcntl.flock(lock, fcntl.LOCK_SH)
            if path.exists():  # nobody took it for a leftover before it had its lock
                return path, lock
            os.close(lock)


def _remove_if_unused(path: Path) -> bool:
    """Whether a folder was removed, as no running process holds its lock."""
    try:
        lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return False  # somebody else's, or no folder
    try:
        if _is_locked(lock):
            return False
        shutil.rmtree(path, ignore_errors=True)
        return not path.exists()
    finally:
        os.close(lock)


def _is_locked(lock: int) -> bool:
    """Whether another process works in an open folder, or may, where there are no locks; if not, it is locked now."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return time.time() - os.fstat(lock).st_mtime < DAY_SECONDS
    return False
