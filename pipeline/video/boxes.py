"""The boxes that MP4 and MOV are made of (ISO 14496-12, 4.2): where each lies; of their contents nothing is read."""

from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

_HEADER_BYTES, _LONG_HEADER_BYTES = 8, 16


class Box(NamedTuple):
    """A box of a file: its name, and at which bytes it, its content and what follows it begin."""

    name: bytes
    start: int
    content: int
    end: int


def boxes_in(file: BinaryIO, end: int, position: int = 0) -> Iterator[Box]:
    """Yield the boxes from a position on, in their order; what follows the last one that has a name is no box.

    Args:
        file: open for reading.
        end: of the file, or of the box that they lie in.
        position: of the first box.
    """
    while position + _HEADER_BYTES <= end:
        file.seek(position)
        size, name = int.from_bytes(file.read(4)), file.read(4)
        if not name.isalnum():
            return
        content = position + (_LONG_HEADER_BYTES if size == 1 else _HEADER_BYTES)
        size = {0: end - position, 1: int.from_bytes(file.read(8))}.get(size, size)  # to the end, or 64 bits wide
        box = Box(name, position, content, position + max(size, _HEADER_BYTES))
        yield box
        position = box.end


def boxes_at(file: BinaryIO, parents: Iterator[Box], *names: bytes) -> Iterator[Box]:
    """Yield the boxes of a name that lie in boxes of names in boxes of names, and so on.

    Args:
        file: open for reading.
        parents: the boxes to begin with.
        names: of the first of those that are looked for, of what lies in them, ..., of those that are wanted.
    """
    found = (box for box in parents if box.name == names[0])
    for box in found:
        if len(names) == 1:
            yield box
        else:
            yield from boxes_at(file, boxes_in(file, box.end, box.content), *names[1:])
