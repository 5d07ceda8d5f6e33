"""Where the files of a source are and which settings it takes: what is missing is named, with what was expected."""

import itertools
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from pipeline.dataset.base import DatasetParams
from pipeline.errors import DataError, ParamsError
from pipeline.formats.rejects import Reject
from pipeline.settings.paths import AnyPath

NUMBER = re.compile(r"\d+", re.ASCII)
YOUTUBE_ID = re.compile(r"[A-Za-z0-9_-]{11}")


def given_path(params: DatasetParams, layout: str) -> Path:
    """Return ``dataset.path``.

    Raises:
        ParamsError: it is null.
    """
    if params.path is None:
        raise ParamsError(f"dataset.path is null; expected -S dataset.path=..., for {layout}")
    return params.path


def given_folder(params: DatasetParams, layout: str) -> Path:
    """Return ``dataset.path``, a folder.

    Args:
        params: section ``dataset``; a relative path starts from the folder that the command runs in.
        layout: what the source expects, for the message.

    Raises:
        ParamsError: no path is given.
        DataError: there is no such folder.
    """
    path = given_path(params, layout)
    if not path.is_dir():
        raise DataError(f"dataset.path={path}: no such folder (seen from {Path.cwd()}); expected {layout}")
    return path


def given_file(params: DatasetParams, layout: str) -> Path:
    """Return ``dataset.path``, a file.

    Raises:
        ParamsError: no path is given.
        DataError: there is no such file.
    """
    path = given_path(params, layout)
    if not path.is_file():
        raise DataError(f"dataset.path={path}: no such file (seen from {Path.cwd()}); expected {layout}")
    return path


def part_of(root: AnyPath, name: str, layout: str) -> Path:
    """Return a file that a data set must have, or a folder, whose name ends in a slash.

    Raises:
        DataError: it is not there, or is of another kind.
    """
    root = Path(root)
    path, is_folder = root / name, name.endswith("/")
    if not (path.is_dir() if is_folder else path.is_file()):
        problem = f"no {'folder' if is_folder else 'file'}" if path.exists() else "missing"
        raise DataError(f"{path}: {problem}; expected {layout}")
    return path


def fold_lists(folder: AnyPath) -> list[Path]:
    """Return the lists of ids in a folder, in the order of the numbers in their names; hidden names are passed over.

    Raises:
        DataError: one of them is no file, or is not called as the others: a README or the copy that an editor keeps,
            which would move the numbers of the folds; or a number is missing among them.
    """
    folder = Path(folder)
    lists = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    for path in lists:
        if not path.is_file():
            raise DataError(f"{path}: no file; expected a text file, an ID a line")
    patterns = Counter(NUMBER.sub("N", path.name) for path in lists)
    usual = max(patterns, key=lambda pattern: (patterns[pattern], "N" in pattern), default="")
    places: dict[tuple[int, ...], Path] = {}
    for path in lists:
        place = tuple(map(int, NUMBER.findall(path.name)))
        if NUMBER.sub("N", path.name) != usual or not place:
            raise DataError(
                f"{path}: not called as the other lists ({usual}); expected lists of IDs and nothing else, whose names "
                "differ in a number"
            )
        if place in places:
            raise DataError(f"{path}: the number of {places[place].name}; expected a number of its own")
        places[place] = path
    _check_none_missing(folder, places)
    return [places[place] for place in sorted(places)]


def _check_none_missing(folder: Path, places: Mapping[tuple[int, ...], Path]) -> None:
    """Refuse lists whose numbers leave one out, where it is one number in which their names differ."""
    varying = [numbers for numbers in map(set, zip(*places, strict=True)) if len(numbers) > 1]
    if len(varying) != 1:
        return
    numbers = sorted(varying[0])
    for number, following in itertools.pairwise(numbers):
        if following != number + 1:
            names = ", ".join(places[place].name for place in sorted(places))
            raise DataError(f"{folder}: no list of number {number + 1} among {names}; expected one for each number")


def chosen_protocol(params: DatasetParams, known: Sequence[str]) -> str:
    """Return ``dataset.protocol``, or the first of the known ones where it is null.

    Raises:
        ParamsError: the source has no protocol of that name.
    """
    if params.protocol is None:
        return known[0]
    if params.protocol not in known:
        raise ParamsError(f"dataset.protocol={params.protocol!r}; expected null or one of {list(known)}")
    return params.protocol


def refuse_path(params: DatasetParams) -> None:
    """Refuse a path where the source reads no files: it looks as if the numbers to come were of those files."""
    if params.path is not None:
        raise ParamsError(
            f"dataset.path={params.path}: source {params.source!r} reads no files; expected null, or another source: "
            "-S dataset.source=folder"
        )


def refuse_protocol(params: DatasetParams) -> None:
    """Refuse a protocol where the source has none, such as one left over from another source."""
    if params.protocol is not None:
        raise ParamsError(f"dataset.protocol={params.protocol!r}: source {params.source!r} has none; expected null")


def refuse_fold(params: DatasetParams) -> None:
    """Refuse a fold where the source comes with a split, which would win over it."""
    if params.fold is not None:
        raise ParamsError(f"dataset.fold={params.fold}: source {params.source!r} has its own split; expected null")


def check_classes(place: AnyPath, labels: Iterable[str], layout: str, refused: Sequence[Reject] = ()) -> None:
    """Refuse a data set of one class, or of no clip; where clips were refused, the stage says it, with why.

    Clips without a label are welcome: each is its own pair.

    Args:
        place: what the labels come from, for the message.
        labels: of every clip; an empty one is none.
        layout: what the source expects, for the message.
        refused: what is not among the labels for another reason.

    Raises:
        DataError: there is no clip, or one class, and nothing was refused.
    """
    labels = list(labels)
    classes = sorted(set(labels) - {""})
    has_labels = bool(classes) or not labels
    if has_labels and len(classes) < 2 and not refused:
        raise DataError(f"dataset.path={place}: {len(labels)} videos of classes {classes}; expected {layout}")
