"""The boxes that MP4 and MOV are made of (ISO 14496-12, 4.2): where each lies, looked up once for all who ask."""

import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import NamedTuple, TypeAlias

from pipeline.settings.paths import AnyPath

_HEADER = struct.Struct(">I4s")  # size and name
HEADER_BYTES = _HEADER.size
_LONG_HEADER_BYTES = 16
_START_BYTES = 64  # of a file, which show its format
_WINDOW_BYTES = 1 << 14  # looked through at a time: the index of a short clip fits


class Box(NamedTuple):
    """A box of a file: its name, and at which bytes its content and what follows it begin."""

    name: bytes
    content: int
    end: int


Boxes: TypeAlias = dict[bytes, list[Box]]  # by name, each list in the order of the file


class BoxFile:
    """A file that is open for its boxes; of another format it gives the bytes.

    Args:
        path: where it is, for messages.
        descriptor: the system's number of the open file.
    """

    def __init__(self, path: AnyPath, descriptor: int) -> None:
        self.path, self._descriptor = Path(path), descriptor
        self.n_bytes = os.fstat(descriptor).st_size
        self._inside: dict[int, Boxes] = {}
        self._window, self._window_start = b"", 0
        self.first_bytes = self.bytes_at(0, _START_BYTES)

    @cached_property
    def top(self) -> Boxes:
        """The boxes that lie in no other."""
        return self._boxes(0, self.n_bytes)

    @cached_property
    def indexes(self) -> list[Boxes]:
        """The tables of each track, which say what its packets are and where they lie."""
        return [self.inside(box) for box in self.at(self.top, b"moov", b"trak", b"mdia", b"minf", b"stbl")]

    def inside(self, box: Box) -> Boxes:
        """Return the boxes that lie in another."""
        if (found := self._inside.get(box.content)) is None:
            found = self._inside[box.content] = self._boxes(box.content, box.end)
        return found

    def at(self, boxes: Boxes, *names: bytes) -> Iterator[Box]:
        """Yield the boxes of a name that lie in boxes of names in boxes of names, and so on.

        Args:
            boxes: those to begin with.
            names: of the first of those that are looked for, of what lies in them, ..., of those that are wanted.
        """
        for box in boxes.get(names[0], ()):
            if len(names) == 1:
                yield box
            else:
                yield from self.at(self.inside(box), *names[1:])

    def bytes_at(self, position: int, n_bytes: int) -> bytes:
        """Return the bytes from a position on; behind the end of the file are none."""
        if n_bytes > _WINDOW_BYTES:
            return os.pread(self._descriptor, n_bytes, position)
        start = position - self._window_start
        if not 0 <= start <= len(self._window) - n_bytes:
            start = self._move_window(position)
        return self._window[start : start + n_bytes]

    def number_at(self, position: int, n_bytes: int = 4) -> int:
        """Return the whole number, big end first, that stands at a position."""
        start = position - self._window_start
        if not 0 <= start <= len(self._window) - n_bytes:
            start = self._move_window(position)
        return int.from_bytes(self._window[start : start + n_bytes])

    def _boxes(self, position: int, end: int) -> Boxes:
        """The boxes from a position on; what follows the last one that has a name is no box."""
        found: Boxes = {}
        while position + HEADER_BYTES <= end:
            start = position - self._window_start
            if not 0 <= start <= len(self._window) - _LONG_HEADER_BYTES:
                start = self._move_window(position)
            if start + HEADER_BYTES > len(self._window):
                break
            size, name = _HEADER.unpack_from(self._window, start)
            if not name.isalnum():
                break
            content = position + HEADER_BYTES
            if size == 1:  # it is 64 bits wide
                size, content = self.number_at(content, 8), position + _LONG_HEADER_BYTES
            position = end if size == 0 else position + max(size, HEADER_BYTES)
            found.setdefault(name, []).append(Box(name, content, position))
        return found

    def _move_window(self, position: int) -> int:
        """Read on from a position; return where in the window that is."""
        self._window, self._window_start = os.pread(self._descriptor, _WINDOW_BYTES, position), position
        return 0


@contextmanager
def open_boxes(path: AnyPath) -> Iterator[BoxFile]:
    """Give a file that is open for its boxes.

    Raises:
        OSError: it cannot be read.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield BoxFile(path, descriptor)
    finally:
        os.close(descriptor)
