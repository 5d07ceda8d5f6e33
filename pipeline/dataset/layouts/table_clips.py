"""Rows of a table as clips: what a row says by itself, and what rows of one file say together."""

import math
import os
import posixpath
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple

from pipeline.dataset.base import refusal
from pipeline.dataset.layouts.table_rows import ONE_CLASS, TableRow
from pipeline.errors import DataError
from pipeline.formats.clips import Clip
from pipeline.formats.rejects import Reject
from pipeline.settings.paths import AnyPath

SPLIT_WORDS = {"": "", "train": "train", "test": "test"} | dict.fromkeys(("val", "valid", "validation"), "validation")
SEVERAL_CLASSES = "|;"
NO_TIMES = (None, None)


class _PlacedClip(NamedTuple):
    """A clip as its row has it, and where the row is."""

    place: str
    clip: Clip


def clips_of_rows(rows: Iterable[TableRow], folder: AnyPath) -> tuple[list[Clip], list[Reject]]:
    """Return a clip for each row, and why some are none.

    Rows of one file are its events: each is called ``PATH#START-END`` unless it has a clip_id, and where they have no
    source_id it is the path, so that they stay on one side of the split.

    Args:
        rows: of one table, or of several that belong together.
        folder: which paths start from and may not leave.

    Raises:
        DataError: a row contradicts itself or another; its place is named.
    """
    entries = [_entry(row) for row in rows]
    root = os.path.realpath(folder)
    rejects = [_reject(root, clip) for _, clip in entries]
    kept = _named([entry for entry, reject in zip(entries, rejects, strict=True) if reject is None])
    return [clip for _, clip in kept], [reject for reject in rejects if reject]


def _entry(row: TableRow) -> _PlacedClip:
    """What one row says by itself."""
    place, cells = row
    path, label, split = cells["path"], cells.get("label", ""), cells.get("split", "")
    if not path:
        raise DataError(f"{place}: path {path!r}; expected the path of a video")
    if set(SEVERAL_CLASSES) & set(label):
        raise DataError(f"{place}: label {label!r} joins several; expected {ONE_CLASS}")
    if split.strip().lower() not in SPLIT_WORDS:
        raise DataError(f"{place}: split {split!r}; expected one of {list(filter(None, SPLIT_WORDS))}, or nothing")
    start_seconds, end_seconds = _times(row)
    clip = Clip(
        clip_id=cells.get("clip_id", ""),
        path=posixpath.normpath(path),
        label=label,
        split=SPLIT_WORDS[split.strip().lower()],
        source_id=cells.get("source_id", ""),
        start_seconds=start_seconds,
        end_seconds=end_seconds,
    )
    return _PlacedClip(place, clip)


def _times(row: TableRow) -> tuple[float | None, float | None]:
    """Start and end of the event, or two times None."""
    texts = row.cells.get("start", ""), row.cells.get("end", "")
    if texts == ("", ""):
        return None, None
    try:
        start, end = map(float, texts)
    except ValueError:
        start = end = math.nan
    if not 0 <= start < end < math.inf:
        raise DataError(
            f"{row.place}: start {texts[0]!r}, end {texts[1]!r}; expected seconds, 0 <= start < end, or none"
        )
    return start, end


def _reject(root: str, clip: Clip) -> Reject | None:
    """Why a row is no clip, or None where it is one."""
    clip_id = clip.clip_id or clip.path
    if posixpath.isabs(clip.path) or not _is_inside(root, clip.path):
        return refusal(
            clip_id, "outside_root", f"path {clip.path!r} leads out of the table's folder", "a path that starts there"
        )
    if clip.label and not clip.label.strip():
        return refusal(clip_id, "bad_label", f"label {clip.label!r}", "the name of a class")
    return None


def _is_inside(root: str, path: str) -> bool:
    """Whether a path stays in the folder, links followed; ``root`` has no link in it."""
    inside = os.path.join(root, "")  # noqa: PTH118 - with its last slash, which Path drops
    return os.path.realpath(inside + path).startswith(inside)


def _named(entries: Iterable[_PlacedClip]) -> list[_PlacedClip]:
    """The entries with unique names, those of one file with one source."""
    by_path = defaultdict(list)
    for entry in entries:
        by_path[entry.clip.path].append(entry)
    named = []
    for path, same_file in by_path.items():
        _check_events(same_file)
        source_id = path if len(same_file) > 1 else ""
        named += [_with_name(entry, source_id) for entry in same_file]
    _check_names(named)
    return named


def _with_name(entry: _PlacedClip, source_id: str) -> _PlacedClip:
    """An entry with a name and, where it needs one and has none, a source."""
    clip = entry.clip
    is_one_of_several = source_id and clip.start_seconds is not None
    name = f"{clip.path}#{clip.start_seconds}-{clip.end_seconds}" if is_one_of_several else clip.path
    return entry._replace(clip=replace(clip, clip_id=clip.clip_id or name, source_id=clip.source_id or source_id))


def _check_events(entries: Sequence[_PlacedClip]) -> None:
    """Refuse rows of one file that do not tell two events apart."""
    by_times: dict[tuple[float | None, float | None], _PlacedClip] = {}
    by_label: dict[str, _PlacedClip] = {}
    for entry in entries:
        place, clip = entry
        times = clip.start_seconds, clip.end_seconds
        rivals = [by_times.get(times), *(by_label.values() if times == NO_TIMES else [by_times.get(NO_TIMES)])]
        for other_place, other in filter(None, rivals):
            if other.label != clip.label:
                raise DataError(
                    f"{place}: {clip.path!r} is {clip.label!r}, and {other.label!r} in {other_place}, without times of "
                    f"two events; expected {ONE_CLASS}"
                )
        if times in by_times:
            raise DataError(f"{place}: {clip.path!r} stands in {by_times[times].place} too; expected one row an event")
        by_times[times] = entry
        by_label.setdefault(clip.label, entry)


def _check_names(entries: Iterable[_PlacedClip]) -> None:
    """Refuse a clip_id that comes twice."""
    places: dict[str, str] = {}
    for place, clip in entries:
        if clip.clip_id in places:
            raise DataError(f"{place}: clip_id {clip.clip_id!r} stands in {places[clip.clip_id]} too; expected it once")
        places[clip.clip_id] = place
