"""Finished clips, kept outside of DVC's outs, which DVC deletes before a stage runs: a killed run does not start over.

An entry is found by what made it: the bytes that went in, the parameters, the weights and the code. It is written
whole or not at all, and holds the key it was made for and a hash of its own content, so that what a disk damages or
somebody moves later is never served. It lies in a folder, or in an object store.
``avr cache`` shows and prunes the entries.
"""

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

from pydantic import TypeAdapter
from safetensors import SafetensorError

from pipeline.clip_jobs.cache.object_store import ObjectStore
from pipeline.clip_jobs.cache.stores import FolderStore, Store, ahead
from pipeline.errors import ClipError, DataError, RejectKind, in_words
from pipeline.formats.shards import Arrays, arrays_sha256
from pipeline.settings.notices import tell_once
from pipeline.settings.paths import AnyPath

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
        folder: where entries are kept, or a URL; several runs and machines may share it.
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
        self._fingerprint = fingerprint
        self._store: Store = _store(folder, fingerprint)

    def path(self, input_hash: str) -> Path:
        """Return the file of the entry that belongs to an input, whether it exists or not; of a cache in a folder."""
        return Path(self._store.place(self._place(input_hash)[1]))

    def _place(self, input_hash: str) -> tuple[str, str]:
        """The key of an input and the name of its entry."""
        key = hashlib.sha256(f"{LAYOUT}:{input_hash}:{self._fingerprint}".encode()).hexdigest()
        return key, f"{key[:2]}/{key}.safetensors"

    def look_up(self, clip_id: str, input_hash: str) -> Entry:
        """Return what is known of a clip; see ``look_up_all``."""
        if self._store.is_looked_at_one_by_one:
            return self._entry_of((clip_id, *self._place(input_hash)))[1]
        return self.look_up_all({clip_id: input_hash})[clip_id]

    def look_up_all(self, inputs: Mapping[str, str]) -> dict[str, Entry]:
        """Return what is known of clips; of arrays only the header is looked at, or the size, and ``read`` trusts none.

        An entry that is no file, is cut off, has a damaged header or was made for another key is removed and counts as
        unknown. So does one that cannot be read, such as that of a user who keeps files private. In an object store
        those of arrays are seen to be so when they are read.

        Args:
            inputs: the input hash of every clip.

        Raises:
            DiskError: an object store does not answer, or may not be looked at.
        """
        if self._store.is_looked_at_one_by_one:
            return dict(self._entry_of((clip_id, *self._place(digest))) for clip_id, digest in inputs.items())
        places = {clip_id: self._place(digest) for clip_id, digest in inputs.items()}
        seen = self._store.glance(name for _, name in places.values())
        states = {"absent": Entry("unknown"), "arrays": Entry("done")}
        to_read = [(clip_id, *place) for clip_id, place in places.items() if seen[place[1]] == "to read"]
        read = dict(ahead(self._entry_of, to_read, self._store.n_at_a_time))
        return {i: read[i] if i in read else states[seen[name]] for i, (_, name) in places.items()}

    def read(self, clip_id: str, input_hash: str) -> Arrays:
        """Return the arrays of a finished clip.

        Raises:
            DataError: the entry is gone, damaged or not to be read; a damaged one is removed, so computing the clip
                again mends it.
            DiskError: an object store does not answer.
        """
        key, name = self._place(input_hash)
        place = self._store.place(name)
        try:
            arrays, notes = self._store.read(name)
            digest, reason = _checked(notes, key)
            if digest != _digest(key, arrays, reason):
                raise ValueError(OTHER_HASH)
        except FileNotFoundError as error:
            raise DataError(f"clip {clip_id!r}: {place}: gone; expected the entry that was just there") from error
        except DAMAGE as error:
            self._store.remove(name)
            raise DataError(
                f"clip {clip_id!r}: {place}: damaged ({in_words(error)}); expected an intact entry"
            ) from error
        except OSError as error:
            raise DataError(f"clip {clip_id!r}: {place}: {error.strerror}; expected an entry to read") from error
        if reason is not None:
            raise DataError(f"clip {clip_id!r}: {place}: of a refused clip; expected one with arrays")
        self._store.mark_as_used(name)
        return arrays

    def read_all(self, inputs: Iterable[tuple[str, str]]) -> Iterator[Arrays | DataError]:
        """Yield the arrays of finished clips, or what ``read`` says of them, some entries of a store at a time.

        Args:
            inputs: pairs of a clip and its input hash.
        """
        return ahead(self._read_or_error, inputs, self._store.n_at_a_time)

    def write(self, input_hash: str, result: Arrays | ClipError) -> None:
        """Keep the arrays of a clip, or why it is refused.

        Raises:
            DiskError: the disk is full or fails, or the folder or the store cannot be written.
        """
        key, name = self._place(input_hash)
        reason = _reason(result) if isinstance(result, ClipError) else None
        arrays = {} if isinstance(result, ClipError) else result
        note = NOTE.dump_json((key, _digest(key, arrays, reason), reason)).decode()
        self._store.write(name, arrays, {ENTRY: note})

    def _entry_of(self, asked: tuple[str, str, str]) -> tuple[str, Entry]:
        """What the notes of an entry say of a clip: its id, the key and the name of the entry."""
        clip_id, key, name = asked
        try:
            digest, reason = _checked(self._store.notes(name), key)
            if reason is not None and digest != _digest(key, {}, reason):
                raise ValueError(OTHER_HASH)
        except FileNotFoundError:
            return clip_id, Entry("unknown")
        except DAMAGE:
            self._store.remove(name)
            return clip_id, Entry("unknown")
        except OSError as error:
            folder = self._store.place(name).removesuffix(f"/{name}")
            tell_once(f"{folder}: {error.strerror}; entries that cannot be read are computed again")
            return clip_id, Entry("unknown")
        self._store.mark_as_used(name)
        return clip_id, Entry("done") if reason is None else Entry("refused", ClipError(clip_id, *reason))

    def _read_or_error(self, asked: tuple[str, str]) -> Arrays | DataError:
        """The arrays of a finished clip, or why they cannot be had."""
        try:
            return self.read(*asked)
        except DataError as error:
            return error


def _store(folder: AnyPath, fingerprint: str) -> Store:
    """Where entries are kept; below a URL those of one fingerprint are together, as a run lists them."""
    text = os.fspath(folder)
    return ObjectStore(f"{text.rstrip('/')}/{fingerprint[:16]}") if "://" in text else FolderStore(str(Path(text)))


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
