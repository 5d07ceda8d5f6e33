"""Source ``vggsound``: DIR/vggsound.csv as published, and the clips of ten seconds as DIR/video/ID_SSSSSS.mp4.

References:
    Chen, Xie, Vedaldi & Zisserman (2020), VGGSound: A Large-scale Audio-Visual Dataset, ICASSP.
"""

import csv
import re
from pathlib import Path

from pipeline.dataset.base import DatasetParams, Found
from pipeline.dataset.layouts.locations import (
    YOUTUBE_ID,
    check_classes,
    given_folder,
    part_of,
    refuse_fold,
    refuse_protocol,
)
from pipeline.errors import DataError
from pipeline.formats.clips import Clip
from pipeline.settings.regular_files import open_regular_text

LAYOUT = "DIR/vggsound.csv (ID,start,label,split without a header) and DIR/video/ID_SSSSSS.mp4, two classes or more"
SPLITS = ("train", "test")
START = re.compile(r"\d{1,6}", re.ASCII)


def find_clips(params: DatasetParams) -> Found:
    """Return DIR and a clip for each line of vggsound.csv, with its published split; source_id is the YouTube ID.

    The files are cut to the ten seconds that were labelled, so that clips have no times.

    Args:
        params: ``path`` is DIR.

    Raises:
        ParamsError: no path is given, or a protocol or a fold.
        DataError: a part of DIR is missing, or a line is wrong or comes twice; its number is named.
    """
    refuse_protocol(params)
    refuse_fold(params)
    root = given_folder(params, LAYOUT)
    part_of(root, "video/", LAYOUT)
    clips = _read_clips(part_of(root, "vggsound.csv", LAYOUT))
    check_classes(root, (clip.label for clip in clips), LAYOUT)
    return Found(root, clips, [])


def _read_clips(path: Path) -> list[Clip]:
    """The clips of vggsound.csv, in its order."""
    clips: dict[str, Clip] = {}
    lines: dict[str, int] = {}
    try:
        with open_regular_text(path, "utf-8-sig") as file:
            reader = csv.reader(file, strict=True)
            for fields in filter(None, reader):
                place = f"{path}: line {reader.line_num}"
                clip = _clip(place, fields)
                if clip.clip_id in clips:
                    raise DataError(
                        f"{place}: clip {clip.clip_id!r} stands in line {lines[clip.clip_id]} too; expected one line"
                    )
                clips[clip.clip_id], lines[clip.clip_id] = clip, reader.line_num
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: {error}; expected lines of ID,start,label,split in UTF-8") from error
    return list(clips.values())


def _clip(place: str, fields: list[str]) -> Clip:
    """One line."""
    if len(fields) != 4:
        raise DataError(f"{place}: {len(fields)} fields; expected 4: ID,start,label,split, a label with commas quoted")
    youtube_id, start, label, split = fields
    if not YOUTUBE_ID.fullmatch(youtube_id):
        raise DataError(f"{place}: ID {youtube_id!r}; expected a YouTube ID: 11 letters, digits, - or _")
    if not START.fullmatch(start):
        raise DataError(f"{place}: start {start!r}; expected whole seconds, at most six digits")
    if not label.strip():
        raise DataError(f"{place}: label {label!r}; expected the name of a class")
    if split not in SPLITS:
        raise DataError(f"{place}: split {split!r}; expected one of {list(SPLITS)}")
    clip_id = f"{youtube_id}_{start:0>6}"
    return Clip(clip_id=clip_id, path=f"video/{clip_id}.mp4", label=label, split=split, source_id=youtube_id)
