"""Finished clips, kept outside of DVC's outs, which DVC deletes before a stage runs: a killed run does not start over.

An entry is found by what made it: the bytes that went in, the parameters, the weights and the code. It is written
whole or not at all, and holds the key it was made for and a hash of its own content, so that what a disk damages or
somebody moves later is never served.
``avr cache`` shows and prunes the entries.
"""

import hashlib
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

from pydantic import TypeAdapter
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from pipeline.errors import ClipError, DataError, RejectKind, in_words
from pipeline.formats.files import replacing
from pipeline.formats.shards import Arrays, arrays_sha256, stored_rows_and_notes
from pipeline.settings.notices import tell_once
from pipeline.settings.paths import AnyPath
from pipeline.settings.regular_files import check_regular, open_regular

ENTRY = "entry"  # the one key of the metadata: with two of them the bytes of a file would not be the same every time
LAYOUT = 3  # of an entry; those of another layout are not found
DAMAGE = (SafetensorError, ValueError, KeyError, TypeError)  # of reading a damaged file; a DataError is a ValueError
NOTE = TypeAdapter(tuple[str, str, tuple[RejectKind, str, str] | None])  # key, hash of the content, reason of a refusal
Reason: TypeAlias = tuple[RejectKind, str, str]  # kind, problem, expected
OTHER_HASH = "its content has another hash"


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
        self._folder, self._fingerprint = str(Path(folder)), fingerprint

    def path(self, input_hash: str) -> Path:
        """Return the file of the entry that belongs to an input, whether it exists or not."""
        return Path(self._place(input_hash)[1])

    def _place(self, input_hash: str) -> tuple[str, str]:
        """The key of an input and the path of its entry; a Path would cost as much as looking at the file."""
        key = hashlib.sha256(f"{LAYOUT}:{input_hash}:{self._fingerprint}".encode()).hexdigest()
        return key, f"{self._folder}/{key[:2]}/{key}.safetensors"

    def look_up(self, clip_id: str, input_hash: str) -> Entry:
        """Return what is known of a clip; of its arrays only the header is looked at, which ``read`` does not trust.

        An entry that is no file, is cut off, has a damaged header or was made for another key is removed and counts as
        unknown. So does one that cannot be read, such as that of a user who keeps files private.
        """
        key, path = self._place(input_hash)
        try:
            digest, reason = _note(path, key)
            if reason is not None and digest != _digest(key, {}, reason):
                raise ValueError(OTHER_HASH)
        except FileNotFoundError:
            return Entry("unknown")
        except DAMAGE:
            _remove(path)
            return Entry("unknown")
        except OSError as error:
            tell_once(f"{self._folder}: {error.strerror}; entries that cannot be read are computed again")
            return Entry("unknown")
        _mark_as_used(path)
        return Entry("done") if reason is None else Entry("refused", ClipError(clip_id, *reason))

    def read(self, clip_id: str, input_hash: str) -> Arrays:
        """Return the arrays of a finished clip.

        Raises:
            DataError: the entry is gone, damaged or not to be read; a damaged one is removed, so computing the clip
                again mends it.
        """
        key, path = self._place(input_hash)
        try:
            stored, notes = stored_rows_and_notes(path, follow_link=False)
            digest, reason = _checked(notes, key)
            arrays = {name: rows[:] for name, rows in stored.items()}
            if digest != _digest(key, arrays, reason):
                raise ValueError(OTHER_HASH)
        except FileNotFoundError as error:
            raise DataError(f"clip {clip_id!r}: {path}: gone; expected the entry that was just there") from error
        except DAMAGE as error:
            _remove(path)
            raise DataError(
                f"clip {clip_id!r}: {path}: damaged ({in_words(error)}); expected an intact entry"
            ) from error
        except OSError as error:
            raise DataError(f"clip {clip_id!r}: {path}: {error.strerror}; expected an entry to read") from error
        _mark_as_used(path)
        return arrays

    def write(self, input_hash: str, result: Arrays | ClipError) -> None:
        """Keep the arrays of a clip, or why it is refused.

        Raises:
            DiskError: the disk is full or fails, or the folder cannot be written.
        """
        key, path = self._place(input_hash)
        reason = _reason(result) if isinstance(result, ClipError) else None
        arrays = {} if isinstance(result, ClipError) else result
        note = NOTE.dump_json((key, _digest(key, arrays, reason), reason)).decode()
        with replacing(path) as temporary:
            temporary.touch()
            mode = temporary.stat().st_mode  # safetensors would lock out all other users
            save_file(arrays, temporary, {ENTRY: note})
            temporary.chmod(mode)


def _note(path: str, key: str) -> tuple[str, Reason | None]:
    """The hash that an entry notes, and the reason of a refusal, or None; of no file but the one made for this key."""
    check_regular(path, follow_link=False)
    try:
        with safe_open(path, framework="numpy") as entry:
            return _checked(entry.metadata(), key)
    except (SafetensorError, OSError):
        open_regular(path, follow_link=False).close()  # the system says more, such as that it may not be read
        raise


def _checked(notes: Mapping[str, str], key: str) -> tuple[str, Reason | None]:
    """What an entry notes, if it was made for this key."""
    made_for, digest, reason = NOTE.validate_json(notes[ENTRY])
    if made_for != key:
        raise ValueError(f"made for the key {made_for[:12]}")
    return digest, reason


def _reason(error: ClipError) -> Reason:
    """What is kept of a refusal; bytes of a path that are no UTF-8 are written out."""
    problem, expected = (text.encode(errors="backslashreplace").decode() for text in (error.problem, error.expected))
    return error.kind, problem, expected


def _digest(key: str, arrays: Arrays, reason: Reason | None) -> str:
    """Hash of all that an entry says: sha256, hex."""
    return hashlib.sha256(f"{key}:{arrays_sha256(arrays)}:{reason!r}".encode()).hexdigest()


def _remove(path: str) -> None:
    """Remove a damaged entry; where the folder may only be read, writing the next one will say so."""
    with suppress(OSError):
        Path(path).unlink()


def _mark_as_used(path: str) -> None:
    """Set the time by which ``prune`` knows what was used last; a folder that may only be read stays as it is."""
    with suppress(OSError):
        os.utime(path)
