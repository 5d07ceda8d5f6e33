"""Finished clips, kept outside of DVC's outs, which DVC deletes before a stage runs: a killed run does not start over.

An entry is found by what made it: the bytes that went in, the parameters, the weights and the code. It is written
whole or not at all, and holds a hash of its own content, so that what a disk damages later is never served.
``avr cache`` shows and prunes the entries.
"""

import hashlib
import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, NamedTuple

from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from pipeline.errors import ClipError, DataError
from pipeline.formats.files import replacing
from pipeline.formats.shards import Arrays, arrays_sha256, stored_rows
from pipeline.settings.paths import AnyPath

ENTRY = "entry"  # the one key of the metadata: with two of them the bytes of a file would not be the same every time
LAYOUT = 2  # of an entry; those of another layout are not found
DAMAGE = (SafetensorError, ValueError, KeyError, TypeError)  # of reading a damaged file; a DataError is a ValueError


class Entry(NamedTuple):
    """What the cache knows of a clip.

    Attributes:
        state: ``done``: its arrays can be read; ``refused``: it cannot be used; ``unknown``: it is to be computed.
        refusal: why it cannot be used; None in the other states.
    """

    state: Literal["done", "refused", "unknown"]
    refusal: ClipError | None = None


class ClipCache:
    """Results of one stage: of every input, its arrays or the reason why it was refused.

    Args:
        folder: where entries are kept; several runs and machines may share it.
        fingerprint: hash of all that decides a result besides the input; see ``fingerprint``.

    Examples:
        >>> import numpy as np
        >>> cache = ClipCache(Path("cache"), "hash of the parameters and the code")
        >>> cache.write("hash of a video", {"seconds": np.array([0.0, 0.96])})
        >>> cache.look_up("a.mp4", "hash of a video")
        Entry(state='done', refusal=None)
        >>> cache.read("a.mp4", "hash of a video")["seconds"].tolist()
        [0.0, 0.96]
    """

    def __init__(self, folder: AnyPath, fingerprint: str) -> None:
        self._folder, self._fingerprint = Path(folder), fingerprint

    def path(self, input_hash: str) -> Path:
        """Return the file of the entry that belongs to an input, whether it exists or not."""
        key = hashlib.sha256(f"{LAYOUT}:{input_hash}:{self._fingerprint}".encode()).hexdigest()
        return self._folder / key[:2] / f"{key}.safetensors"

    def look_up(self, clip_id: str, input_hash: str) -> Entry:
        """Return what is known of a clip; of its arrays only the header is looked at, which ``read`` does not trust.

        An entry whose file is cut off or whose header is damaged is removed and counts as unknown.
        """
        path = self.path(input_hash)
        try:
            with safe_open(path, framework="numpy") as entry:
                digest, reason = _note(entry)
            if reason is not None and digest != _digest({}, reason):
                raise ValueError("its content has another hash")
        except FileNotFoundError:
            return Entry("unknown")
        except DAMAGE:
            _remove(path)
            return Entry("unknown")
        _mark_as_used(path)
        return Entry("done") if reason is None else Entry("refused", ClipError(clip_id, *reason))

    def read(self, clip_id: str, input_hash: str) -> Arrays:
        """Return the arrays of a finished clip.

        Raises:
            DataError: the entry is gone or damaged; a damaged one is removed, so computing the clip again mends it.
        """
        path = self.path(input_hash)
        try:
            with safe_open(path, framework="numpy") as entry:
                digest, reason = _note(entry)
            arrays = {name: rows[:] for name, rows in stored_rows(path).items()}
            if digest != _digest(arrays, reason):
                raise ValueError("its content has another hash")
        except FileNotFoundError as error:
            raise DataError(f"clip {clip_id!r}: {path}: gone; expected the entry that was just there") from error
        except DAMAGE as error:
            _remove(path)
            raise DataError(f"clip {clip_id!r}: {path}: damaged ({error}); expected an intact entry") from error
        _mark_as_used(path)
        return arrays

    def write(self, input_hash: str, result: Arrays | ClipError) -> None:
        """Keep the arrays of a clip, or why it is refused.

        Raises:
            DiskError: the disk is full or fails, or the folder cannot be written.
        """
        refusal = [result.kind, result.problem, result.expected] if isinstance(result, ClipError) else None
        arrays = {} if isinstance(result, ClipError) else result
        with replacing(self.path(input_hash)) as temporary:
            temporary.touch()
            mode = temporary.stat().st_mode  # safetensors would lock out all other users
            save_file(arrays, temporary, {ENTRY: json.dumps([_digest(arrays, refusal), refusal])})
            temporary.chmod(mode)


def _note(entry: Any) -> tuple[str, Any]:  # noqa: ANN401 - safetensors types no handle
    """The hash that an open entry notes, and the reason of a refusal: [kind, problem, expected], or None."""
    digest, reason = json.loads(entry.metadata()[ENTRY])
    return digest, reason


def _digest(arrays: Arrays, reason: list[str] | None) -> str:
    """Hash of all that an entry says: sha256, hex."""
    return hashlib.sha256(f"{arrays_sha256(arrays)}:{json.dumps(reason)}".encode()).hexdigest()


def _remove(path: Path) -> None:
    """Remove a damaged entry; where the folder may only be read, writing the next one will say so."""
    with suppress(OSError):
        path.unlink()


def _mark_as_used(path: Path) -> None:
    """Set the time by which ``prune`` knows what was used last; a folder that may only be read stays as it is."""
    with suppress(OSError):
        os.utime(path)
