"""clips.csv: one row a clip."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any

from pipeline.errors import DataError
from pipeline.formats.csv_rows import read_rows, write_rows
from pipeline.settings.paths import AnyPath
from pipeline.settings.regular_files import read_regular

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True, kw_only=True)
class Clip:
    """One video with its label.

    Attributes:
        clip_id: unique name; for files in a folder the path itself.
        path: relative to the root of the data set, with forward slashes, so that clips.csv is the same everywhere.
        label: name of the class; empty where it is not known.
        sha256: of the file's bytes, in hex; empty where the file cannot be read.
        split: ``train``, ``validation`` or ``test``; empty until it is assigned.
        source_id: the recording it was cut from; clips of one source stay on one side of the split. Empty: unknown.
        start_seconds, end_seconds: the labelled event inside the clip, where it is known.
    """

    clip_id: str
    path: str
    label: str
    sha256: str = ""
    split: str = ""
    source_id: str = ""
    start_seconds: float | None = None
    end_seconds: float | None = None


COLUMNS = tuple(field.name for field in fields(Clip))


ROOT_FILE = "videos_root.txt"


def write_root(clips_csv: AnyPath, root: AnyPath) -> None:
    """Note beside clips.csv where the videos are: a fact of this machine, so it is no part of clips.csv itself."""
    clips_csv, root = Path(clips_csv), Path(root)
    clips_csv.with_name(ROOT_FILE).write_text(f"{root.absolute()}\n", encoding="utf-8")


def read_root(clips_csv: AnyPath) -> Path:
    """Return the folder that the paths of clips.csv start from.

    Raises:
        DataError: the note is damaged or missing, as in a checkout where the stage ``dataset`` has not run yet.
    """
    note = Path(clips_csv).with_name(ROOT_FILE)
    try:
        return Path(read_regular(note).decode().removesuffix("\n"))  # as it is, also with a \r
    except FileNotFoundError as error:
        raise DataError(f"{note}: missing; expected `dvc repro dataset` to have run here") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{note}: damaged ({error}); expected what `dvc repro dataset` writes") from error


def write_clips(path: AnyPath, clips: Iterable[Clip]) -> None:
    """Write clips.csv, sorted by clip_id: equal clips give equal bytes."""
    write_rows(path, COLUMNS, (astuple(clip) for clip in sorted(clips, key=lambda clip: clip.clip_id)))


def read_clips(path: AnyPath) -> list[Clip]:
    """Return the clips of a clips.csv.

    Raises:
        DataError: there is no such file, it is damaged, its columns are not those of ``Clip``, a time is no number, or
            a clip_id comes twice.
    """
    path = Path(path)
    try:
        clips = [_clip(path, row) for row in read_rows(path, COLUMNS)]
    except FileNotFoundError as error:
        raise DataError(f"{path}: missing; expected `dvc repro dataset` to have run here") from error
    for clip_id, count in Counter(clip.clip_id for clip in clips).items():
        if count > 1:
            raise DataError(f"{path}: clip {clip_id!r} stands in {count} rows; expected one row a clip")
    return clips


def _clip(path: Path, row: dict[str, str]) -> Clip:
    """One row of the file, its times as numbers."""
    values: dict[str, Any] = dict(row)
    try:
        for name in ("start_seconds", "end_seconds"):
            values[name] = float(row[name]) if row[name] else None
    except ValueError as error:
        raise DataError(f"{path}: clip {row['clip_id']!r}: {error}; expected a time in seconds or nothing") from error
    return Clip(**values)
