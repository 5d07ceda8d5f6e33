"""How long a file says it is: what a broken download has lost shows before anything is decoded.

FFmpeg fits the times of an AVI and of a Matroska file to what is there, so only these sizes tell.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple, TypeAlias

from pipeline.errors import ClipError
from pipeline.settings.paths import AnyPath
from pipeline.video.boxes import Box, BoxFile
from pipeline.video.track import Stream

_MP4_BOXES = frozenset(b"ftyp moov mdat wide free skip pnot moof mfra sidx styp uuid meta".split())
_INDEX = (b"moov", b"moof")
_EBML, _SEGMENT, _CLUSTER = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67", b"\x1f\x43\xb6\x75"
_MOST_ELEMENTS = 1 << 20  # at the top level of a segment: weeks of clusters
Chunk: TypeAlias = tuple[bytes, int, int]  # name, start and stated size
_NUMBERS_USED_UP = 0xFFFFFFFF  # in place of the next track's number
_OPEN = 0xFFFFFFFF  # the size of a chunk that a live recording goes on with


class Extent(NamedTuple):
    """What the sizes that stand in a file say of its end.

    Attributes:
        is_long_enough: whether the file is as long as they say; where not, a list of its packets must tell the rest.
        has_open_end: whether no such list follows the packets, so that only their times can tell.
    """

    is_long_enough: bool = True
    has_open_end: bool = False


WHOLE = Extent()


def check_whole_file(boxes: BoxFile) -> Extent:
    """Return whether an MP4, MOV, AVI, WAV, MKV or WebM is as long as stands in it; other formats are.

    Some writers state a size that is some bytes too large. Of an MP4 that is not as long ``check_index`` tells whether
    its packets are all there.

    Raises:
        ClipError: the file is shorter, or an MP4 has no index.
        OSError: it cannot be read.
    """
    n_bytes, start, extent, stated = boxes.n_bytes, boxes.first_bytes, WHOLE, 0
    if start[4:8] in _MP4_BOXES:
        stated, last = _index_end(boxes)
        extent = Extent(last <= n_bytes)
    elif start[:4] == b"RIFF":
        stated = _riff_end(boxes)
    elif start[:4] == _EBML:
        stated, extent = _segment_end(boxes)
    if stated > n_bytes:
        raise _shorter(boxes.path, n_bytes, stated)
    return extent


def plain_format(boxes: BoxFile) -> str | None:
    """Return FFmpeg's name of the format that the first bytes of a file show; None: FFmpeg has to look for it."""
    start = boxes.first_bytes
    if start[4:8] in _MP4_BOXES:
        return "mov"
    if start[:4] == b"RIFF" and start[8:12] == b"AVI ":
        return "avi"
    if start[:4] == _EBML and (b"matroska" in start or b"webm" in start):
        return "matroska"
    return None


def check_index(path: AnyPath, streams: Iterable[Stream]) -> None:
    """Compare the size of an MP4, MOV or AVI with the index of its packets.

    Raises:
        ClipError: a packet ends behind the end of the file.
    """
    n_bytes = Path(path).stat().st_size
    stated = max((entry.pos + entry.size for stream in streams for entry in stream.index_entries), default=0)
    if stated > n_bytes:
        raise _shorter(path, n_bytes, stated)


def _shorter(path: AnyPath, n_bytes: int, stated: int) -> ClipError:
    """The refusal of a file of fewer bytes than it states."""
    return ClipError(str(path), "truncated", f"{n_bytes} bytes", f"{stated} bytes by its header")


def _index_end(boxes: BoxFile) -> tuple[int, int]:
    """Where the last box of an MP4 ends, if it is an index by that or by what it holds, else 0; and in any case."""
    if b"moov" not in boxes.top:
        raise ClipError(str(boxes.path), "truncated", "an MP4 without its index (moov)", "a whole file")
    known = [found[-1] for name, found in boxes.top.items() if name in _MP4_BOXES]  # no junk at the end
    last = max(known, key=lambda box: box.end)
    if last.name not in _INDEX or last.end <= boxes.n_bytes:
        return 0, last.end
    end = max((found[-1].end for found in boxes.inside(last).values()), default=last.end)
    return (last.end if end < boxes.n_bytes or _lacks_tracks(boxes, last) else end), last.end


def _lacks_tracks(boxes: BoxFile, index: Box) -> bool:
    """Whether an index has fewer tracks than its header has numbered: all of a track may lie behind the file's end."""
    inside = boxes.inside(index)
    next_number = max((boxes.number_at(header.end - 4, 4) for header in inside.get(b"mvhd", ())), default=0)
    return next_number != _NUMBERS_USED_UP and len(inside.get(b"trak", ())) < next_number - 1


def _riff_end(boxes: BoxFile) -> int:
    """Where the last RIFF chunk ends; an AVI of more than a gigabyte has several, a live recording states none.

    Where that is behind the end of the file it is the end of the last chunk inside, which must be whole.
    """
    end = 0
    for name, start, size in _chunks(boxes, 0):
        if name != b"RIFF" or size == _OPEN:
            return end
        end = start + 8 + size
        if end > boxes.n_bytes:
            name, start, size = _last(_chunks(boxes, start + 12), (name, start, size))
            if name == b"LIST":  # of packets: where their index follows they are all there
                last, last_start, last_size = _last(_chunks(boxes, start + 12), (name, start, size))
                start, size = (last_start, last_size) if last == b"idx1" else (start, size)
            return start + 8 + size
    return end


def _last(chunks: Iterator[Chunk], otherwise: Chunk) -> Chunk:
    """The last of some chunks, or the one that they should lie in where the file ends before them."""
    return next(iter(deque(chunks, maxlen=1)), otherwise)


def _chunks(boxes: BoxFile, position: int) -> Iterator[Chunk]:
    """Name, start and stated size of each RIFF chunk from a position on; only the last one may be cut short."""
    while position + 8 <= boxes.n_bytes:
        name, size = boxes.bytes_at(position, 4), int.from_bytes(boxes.bytes_at(position + 4, 4), "little")
        yield name, position, size
        position += 8 + size + size % 2


def _segment_end(boxes: BoxFile) -> tuple[int, Extent]:
    """Where the segment of a Matroska file ends; 0 where a live recording leaves that open.

    Where that is behind the end of the file it is the end of the last element inside, which must be whole. If that is
    no cluster of packets, but what their writer puts behind the last of them (Cues, Tags), they are all there. A file
    that ends before its first cluster has lost them all.
    """
    n_bytes = boxes.n_bytes
    header_size, position = _vint(boxes, 4)
    position += header_size or 0
    size, content = _vint(boxes, position + 4)
    if boxes.bytes_at(position, 4) != _SEGMENT or size is None:
        return 0, WHOLE
    end = min(content, n_bytes) + size  # of one that is cut here FFmpeg says more
    if end <= n_bytes:
        return end, WHOLE
    has_packets = False
    for name, element_end in islice(_elements(boxes, content), _MOST_ELEMENTS):
        if element_end is None or element_end > n_bytes:
            return element_end or end, WHOLE
        has_packets |= name == _CLUSTER
        if element_end == n_bytes and has_packets:
            return n_bytes, Extent(has_open_end=name == _CLUSTER)
    return end, WHOLE


def _elements(boxes: BoxFile, position: int) -> Iterator[tuple[bytes, int | None]]:
    """Name and end of each element of EBML from a position on; the end is None where that is open."""
    while position < boxes.n_bytes:
        n_name_bytes = 9 - boxes.number_at(position, 1).bit_length()
        name = boxes.bytes_at(position, n_name_bytes)
        size, content = _vint(boxes, position + n_name_bytes)
        end = None if size is None else content + size
        yield name, end
        position = max(end or 0, position + 1)


def _vint(boxes: BoxFile, position: int) -> tuple[int | None, int]:
    """A size in EBML's coding, its length told by the leading zeros, None for the one that means unknown; its end."""
    first = boxes.number_at(position, 1)
    n_more = 8 - first.bit_length()
    value = (first & (0x7F >> n_more)) << 8 * n_more | boxes.number_at(position + 1, n_more)
    return (None if value == (1 << 7 * (n_more + 1)) - 1 else value), position + 1 + n_more
