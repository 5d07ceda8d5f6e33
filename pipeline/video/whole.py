"""How long a file says it is: what a broken download has lost shows before anything is decoded.

FFmpeg fits the times of an AVI and of a Matroska file to what is there, so only these sizes tell.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from pipeline.errors import ClipError
from pipeline.settings.paths import AnyPath

_MP4_BOXES = frozenset(b"ftyp moov mdat wide free skip pnot moof mfra sidx styp uuid meta".split())
_EBML, _SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"


def check_whole_file(path: AnyPath) -> None:
    """Compare the size of an MP4, MOV, AVI, WAV, MKV or WebM with what stands in it; other formats pass.

    Raises:
        ClipError: the file is shorter, or an MP4 has no index.
        OSError: it cannot be read.
    """
    path = Path(path)
    n_bytes = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(8)
        if start[4:] in _MP4_BOXES:
            boxes = list(_mp4_boxes(file, n_bytes))
            stated = max(end for name, end in boxes if name in _MP4_BOXES)  # others may be junk at the end
            if b"moov" not in (name for name, _ in boxes):
                raise ClipError(str(path), "truncated", "an MP4 without its index (moov)", "a whole file")
        elif start[:4] == b"RIFF":
            stated = _riff_end(file, n_bytes)
        else:
            stated = _segment_end(file) if start[:4] == _EBML else 0
    if stated > n_bytes:
        raise ClipError(str(path), "truncated", f"{n_bytes} bytes", f"{stated} bytes by its header")


def mp4_boxes(path: AnyPath) -> set[bytes]:
    """Return the names of the boxes at the top level of an MP4 or MOV; none of another format."""
    path = Path(path)
    with path.open("rb") as file:
        is_mp4 = file.read(8)[4:] in _MP4_BOXES
        return {name for name, _ in _mp4_boxes(file, path.stat().st_size)} if is_mp4 else set()


def _mp4_boxes(file: BinaryIO, n_bytes: int) -> Iterator[tuple[bytes, int]]:
    """Name and end of each box at the top level; what follows the last one that has a name is no box."""
    position = 0
    while position + 8 <= n_bytes:
        file.seek(position)
        size, name = int.from_bytes(file.read(4)), file.read(4)
        if not name.isalnum():
            return
        size = {0: n_bytes - position, 1: int.from_bytes(file.read(8))}.get(size, size)  # to the end, or 64 bits wide
        position += max(size, 8)
        yield name, position


def _riff_end(file: BinaryIO, n_bytes: int) -> int:
    """Where the last RIFF chunk ends; an AVI of more than a gigabyte has several, a live recording states none."""
    end = position = 0
    while position + 8 <= n_bytes:
        file.seek(position)
        name, size = file.read(4), int.from_bytes(file.read(4), "little")
        if name != b"RIFF" or size == 0xFFFFFFFF:
            return end
        end = position + 8 + size
        position = end + size % 2
    return end


def _segment_end(file: BinaryIO) -> int:
    """Where the segment of a Matroska file ends; 0 where a live recording leaves that open."""
    file.seek(4)
    header_size = _vint(file)
    file.seek(header_size or 0, 1)
    if file.read(4) != _SEGMENT or (size := _vint(file)) is None:
        return 0
    return file.tell() + size


def _vint(file: BinaryIO) -> int | None:
    """A size in EBML's coding, its length told by the leading zeros; None for the size that means unknown."""
    first = (file.read(1) or b"\x00")[0]
    n_more = 8 - first.bit_length()
    value = (first & (0x7F >> n_more)) << 8 * n_more | int.from_bytes(file.read(n_more))
    return None if value == (1 << 7 * (n_more + 1)) - 1 else value
