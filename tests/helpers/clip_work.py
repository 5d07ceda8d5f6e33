"""Work for workers of another process, told what to do by the first word of a clip's bytes. Loads nothing heavy."""

import ctypes
import fcntl
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_info

from pipeline.errors import ClipError
from pipeline.formats.clips import Clip
from pipeline.formats.shards import Arrays


def measure(clip: Clip, path: Path, log: Path) -> Arrays:
    """Return the size of a clip, and note in ``log`` that it was asked for and by which process."""
    with log.open("a") as file:
        file.write(f"{clip.clip_id} {os.getpid()}\n")
    data = path.read_bytes()
    first, *others = data.decode(errors="replace").split(" ")
    if first in ("overwritten", "touched"):  # by somebody else, while it is decoded; what it then does comes next
        path.write_bytes(b"other bytes" if first == "overwritten" else data)
        first = others[0]
    obey(first)
    return {"size": np.array([len(data)])}


def obey(word: str) -> str:
    """Do what a word says, and return the word where that is nothing."""
    if word == "bad":
        raise ClipError("a path", "no_audio", "no sound in it", "an audio stream")
    if word == "long":
        raise ClipError("a path", "limit", "it is too long", "at most limits.clip_seconds=21600")
    if word == "broken":
        raise ZeroDivisionError(word)
    if word == "interrupt":
        raise KeyboardInterrupt
    if word == "hang":
        time.sleep(1000)
    if word == "hang-in-c":  # PyDLL keeps Python's lock: no other thread of the process runs
        ctypes.PyDLL(None).sleep(1000)
    if word == "segfault":
        ctypes.string_at(0)
    if word == "abort":
        os.abort()
    if word == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if word == "nap":
        time.sleep(3)
    if word == "greedy":
        bytearray(50_000_000_000)
    return word


def meet(place: Path, n_calls: int) -> tuple[int, int]:
    """Come to a place of a folder, wait until all have come, and return one's own process and its parent."""
    if place.name == "bad":
        obey("bad")
    place.touch()
    while len(list(place.parent.iterdir())) < n_calls:
        time.sleep(0.01)
    return os.getpid(), os.getppid()


class LoadsTogether:
    """``obey`` for other processes, where it takes until two of them load it at the same time, as modules take time."""

    def __init__(self, place: Path) -> None:
        self._place = place

    def __reduce__(self) -> tuple[Callable[[Path], Callable[[str], str]], tuple[Path]]:
        return load_together, (self._place,)

    def __call__(self, word: str) -> str:
        raise NotImplementedError(word)  # in this process


def load_together(place: Path) -> Callable[[str], str]:
    """Return ``obey``, for the first time in a process when a second one has come."""
    (place / str(os.getpid())).touch()
    deadline = time.monotonic() + 30
    while len(list(place.iterdir())) < 2:
        if time.monotonic() > deadline:
            raise TimeoutError("nobody else came")
        time.sleep(0.01)
    return obey


def n_threads(_: str) -> int:
    """How many threads NumPy's library for arithmetic would use."""
    return max(int(pool["num_threads"]) for pool in threadpool_info())


def hold(path: Path) -> None:
    """Lock a file for as long as this process lives, and hang."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write("locked")
        file.flush()
        time.sleep(1000)


def abort(_: object) -> None:
    """End this process at once."""
    os.abort()


def rows_of_number(clip: Clip, path: Path) -> Arrays:
    """Return two rows of the number that the clip's bytes say."""
    return {"rows": np.full((2, 3), int(path.read_text())), "seconds": np.arange(2.0)}


def rows_of_size(clip: Clip, path: Path) -> Arrays:
    """Return as many rows as the clip's bytes say, of 1 MB each, after doing what another word says."""
    word = path.read_text().split(" ")[0]
    n_rows = 1 if word.isalpha() else int(word)
    if word.isalpha():
        obey(word)
    return {"rows": np.full((n_rows, 1 << 20), n_rows, np.uint8), "seconds": np.arange(float(n_rows))}
