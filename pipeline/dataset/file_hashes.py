"""Hashes of the video files, remembered from one scan to the next."""

import json
import time
from collections.abc import Collection
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from pipeline.errors import DiskError
from pipeline.formats.clips import Clip
from pipeline.formats.files import file_sha256, write_atomically
from pipeline.settings.paths import AnyPath
from pipeline.settings.progress import track

RACY_SECONDS = 2.0  # a file touched this recently may change again within one tick of its clock


def with_hashes(root: AnyPath, clips: Collection[Clip], memory: AnyPath) -> list[Clip]:
    """Return the clips with the sha256 of their files; a file that cannot be read gets none.

    Args:
        root: the folder that the clips' paths start from.
        clips: the clips.
        memory: JSON file that remembers the hash of a path, size and modification time, so that a second scan reads
            no video.
    """
    root, memory = Path(root), Path(memory)
    try:
        known: dict[str, str] = dict(json.loads(memory.read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError, TypeError):
        known = {}
    n_known = len(known)
    hashed = [replace(clip, sha256=_sha256(root / clip.path, known)) for clip in track(clips, "dataset", "clip")]
    if len(known) > n_known:
        with suppress(DiskError):  # it only saves time; the stages that need room will say so
            write_atomically(memory, json.dumps(known).encode())
    return hashed


def _sha256(path: Path, known: dict[str, str]) -> str:
    """Hash of a file, remembered or new; empty where it cannot be read."""
    try:
        facts = path.stat()
        key = f"{path.resolve()}:{facts.st_size}:{facts.st_mtime_ns}"
        if key in known:
            return known[key]
        digest = file_sha256(path)
    except OSError:
        return ""
    if time.time() - facts.st_mtime > RACY_SECONDS:
        known[key] = digest
    return digest
