"""The tables of an MP4 or MOV that say where its packets lie (ISO 14496-12, 8.6 and 8.7): none is larger than its file.

FFmpeg asks for the memory of all entries that a table declares before it looks for them, and reads what follows a kind
of samples that is larger than its table as a part of it.
"""

import numpy as np

from pipeline.errors import ClipError
from pipeline.video.boxes import HEADER_BYTES, Box, BoxFile

_ENTRY_BYTES = {b"stts": 8, b"ctts": 8, b"stsc": 12, b"stco": 4, b"co64": 8, b"stss": 4}
_COUNT_AT, _TABLE_AT = 4, 8  # in the content, behind version and flags
_SIZES_AT, _SIZES_AT_ONCE = 12, 1 << 18
_MOST_PACKETS_A_BYTE = 64  # QuickTime counts samples of compressed sound as packets of one byte


def check_tables(boxes: BoxFile) -> None:
    """Refuse an MP4 or MOV whose tables declare more entries, or more packets, than the file can hold.

    Args:
        boxes: of the file; one of another kind has no such tables.

    Raises:
        ClipError: with what is declared, and the bytes that there are for it.
        OSError: the file cannot be read.
    """
    for index in boxes.indexes:
        for name, entry_bytes in _ENTRY_BYTES.items():
            for table in index.get(name, ()):
                n_entries = boxes.number_at(table.content + _COUNT_AT)
                if n_entries * entry_bytes > _n_held(boxes, table):
                    raise _refusal(boxes, table, f"{n_entries} entries of")
        for table in index.get(b"stsz", ()):
            _check_sizes(boxes, table)
        for table in index.get(b"stsd", ()):
            _check_kinds(boxes, table)


def _check_sizes(boxes: BoxFile, table: Box) -> None:
    """Refuse a table of sizes that declares too many packets, or too large ones; it has no entries if all are equal."""
    size_of_all, n_packets = (boxes.number_at(table.content + at) for at in (_COUNT_AT, _TABLE_AT))
    n_held = _MOST_PACKETS_A_BYTE * boxes.n_bytes if size_of_all else _n_held(boxes, table) // 4
    if n_packets > n_held:
        raise _refusal(boxes, table, f"{n_packets} entries of")
    largest = size_of_all or _largest_packet(boxes, table, n_packets)
    if largest > boxes.n_bytes:
        raise _refusal(boxes, table, f"a packet of {largest} bytes by")


def _check_kinds(boxes: BoxFile, table: Box) -> None:
    """Refuse a table of kinds of samples of which one is so large that it holds the header of the next box."""
    position, n_kinds = table.content + _TABLE_AT, boxes.number_at(table.content + _COUNT_AT)
    for _ in range(min(n_kinds, _n_held(boxes, table) // HEADER_BYTES)):
        size = boxes.number_at(position)
        if position + size >= table.end + HEADER_BYTES:
            raise _refusal(boxes, table, f"a kind of samples of {size} bytes by")
        position += max(size, HEADER_BYTES)


def _n_held(boxes: BoxFile, table: Box) -> int:
    """How many bytes there can be for the entries of a table."""
    return min(table.end, boxes.n_bytes) - table.content - _TABLE_AT


def _largest_packet(boxes: BoxFile, table: Box, n_packets: int) -> int:
    """The size of the largest packet, in bytes."""
    largest = 0
    for start in range(0, n_packets, _SIZES_AT_ONCE):
        position, n_sizes = table.content + _SIZES_AT + 4 * start, min(_SIZES_AT_ONCE, n_packets - start)
        sizes = np.frombuffer(boxes.bytes_at(position, 4 * n_sizes), ">u4")
        largest = max(largest, int(sizes.max(initial=0)))
    return largest


def _refusal(boxes: BoxFile, table: Box, what: str) -> ClipError:
    """The refusal of a file by what one of its tables declares."""
    problem = f"{what} its index ({table.name.decode('ascii')}) in a file of {boxes.n_bytes} bytes"
    return ClipError(str(boxes.path), "truncated", problem, "an index that the file can hold")
