"""When the edit lists of an MP4 or MOV end its tracks (ISO 14496-12, 8.6.6)."""

import struct
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from pipeline.settings.paths import AnyPath
from pipeline.video.boxes import Box, boxes_at, boxes_in

_MOST_EDITS = 10_000  # of a track; a longer list ends nothing here
_EDIT = {0: struct.Struct(">Iii"), 1: struct.Struct(">Qqi")}  # duration, time in the media, speed; by version


def edit_ends(path: AnyPath) -> dict[int, float]:
    """Return when each track that has an edit list ends, by the track's number.

    Args:
        path: an MP4 or MOV; FFmpeg gives no list of one whose packets are spread over fragments.

    Returns:
        Seconds from time 0, empty edits at the start included; of a list that leaves its end open, or that is damaged,
        nothing.

    Raises:
        OSError: the file cannot be read.
    """
    path = Path(path)
    with path.open("rb") as file:
        top = list(boxes_in(file, path.stat().st_size))
        if any(box.name == b"moof" for box in top):
            return {}
        ends = {}
        for movie in (box for box in top if box.name == b"moov"):
            ticks_per_second = _ticks_per_second(file, movie)
            for track in boxes_at(file, boxes_in(file, movie.end, movie.content), b"trak"):
                number, n_ticks = _number(file, track), _n_edited_ticks(file, track)
                if number and n_ticks and ticks_per_second:
                    ends[number] = n_ticks / ticks_per_second
        return ends


def _ticks_per_second(file: BinaryIO, movie: Box) -> int:
    """The unit of the edits' durations, which stands in the movie's header behind two times of 32 or 64 bits."""
    return _number_behind_two_times(file, movie, b"mvhd")


def _number(file: BinaryIO, track: Box) -> int:
    """The number of a track, which stands in its header behind two times."""
    return _number_behind_two_times(file, track, b"tkhd")


def _number_behind_two_times(file: BinaryIO, parent: Box, name: bytes) -> int:
    """A number of 32 bits in a header; 0 where there is none."""
    for header in boxes_at(file, boxes_in(file, parent.end, parent.content), name):
        file.seek(header.content)
        version = int.from_bytes(file.read(1))
        file.seek(header.content + (20 if version == 1 else 12))
        return int.from_bytes(file.read(4))
    return 0


def _n_edited_ticks(file: BinaryIO, track: Box) -> int:
    """What all edits of a track last together; 0 where one of them leaves that open, or there are none."""
    for edits in islice(boxes_at(file, boxes_in(file, track.end, track.content), b"edts", b"elst"), 1):
        file.seek(edits.content)
        version, n_edits = int.from_bytes(file.read(1)), int.from_bytes(file.read(7)[3:])
        edit = _EDIT.get(version)
        if edit is None or not n_edits <= min(_MOST_EDITS, (edits.end - edits.content - 8) // edit.size):
            return 0
        content = file.read(n_edits * edit.size)
        if len(content) < n_edits * edit.size:
            return 0
        durations = [duration for duration, _, _ in edit.iter_unpack(content)]
        return sum(durations) if all(durations) else 0
    return 0
