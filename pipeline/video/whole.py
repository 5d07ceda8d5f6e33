"""How long a file says it is: what a broken download has lost shows before anything is decoded.

FFmpeg fits the times of an AVI and of a Matroska file to what is there, so only these sizes tell.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import BinaryIO, NamedTuple, TypeAlias

from pipeline.errors import ClipError
from pipeline.settings.paths import AnyPath
from pipeline.video.boxes import boxes_in
from pipeline.video.track import Stream

_MP4_BOXES = frozenset(b"ftyp moov mdat wide free skip pnot moof mfra sidx styp uuid meta".split())
_INDEX = (b"moov", b"moof")
_EBML, _SEGMENT, _CLUSTER = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67", b"\x1f\x43\xb6\x75"
_MOST_ELEMENTS = 1 << 20  # at the top level of a segment: weeks of clusters
Chunk: TypeAlias = tuple[bytes, int, int]  # name, start and stated size
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


def check_whole_file(path: AnyPath) -> Extent:
    """Return whether an MP4, MOV, AVI, WAV, MKV or WebM is as long as stands in it; other formats are.

    Some writers state a size that is some bytes too large. Of an MP4 that is not as long ``check_index`` tells whether
    its packets are all there.

    Raises:
        ClipError: the file is shorter, or an MP4 has no index.
        OSError: it cannot be read.
    """
    path = Path(path)
    n_bytes, extent = path.stat().st_size, WHOLE
    with path.open("rb") as file:
        start = file.read(8)
        if start[4:] in _MP4_BOXES:
            stated, last = _index_end(path, file, n_bytes)
            extent = Extent(last <= n_bytes)
        elif start[:4] == b"RIFF":
            stated = _riff_end(file, n_bytes)
        elif start[:4] == _EBML:
            stated, extent = _segment_end(file, n_bytes)
        else:
            stated = 0
    if stated > n_bytes:
        raise _shorter(path, n_bytes, stated)
    return extent


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


def _index_end(path: Path, file: BinaryIO, n_bytes: int) -> tuple[int, int]:
    """Where the last box of an MP4 ends, if it is an index by that or by what it holds, else 0; and in any case."""
    boxes = list(boxes_in(file, n_bytes))
    if b"moov" not in (box.name for box in boxes):
        raise ClipError(str(path), "truncated", "an MP4 without its index (moov)", "a whole file")
    last = max((box for box in boxes if box.name in _MP4_BOXES), key=lambda box: box.end)  # no junk at the end
    if last.name not in _INDEX or last.end <= n_bytes:
        return 0, last.end
    return max((box.end for box in boxes_in(file, n_bytes, last.content)), default=last.end), last.end


def mp4_boxes(path: AnyPath) -> set[bytes]:
    """Return the names of the boxes at the top level of an MP4 or MOV; none of another format."""
    path = Path(path)
    with path.open("rb") as file:
        is_mp4 = file.read(8)[4:] in _MP4_BOXES
        return {box.name for box in boxes_in(file, path.stat().st_size)} if is_mp4 else set()


def _riff_end(file: BinaryIO, n_bytes: int) -> int:
    """Where the last RIFF chunk ends; an AVI of more than a gigabyte has several, a live recording states none.

    Where that is behind the end of the file it is the end of the last chunk inside, which must be whole.
    """
    end = 0
    for name, start, size in _chunks(file, n_bytes, 0):
        if name != b"RIFF" or size == _OPEN:
            return end
        end = start + 8 + size
        if end > n_bytes:
            name, start, size = _last(_chunks(file, n_bytes, start + 12), (name, start, size))
            if name == b"LIST":  # of packets: where their index follows they are all there
                last, last_start, last_size = _last(_chunks(file, n_bytes, start + 12), (name, start, size))
                start, size = (last_start, last_size) if last == b"idx1" else (start, size)
            return start + 8 + size
    return end


def _last(chunks: Iterator[Chunk], otherwise: Chunk) -> Chunk:
    """The last of some chunks, or the one that they should lie in where the file ends before them."""
    return next(iter(deque(chunks, maxlen=1)), otherwise)


def _chunks(file: BinaryIO, n_bytes: int, position: int) -> Iterator[Chunk]:
    """Name, start and stated size of each RIFF chunk from a position on; only the last one may be cut short."""
    while position + 8 <= n_bytes:
        file.seek(position)
        name, size = file.read(4), int.from_bytes(file.read(4), "little")
        yield name, position, size
        position += 8 + size + size % 2


def _segment_end(file: BinaryIO, n_bytes: int) -> tuple[int, Extent]:
    """Where the segment of a Matroska file ends; 0 where a live recording leaves that open.

    Where that is behind the end of the file it is the end of the last element inside, which must be whole. If that is
    no cluster of packets, but what their writer puts behind the last of them (Cues, Tags), they are all there.
    """
    file.seek(4)
    header_size = _vint(file)
    file.seek(header_size or 0, 1)
    if file.read(4) != _SEGMENT or (size := _vint(file)) is None:
        return 0, WHOLE
    end = file.tell() + size
    if end <= n_bytes:
        return end, WHOLE
    for name, element_end in islice(_elements(file, n_bytes), _MOST_ELEMENTS):
        if element_end is None or element_end > n_bytes:
            return element_end or end, WHOLE
        if element_end == n_bytes:
            return n_bytes, Extent(has_open_end=name == _CLUSTER)
    return end, WHOLE


def _elements(file: BinaryIO, n_bytes: int) -> Iterator[tuple[bytes, int | None]]:
    """Name and end of each element of EBML from here on; the end is None where that is open."""
    while (position := file.tell()) < n_bytes:
        first = (file.read(1) or b"\0")[0]
        name = bytes([first]) + file.read(8 - first.bit_length())
        size = _vint(file)
        end = None if size is None else file.tell() + size
        yield name, end
        file.seek(max(end or 0, position + 1))


def _vint(file: BinaryIO) -> int | None:
    """A size in EBML's coding, its length told by the leading zeros; None for the size that means unknown."""
    first = (file.read(1) or b"\x00")[0]
    n_more = 8 - first.bit_length()
    value = (first & (0x7F >> n_more)) << 8 * n_more | int.from_bytes(file.read(n_more))
    return None if value == (1 << 7 * (n_more + 1)) - 1 else value
