"""When the edit lists of an MP4 or MOV end its tracks (ISO 14496-12, 8.6.6)."""

import struct
from itertools import islice

from pipeline.video.boxes import Box, BoxFile

_MOST_EDITS = 10_000  # of a track; a longer list ends nothing here
_EDIT = {0: struct.Struct(">Iii"), 1: struct.Struct(">Qqi")}  # duration, time in the media, speed; by version


def edit_ends(boxes: BoxFile) -> dict[int, float]:
    """Return when each track that has an edit list ends, by the track's number.

    Args:
        boxes: of an MP4 or MOV; FFmpeg gives no list of one whose packets are spread over fragments.

    Returns:
        Seconds from time 0, empty edits at the start included; of a list that leaves its end open, or that is damaged,
        nothing.

    Raises:
        OSError: the file cannot be read.
    """
    if b"moof" in boxes.top:
        return {}
    ends = {}
    for movie in boxes.at(boxes.top, b"moov"):
        ticks_per_second = _number_behind_two_times(boxes, movie, b"mvhd")
        for track in boxes.at(boxes.inside(movie), b"trak"):
            number, n_ticks = _number_behind_two_times(boxes, track, b"tkhd"), _n_edited_ticks(boxes, track)
            if number and n_ticks and ticks_per_second:
                ends[number] = n_ticks / ticks_per_second
    return ends


def _number_behind_two_times(boxes: BoxFile, parent: Box, name: bytes) -> int:
    """The unit of the edits in the movie's header, or the number in a track's: 32 bits; 0 where there is none."""
    for header in boxes.at(boxes.inside(parent), name):
        is_long = boxes.number_at(header.content, 1) == 1  # the times have 64 bits each
        return boxes.number_at(header.content + (20 if is_long else 12))
    return 0


def _n_edited_ticks(boxes: BoxFile, track: Box) -> int:
    """What all edits of a track last together; 0 where one of them leaves that open, or there are none."""
    for edits in islice(boxes.at(boxes.inside(track), b"edts", b"elst"), 1):
        version, n_edits = boxes.number_at(edits.content, 1), boxes.number_at(edits.content + 4)
        edit = _EDIT.get(version)
        if edit is None or not n_edits <= min(_MOST_EDITS, (edits.end - edits.content - 8) // edit.size):
            return 0
        content = boxes.bytes_at(edits.content + 8, n_edits * edit.size)
        if len(content) < n_edits * edit.size:
            return 0
        durations = [duration for duration, _, _ in edit.iter_unpack(content)]
        return sum(durations) if all(durations) else 0
    return 0
