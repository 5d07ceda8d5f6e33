"""What every source of clips shares: the section ``dataset`` of params.yaml, and finding a source by its name.

A source is one file of this folder with ``find_clips(params) -> Found`` or ``import_table(params) -> Imported``.
"""

import importlib
import json
import stat
import time
import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Annotated, NamedTuple, Self

from pydantic import Field, NonNegativeInt, PositiveFloat, model_validator
from tqdm import tqdm

from pipeline.clip_cache import write_atomically
from pipeline.clips import Clip, file_sha256
from pipeline.errors import ClipError, DiskError, ParamsError, RejectKind
from pipeline.params import StageParams
from pipeline.rejects import Reject

Share = Annotated[float, Field(gt=0, lt=1)]
RACY_SECONDS = 2.0  # a file touched this recently may change again within one tick of its clock
ENTRIES = ("\ndef find_clips(", "\ndef import_table(")  # what makes a file of this folder a source


class DatasetParams(StageParams):
    """Section ``dataset`` of params.yaml."""

    source: str
    path: Path | None
    protocol: str | None
    seed: NonNegativeInt
    test_fraction: Share
    validation_fraction: Share
    n_folds: Annotated[int, Field(ge=2)]
    fold: NonNegativeInt | None
    max_rejected_fraction: Annotated[float, Field(ge=0, le=1)]
    clip_timeout_seconds: PositiveFloat

    @model_validator(mode="after")
    def _fold_is_one_of_them(self) -> Self:
        if self.fold is not None and self.fold >= self.n_folds:
            raise ValueError(f"fold={self.fold}; expected null or 0 to {self.n_folds - 1} (n_folds={self.n_folds})")
        return self


class Found(NamedTuple):
    """What a source holds.

    Attributes:
        root: the folder that the clips' paths start from.
        clips: the clips, with a split where the source has one of its own.
        refused: what the source names but cannot be a clip, and why.
    """

    root: Path
    clips: list[Clip]
    refused: list[Reject]


def source_module(name: str) -> ModuleType:
    """Return the module of a source.

    Raises:
        ParamsError: there is no source of that name; the known ones are listed.
    """
    files = Path(__file__).parent.glob("*.py")
    known = sorted(path.stem for path in files if any(line in path.read_text(encoding="utf-8") for line in ENTRIES))
    if name not in known:
        raise ParamsError(f"dataset.source={name!r}; expected one of {known}")
    return importlib.import_module(f"pipeline.datasets.{name}")


def refusal(clip_id: str, kind: RejectKind, problem: str, expected: str) -> Reject:
    """Return the row of rejected.csv for what a source names but cannot be a clip."""
    return Reject(clip_id, "dataset", kind, str(ClipError(clip_id, kind, problem, expected)))


def similar_labels(labels: Iterable[str]) -> list[tuple[str, ...]]:
    """Return the groups of labels that may be meant as one class, sorted.

    They differ in case, white space or the bytes of one letter only (NFC, NFD), or are one number (``1``, ``1.0``).
    """
    alike = defaultdict(set)
    for label in labels:
        alike[_plain(label)].add(label)
    return sorted(tuple(sorted(group)) for group in alike.values() if len(group) > 1)


def _plain(label: str) -> str:
    """What is left of a label without what a reader does not see; of a number its value."""
    letters = "".join(unicodedata.normalize("NFKC", label).casefold().split())
    try:
        return str(float(letters))
    except ValueError:
        return letters


def with_hashes(root: Path, clips: Iterable[Clip], memory: Path) -> list[Clip]:
    """Return the clips with the sha256 of their files; a file that cannot be read gets none.

    Args:
        root: the folder that the clips' paths start from.
        clips: the clips.
        memory: JSON file that remembers the hash of a path, size and modification time, so that a second scan reads
            no video.
    """
    try:
        known: dict[str, str] = dict(json.loads(memory.read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError, TypeError):
        known = {}
    n_known = len(known)
    hashed = [replace(clip, sha256=_sha256(root / clip.path, known)) for clip in tqdm(clips, "dataset", unit="clip")]
    if len(known) > n_known:
        with suppress(DiskError):  # it only saves time; the stages that need room will say so
            write_atomically(memory, json.dumps(known).encode())
    return hashed


def _sha256(path: Path, known: dict[str, str]) -> str:
    """Hash of a file, remembered or new; empty where it cannot be read."""
    try:
        facts = path.stat()
        key = f"{path.resolve()}:{facts.st_size}:{facts.st_mtime_ns}"
        if key in known:
            return known[key]
        digest = file_sha256(path)
    except OSError:
        return ""
    if time.time() - facts.st_mtime > RACY_SECONDS:
        known[key] = digest
    return digest


def without_missing(found: Found) -> Found:
    """Return what a source holds, with the clips whose files are not there, or are no files, among the refused."""
    rejects = [_reject(found.root, clip) for clip in found.clips]
    clips = [clip for clip, reject in zip(found.clips, rejects, strict=True) if reject is None]
    return found._replace(clips=clips, refused=[*found.refused, *filter(None, rejects)])


def _reject(root: Path, clip: Clip) -> Reject | None:
    """Why a path is no file, or None where it is one; a pipe would be waited for without end."""
    try:
        mode = (root / clip.path).stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return refusal(clip.clip_id, "missing", f"{clip.path}: no such file", "a file for every clip")
    except OSError as error:  # such as a name that is too long, or a loop of links
        return refusal(clip.clip_id, "unreadable", f"{clip.path}: {error.strerror}", "a file for every clip")
    if not stat.S_ISREG(mode):
        problem = "a folder" if stat.S_ISDIR(mode) else "neither file nor folder"
        return refusal(clip.clip_id, "unreadable", f"{clip.path}: {problem}", "a file for every clip")
    return None
