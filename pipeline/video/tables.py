"""The tables of an MP4 or MOV that say where its packets lie (ISO 14496-12, 8.6 and 8.7): none is larger than its file.

FFmpeg asks for the memory of all entries that a table declares before it looks for them.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from pipeline.errors import ClipError
from pipeline.settings.paths import AnyPath
from pipeline.video.boxes import Box, boxes_at, boxes_in

_ENTRY_BYTES = {b"stts": 8, b"ctts": 8, b"stsc": 12, b"stco": 4, b"co64": 8, b"stss": 4}
_COUNT_AT, _TABLE_AT = 4, 8  # in the content, behind version and flags
_MOST_PACKETS_A_BYTE = 64  # QuickTime counts samples of compressed sound as packets of one byte


def check_tables(path: AnyPath) -> None:
    """Refuse an MP4 or MOV whose tables declare more entries, or more packets, than the file can hold.

    Args:
        path: of the file; one of another kind has no such tables.

    Raises:
        ClipError: with what is declared, and the bytes that there are for it.
        OSError: the file cannot be read.
    """
    path = Path(path)
    n_bytes = path.stat().st_size
    with path.open("rb") as file:
        for table in _tables(file, n_bytes):
            size, n_entries = _declared(file, table)
            n_held = min(table.end, n_bytes) - table.content - _TABLE_AT
            if size is None:
                size, n_held = 1, _MOST_PACKETS_A_BYTE * n_bytes
            if n_entries * size > n_held:
                name = table.name.decode("ascii")
                problem = f"{n_entries} entries of its index ({name}) in a file of {n_bytes} bytes"
                raise ClipError(str(path), "truncated", problem, "an index that the file can hold")


def _tables(file: BinaryIO, n_bytes: int) -> Iterator[Box]:
    """The tables of all tracks."""
    for index in boxes_at(file, boxes_in(file, n_bytes), b"moov", b"trak", b"mdia", b"minf", b"stbl"):
        for box in boxes_in(file, index.end, index.content):
            if box.name in _ENTRY_BYTES or box.name == b"stsz":
                yield box


def _declared(file: BinaryIO, table: Box) -> tuple[int | None, int]:
    """Bytes of an entry and how many entries a table declares; None: it has none, as all packets are of one size."""
    file.seek(table.content + _COUNT_AT)
    if table.name != b"stsz":
        return _ENTRY_BYTES[table.name], int.from_bytes(file.read(4))
    packet_bytes, n_packets = int.from_bytes(file.read(4)), int.from_bytes(file.read(4))
    return (None if packet_bytes else 4), n_packets
