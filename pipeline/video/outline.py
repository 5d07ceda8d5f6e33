"""One look at a media file before FFmpeg opens it, for all that FFmpeg does not tell or does not ask."""

from typing import NamedTuple

from pipeline.settings.paths import AnyPath
from pipeline.video.boxes import BoxFile, open_boxes
from pipeline.video.edits import edit_ends
from pipeline.video.tables import check_tables
from pipeline.video.whole import Extent, check_whole_file, plain_format

_NOT_H264 = frozenset(b"av01 hev1 hvc1 vp08 vp09".split())  # names of samples, each of one other codec
_NAME_AT = 12  # of the first kind of samples, in the content of the table of kinds (stsd): behind a count and a size


class Outline(NamedTuple):
    """What stands in a file beside its packets.

    Attributes:
        extent: what its sizes say of its end.
        edit_ends: when the edit lists of an MP4 or MOV end its tracks, in seconds by the number of the track.
        format: FFmpeg's name of its format; None: FFmpeg has to look for it.
        has_h264_index: whether it is an MP4 or MOV whose pictures may be H.264 with an index that tells their order.
    """

    extent: Extent
    edit_ends: dict[int, float]
    format: str | None
    has_h264_index: bool


def outline(path: AnyPath) -> Outline:
    """Return what stands in a file beside its packets, if that is sound.

    Raises:
        ClipError: the file is shorter than it says, or an MP4 has no index, or one that it cannot hold.
        OSError: it cannot be read.
    """
    with open_boxes(path) as boxes:
        extent = check_whole_file(boxes)
        check_tables(boxes)
        format = plain_format(boxes)
        return Outline(extent, edit_ends(boxes), format, format == "mov" and _may_have_h264_index(boxes))


def _may_have_h264_index(boxes: BoxFile) -> bool:
    """Whether no fragment and no other codec is seen in an MP4."""
    if b"moof" in boxes.top:
        return False
    tables = [table for index in boxes.indexes for table in index.get(b"stsd", ())]
    return not any(boxes.bytes_at(table.content + _NAME_AT, 4) in _NOT_H264 for table in tables)
