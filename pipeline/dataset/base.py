"""What every source of clips shares: the section ``dataset`` of params.yaml, and finding a source by its name.

A source is one file of the folder ``sources`` with ``find_clips(params) -> Found``, or for published features with
``import_table(params) -> Imported``.
"""

import importlib
import pkgutil
import stat
from pathlib import Path
from types import ModuleType
from typing import Annotated, NamedTuple, Self

from pydantic import Field, NonNegativeInt, PositiveFloat, field_validator, model_validator

from pipeline.dataset import sources
from pipeline.errors import ClipError, ParamsError, RejectKind
from pipeline.formats.clips import Clip
from pipeline.formats.rejects import Reject
from pipeline.settings.limits import ClipLimits

ENTRY_POINTS = ("find_clips", "import_table")
Fraction = Annotated[float, Field(gt=0, lt=1)]


LABELS_OF_SOURCE, NO_LABELS = "folders", "none"


class DatasetParams(ClipLimits):
    """Section ``dataset`` of params.yaml.

    Attributes:
        labels: ``folders``: those of the source, such as the names of its folders; ``none``; or the path of a table.
        download_gigabytes: what the files of a table of URLs may have together.
    """

    source: str
    path: Path | None
    labels: str
    protocol: str | None
    seed: NonNegativeInt
    test_fraction: Fraction
    validation_fraction: Fraction
    n_folds: Annotated[int, Field(ge=2)]
    fold: NonNegativeInt | None
    download_gigabytes: PositiveFloat

    @field_validator("path")
    @classmethod
    def _home_is_known(cls, path: Path | None) -> Path | None:
        try:
            return path and path.expanduser()  # a shell leaves the ~ of dataset.path=~/videos alone
        except RuntimeError:  # a user that this machine does not know
            return path

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


def source_names() -> list[str]:
    """Return the names of all sources, sorted: one a file of the folder ``sources``."""
    return sorted(module.name for module in pkgutil.iter_modules(sources.__path__))


def source_module(name: str) -> ModuleType:
    """Return the module of a source, which has either ``find_clips`` or ``import_table``.

    Raises:
        ParamsError: there is no source of that name, and the known ones are listed; or its file has not one of the two.
    """
    if name not in source_names():
        raise ParamsError(f"dataset.source={name!r}; expected one of {source_names()}")
    module = importlib.import_module(f"{sources.__name__}.{name}")
    found = [entry for entry in ENTRY_POINTS if callable(getattr(module, entry, None))]
    if len(found) != 1:
        raise ParamsError(
            f"dataset.source={name!r}: {module.__file__} has {' and '.join(found) or 'no entry point'}; "
            f"expected either of {' and '.join(ENTRY_POINTS)}"
        )
    return module


def refusal(clip_id: str, kind: RejectKind, problem: str, expected: str) -> Reject:
    """Return the row of rejected.csv for what a source names but cannot be a clip."""
    return Reject(clip_id, "dataset", kind, str(ClipError(clip_id, kind, problem, expected)))


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
        slashes = "; folders are parted by /, and this name has a \\ in it" if "\\" in clip.path else ""
        return refusal(clip.clip_id, "missing", f"{clip.path}: no such file", f"a file for every clip{slashes}")
    except OSError as error:  # such as a name that is too long, or a loop of links
        return refusal(clip.clip_id, "unreadable", f"{clip.path}: {error.strerror}", "a file for every clip")
    if not stat.S_ISREG(mode):
        problem = "a folder" if stat.S_ISDIR(mode) else "neither file nor folder"
        return refusal(clip.clip_id, "unreadable", f"{clip.path}: {problem}", "a file for every clip")
    return None
