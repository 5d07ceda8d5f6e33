"""Hashes of the video files, remembered from one scan to the next."""

import os
import sys
import time
from collections.abc import Collection
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

from pydantic import TypeAdapter

from pipeline.errors import DataError
from pipeline.formats.clip_files import files_of, joined_sha256
from pipeline.formats.clips import Clip
from pipeline.formats.files import file_sha256
from pipeline.formats.memory import recall, remember
from pipeline.settings.paths import AnyPath
from pipeline.settings.progress import track
from pipeline.settings.regular_files import check_regular
from pipeline.settings.time_limit import WorkTimeoutError, time_limit

RACY_SECONDS = 2.0  # a file touched this recently may change again within one tick of its clock


class _Hash(NamedTuple):
    """What is remembered of a path: the state of the file that was read, and its hash."""

    state: str
    sha256: str


_KNOWN = TypeAdapter(dict[str, _Hash])


def with_hashes(
    root: AnyPath, clips: Collection[Clip], memory: AnyPath, timeout_seconds: float = float("inf")
) -> list[Clip]:
    """Return the clips with the sha256 of their files; a file that cannot be read, or takes too long, gets none.

    Args:
        root: the folder that the clips' paths start from.
        clips: the clips.
        memory: JSON file that remembers the hash of a path while the file's size, modification time and change time
            stay, so that a second scan reads no video.
        timeout_seconds: what one file may take.
    """
    root, memory = Path(root), Path(memory)
    known = recall(memory, _KNOWN)
    before = dict(known)
    read = partial(_sha256_in_time, known=known, timeout_seconds=timeout_seconds)
    hashed = [
        replace(clip, sha256=joined_sha256([read(file) for file in files_of(root, clip.path).all()]))
        for clip in track(clips, "dataset", "clip")
    ]
    if known != before:
        remember(memory, _KNOWN, known)
    return hashed


def _sha256_in_time(path: Path, known: dict[str, _Hash], timeout_seconds: float) -> str:
    """Hash of a file; empty, with a line on stderr, where that takes too long."""
    try:
        with time_limit(timeout_seconds):
            return _sha256(path, known)
    except WorkTimeoutError as error:
        print(f"dataset: {path}: {error}; expected a file that can be read in that time", file=sys.stderr)
        return ""


def _sha256(path: Path, known: dict[str, _Hash]) -> str:
    """Hash of a file, remembered or new; empty where it cannot be read."""
    try:
        facts = check_regular(path)
        key, state = os.fsencode(path.resolve()).decode("utf-8", "backslashreplace"), _state(facts)
        if key in known and known[key].state == state:
            return known[key].sha256
        digest = file_sha256(path)
    except (OSError, DataError):
        return ""
    if time.time() - max(facts.st_mtime, facts.st_ctime) > RACY_SECONDS:
        known[key] = _Hash(state, digest)
    return digest


def _state(facts: os.stat_result) -> str:
    """What differs once somebody has written to a file; no program can set the last part, the time of the inode."""
    return f"{facts.st_size}:{facts.st_mtime_ns}:{facts.st_ctime_ns}"
