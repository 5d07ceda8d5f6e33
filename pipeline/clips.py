"""clips.csv: one row a clip, and the split that keeps test clips out of training."""

import csv
import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from pipeline.errors import DataError

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True, kw_only=True)
class Clip:
    """One video with its label.

    Attributes:
        clip_id: unique name; for files in a folder the path itself.
        path: relative to the root of the data set, with forward slashes, so that clips.csv is the same everywhere.
        label: name of the class.
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


def write_root(clips_csv: Path, root: Path) -> None:
    """Note beside clips.csv where the videos are: a fact of this machine, so it is no part of clips.csv itself."""
    clips_csv.with_name(ROOT_FILE).write_text(f"{root.absolute()}\n", encoding="utf-8")


def read_root(clips_csv: Path) -> Path:
    """Return the folder that the paths of clips.csv start from.

    Raises:
        DataError: the note is missing, as in a checkout where the stage ``dataset`` has not run yet.
    """
    try:
        return Path(clips_csv.with_name(ROOT_FILE).read_text(encoding="utf-8").removesuffix("\n"))
    except FileNotFoundError as error:
        raise DataError(f"{error.filename}: missing; expected `dvc repro dataset` to have run here") from error


def file_sha256(path: Path) -> str:
    """Return the sha256 of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_clips(path: Path, clips: Iterable[Clip]) -> None:
    """Write clips.csv, sorted by clip_id: the same clips give the same bytes."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        quoting = csv.DictWriter(file, COLUMNS, lineterminator="\n", quoting=csv.QUOTE_ALL)
        writer.writeheader()
        for clip in sorted(clips, key=lambda clip: clip.clip_id):
            row = asdict(clip)  # Python 3.11 quotes a bare \r only if told to, and reads it as the end of a row
            (quoting if "\r" in "".join(map(str, row.values())) else writer).writerow(row)


def read_clips(path: Path) -> list[Clip]:
    """Return the clips of a clips.csv.

    Raises:
        DataError: the columns are not those of ``Clip``, a time is no number, or a clip_id comes twice.
    """
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        if tuple(reader.fieldnames or ()) != COLUMNS:
            raise DataError(f"{path}: columns {reader.fieldnames}; expected {list(COLUMNS)}")
        clips = [_clip(path, row) for row in reader]
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


def assign_splits(clips: Sequence[Clip], *, test_fraction: float, validation_fraction: float, seed: int) -> list[Clip]:
    """Return the clips with a stratified, source-disjoint split; a clip that has one keeps it.

    Within a class, recordings are ranked by a seeded hash of their names, so that one clip more moves at most a
    clip or two between the sides. Clips of one ``source_id`` go together, to the side of the first of them.

    Args:
        clips: with or without a split.
        test_fraction: share of each class's clips that becomes test, in (0, 1).
        validation_fraction: share of the rest that becomes validation, in (0, 1).
        seed: another seed, another split.

    Raises:
        DataError: a class has fewer than three recordings, one each to train, validate and test on.
    """
    undecided = sorted((clip for clip in clips if not clip.split), key=lambda clip: clip.clip_id)
    side: dict[str, str] = {}
    for label, recordings in sorted(_recordings_by_class(undecided).items()):
        if len(recordings) < len(SPLITS):
            raise DataError(f"class {label!r}: {len(recordings)} recording(s); expected at least {len(SPLITS)}")
        ranked = sorted(recordings, key=lambda name: hashlib.sha256(f"{seed}:{name}".encode()).digest())
        n_test = _share(test_fraction, len(ranked), keep=2)
        n_validation = _share(validation_fraction, len(ranked) - n_test, keep=1)
        bounds = {"test": n_test, "validation": n_test + n_validation, "train": len(ranked)}
        for rank, name in enumerate(ranked):
            side[name] = next(split for split, end in bounds.items() if rank < end)
    return [clip if clip.split else replace(clip, split=side[_recording(clip)]) for clip in clips]


def _recording(clip: Clip) -> str:
    """What must not be split: the source where it is known, else the clip itself."""
    return f"source {clip.source_id}" if clip.source_id else f"clip {clip.clip_id}"


def _recordings_by_class(clips: Iterable[Clip]) -> dict[str, list[str]]:
    """Recordings of each class; a recording of several classes counts for that of its first clip."""
    first: dict[str, str] = {}
    for clip in clips:
        first.setdefault(_recording(clip), clip.label)
    by_class = defaultdict(list)
    for recording, label in first.items():
        by_class[label].append(recording)
    return by_class


def _share(fraction: float, n: int, keep: int) -> int:
    """``fraction`` of ``n``, rounded, at least 1, with at least ``keep`` left over."""
    return min(max(1, round(fraction * n)), n - keep)
