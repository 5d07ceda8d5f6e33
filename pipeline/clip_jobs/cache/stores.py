"""Where entries of the clip cache lie: in a folder, or in an object store behind a URL.

A store knows names and safetensors, and nothing of what an entry means. What it says of an entry is not trusted: the
cache compares keys and hashes itself.
"""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Literal, Protocol, TypeAlias, TypeVar

from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from pipeline.formats.files import replacing
from pipeline.formats.shards import Arrays, stored_rows_and_notes
from pipeline.settings.regular_files import check_regular, open_regular

Item = TypeVar("Item")
Result = TypeVar("Result")
Notes: TypeAlias = dict[str, str]
SeenEntry: TypeAlias = Literal["absent", "to read", "arrays"]
"""What is seen of an entry from outside: nothing is there; only its notes tell; too large for what has no arrays."""


class Store(Protocol):
    """Entries by name; a name is a relative path of two parts."""

    @property
    def n_at_a_time(self) -> int:
        """How many entries are best looked at or read at a time."""

    @property
    def is_looked_at_one_by_one(self) -> bool:
        """Whether a glance at many entries costs no less than reading what is noted in each."""

    def place(self, name: str) -> str:
        """Return where an entry is or would be, for people."""

    def glance(self, names: Iterable[str]) -> dict[str, SeenEntry]:
        """Return what is seen of entries without opening one.

        Raises:
            DiskError: the store does not answer, or may not be looked at.
        """

    def notes(self, name: str) -> Notes:
        """Return the texts in an entry, and read no arrays that are large.

        Raises:
            FileNotFoundError: there is none.
            ValueError, SafetensorError, KeyError, TypeError: it is damaged.
            OSError: it cannot be read.
            DiskError: the store does not answer.
        """

    def read(self, name: str) -> tuple[Arrays, Notes]:
        """Return the arrays of an entry by name and the texts in it, with the errors of ``notes``."""

    def write(self, name: str, arrays: Arrays, notes: Notes) -> None:
        """Keep an entry, arrays by name and texts, whole or not at all, in place of another.

        Raises:
            DiskError: it cannot be written.
        """

    def remove(self, name: str) -> None:
        """Remove a damaged entry; where nothing may be removed, writing the next one will say so."""

    def mark_as_used(self, name: str) -> None:
        """Note that an entry was used, where that costs next to nothing."""


class FolderStore:
    """Entries as files of a folder.

    Args:
        folder: of all of them; it need not exist.
    """

    n_at_a_time, is_looked_at_one_by_one = 1, True

    def __init__(self, folder: str) -> None:
        self._folder = folder

    def place(self, name: str) -> str:
        """Return the path of an entry; a Path would cost as much as looking at the file."""
        return f"{self._folder}/{name}"

    def glance(self, names: Iterable[str]) -> dict[str, SeenEntry]:
        """Return that all are to be read: a file's notes cost no more than a look at it."""
        return dict.fromkeys(names, "to read")

    def notes(self, name: str) -> Notes:
        """Return the texts in an entry, a regular file whose arrays fill it."""
        path = self.place(name)
        check_regular(path, follow_link=False)
        try:
            with safe_open(path, framework="numpy") as entry:
                notes: Notes = entry.metadata()
                return notes
        except (SafetensorError, OSError):
            open_regular(path, follow_link=False).close()  # the system says more, such as that it may not be read
            raise

    def read(self, name: str) -> tuple[Arrays, Notes]:
        """Return the arrays by name and the texts; the file is not mapped."""
        stored, notes = stored_rows_and_notes(self.place(name), follow_link=False)
        return {key: rows[:] for key, rows in stored.items()}, notes

    def write(self, name: str, arrays: Arrays, notes: Notes) -> None:
        """Write a file of arrays by name beside its place, and move it there; the umask says who may read it."""
        with replacing(self.place(name)) as temporary:
            temporary.touch()
            mode = temporary.stat().st_mode  # safetensors would lock out all other users
            save_file(arrays, temporary, notes)
            temporary.chmod(mode)

    def remove(self, name: str) -> None:
        """Remove a file."""
        with suppress(OSError):
            Path(self.place(name)).unlink()

    def mark_as_used(self, name: str) -> None:
        """Set the time by which ``prune`` knows what was used last; a folder that may only be read stays as it is."""
        with suppress(OSError):
            os.utime(self.place(name))


def ahead(function: Callable[[Item], Result], items: Iterable[Item], n_at_a_time: int) -> Iterator[Result]:
    """Yield what a function makes of items, in their order, as threads work on so many of them at a time.

    Example:
        >>> list(ahead(str.upper, ["a", "b", "c"], 2))
        ['A', 'B', 'C']
    """
    if n_at_a_time == 1:
        yield from map(function, items)
        return
    with ThreadPoolExecutor(n_at_a_time) as pool:
        waiting = deque[Future[Result]]()
        try:
            for item in items:
                waiting.append(pool.submit(function, item))
                if len(waiting) >= n_at_a_time:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)
