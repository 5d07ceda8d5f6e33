"""clips.csv: one row a clip."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
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
        window_start_seconds, window_end_seconds: the part of the file that is the clip; None: all of it.
    """

    clip_id: str
    path: str
    label: str
    sha256: str = ""
    split: str = ""
    source_id: str = ""
    start_seconds: float | None = None
    end_seconds: float | None = None
    window_start_seconds: float | None = None
    window_end_seconds: float | None = None

    @property
    def window(self) -> tuple[float, float] | None:
        """Start and end of the part of the file that is the clip, in seconds; None: it is the whole file."""
        if self.window_start_seconds is None or self.window_end_seconds is None:
            return None
        return self.window_start_seconds, self.window_end_seconds

    @property
    def file_id(self) -> str:
        """The name under which the whole file is decoded: that of the clip, without the times of a window."""
        return self.clip_id if self.window is None else self.clip_id.rpartition(SPAN)[0]

    def part(self, start_seconds: float, end_seconds: float) -> "Clip":
        """Return a window of a clip that is a whole file, named as a media fragment: ``a.mp4#t=10,20``.

        References:
            W3C (2012), Media Fragments URI 1.0, 4.2.1: temporal dimension.
        """
        name = f"{self.clip_id}{SPAN}{start_seconds:.12g},{end_seconds:.12g}"
        return replace(self, clip_id=name, window_start_seconds=start_seconds, window_end_seconds=end_seconds)


SPAN = "#t="
EVENT_TIMES, WINDOW_TIMES = ("start_seconds", "end_seconds"), ("window_start_seconds", "window_end_seconds")
COLUMNS = tuple(field.name for field in fields(Clip) if field.name not in WINDOW_TIMES)


def whole_files(clips: Iterable[Clip]) -> list[Clip]:
    """Return one clip a file to decode, sorted by name: clips that are whole files, and one for all windows of a file.

    Example:
        >>> film = Clip(clip_id="film", path="film.mkv", label="sea")
        >>> [clip.clip_id for clip in whole_files([film.part(0, 10), film.part(5, 15)])]
        ['film']
    """
    files = {clip.file_id: clip for clip in clips}
    return [
        replace(files[name], clip_id=name, window_start_seconds=None, window_end_seconds=None) for name in sorted(files)
    ]


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
    """Write clips.csv, sorted by clip_id: equal clips give equal bytes; with times of windows where a clip is one."""
    clips = sorted(clips, key=lambda clip: clip.clip_id)
    columns = (*COLUMNS, *WINDOW_TIMES) if any(clip.window for clip in clips) else COLUMNS
    write_rows(path, columns, ([getattr(clip, column) for column in columns] for clip in clips))


def read_clips(path: AnyPath) -> list[Clip]:
    """Return the clips of a clips.csv.

    Raises:
        DataError: there is no such file, it is damaged, its columns are not those of ``Clip``, a time is no number, or
            a clip_id comes twice.
    """
    path = Path(path)
    try:
        clips = [_clip(path, row) for row in read_rows(path, COLUMNS, WINDOW_TIMES)]
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
        for name in (*EVENT_TIMES, *WINDOW_TIMES):
            values[name] = float(row[name]) if row.get(name) else None
    except ValueError as error:
        raise DataError(f"{path}: clip {row['clip_id']!r}: {error}; expected a time in seconds or nothing") from error
    return Clip(**values)
