"""VEGAS as its features are published, schema D: a folder a modality, an array a clip, and lists of ids as folds."""

import hashlib
import io
import posixpath
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.dataset.feature_files.arrays import checked_labels, checked_matrix
from pipeline.dataset.feature_files.imported import MIN_CLASSES, FeatureRows, Imported
from pipeline.dataset.layouts.locations import fold_lists
from pipeline.errors import ClipError, DataError, ParamsError, in_words
from pipeline.formats.feature_table import FeatureTable
from pipeline.formats.rejects import Reject
from pipeline.settings.paths import AnyPath
from pipeline.settings.regular_files import read_regular

AUDIO, VISUAL, LABELS, FOLDS = "vgg", "inception", "VEGAS_classes", "folds"
FOLDERS = (AUDIO, VISUAL, LABELS, FOLDS)


class _ClipArrays(NamedTuple):
    """What lies under one id: vectors (n_times, width) and the number of the class."""

    audio: NDArray[Any]
    visual: NDArray[Any]
    label: int


def read_d(root: AnyPath, fold: int) -> Imported:
    """Return the mean over time of every clip that the fold lists name; where it is of 8-bit numbers, (x - 128) / 256.

    Args:
        root: with vgg/ID.npy (n_times, 128), inception/ID.npy (n_times, 1024), VEGAS_classes/ID.npy (one whole number,
            or one-hot) and lists of ids in folds/.
        fold: place of the test fold among the lists in the order of their names; all others are train.

    Returns:
        The clips whose three arrays are sound; the others are refused. Where nothing can be told apart among those that
        are left, none of them.

    Raises:
        DataError: a folder is missing, a list is damaged, an id stands in two lists, or clips differ
            in width or type; or nothing is refused and there are fewer than two classes.
        ParamsError: there is no such fold.
    """
    root = Path(root)
    if missing := [name for name in FOLDERS if not (root / name).is_dir()]:
        raise DataError(f"{root}: schema D without {missing}; expected the folders {' '.join(FOLDERS)}")
    fold_of, n_folds = _folds(root / FOLDS, fold)
    digest = hashlib.sha256()
    clips: dict[str, _ClipArrays] = {}
    refused = []
    for clip_id in sorted(fold_of):
        try:
            clips[clip_id] = _read_clip(root, clip_id, digest)
        except ClipError as error:
            refused.append(Reject(clip_id, "dataset", error.kind, str(error)))
    if refused and len({clip.label for clip in clips.values()}) < MIN_CLASSES:
        return Imported(FeatureTable.empty(), [], refused)
    rows = FeatureRows(
        audio=_scaled_means(AUDIO, {clip_id: clip.audio for clip_id, clip in clips.items()}),
        visual=_scaled_means(VISUAL, {clip_id: clip.visual for clip_id, clip in clips.items()}),
        labels=np.array([clip.label for clip in clips.values()]),
        clip_ids=list(clips),
        splits=["test" if fold_of[clip_id] == fold else "train" for clip_id in clips],
    )
    provenance = {
        "schema": "D",
        "keys": " ".join(FOLDERS),
        "split": f"folds: number {fold} of {n_folds} is test",
        "scaling": "mean over time, of 8-bit numbers then (x - 128) / 256",
        "files": {root.name: digest.hexdigest()},
    }
    return Imported(rows.table(root, provenance), [""] * len(clips), refused)


def _folds(folder: Path, fold: int) -> tuple[dict[str, int], int]:
    """The fold of every id, and how many folds there are."""
    lists = [_ids(path) for path in fold_lists(folder)]
    if not lists:
        raise DataError(f"{folder}: no list; expected lists of ids, one of them the test fold")
    if fold >= len(lists):
        raise ParamsError(f"dataset.fold={fold}; expected 0 to {len(lists) - 1}, the lists in {folder}")
    for clip_id, count in Counter(clip_id for ids in lists for clip_id in ids).items():
        if count > 1:
            raise DataError(f"{folder}: clip {clip_id!r} stands there {count} times; expected once in all lists")
    return {clip_id: i for i, ids in enumerate(lists) for clip_id in ids}, len(lists)


def _ids(path: Path) -> list[str]:
    """A list of ids: text with one a line, or an array of text."""
    try:
        if path.suffix == ".npy":
            ids = [str(clip_id) for clip_id in _parsed(read_regular(path)).reshape(-1)]
        else:
            ids = read_regular(path).decode("utf-8-sig").split()
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: {in_words(error)}; expected ids, as text in UTF-8 or in a NumPy array") from error
    return [clip_id.removesuffix(".npy") for clip_id in ids]


def _read_clip(root: Path, clip_id: str, digest: "hashlib._Hash") -> _ClipArrays:
    """The three arrays of a clip, or the reason why it is refused."""
    if posixpath.isabs(clip_id) or ".." in clip_id.split("/"):
        raise ClipError(clip_id, "outside_root", "the id leads out of the folder", "the name of a file in it")
    audio, visual, label = (_read_array(root / folder, clip_id, digest) for folder in (AUDIO, VISUAL, LABELS))
    for folder, vectors in ((AUDIO, audio), (VISUAL, visual)):
        if len(vectors) == 0:
            raise ClipError(clip_id, "too_short", f"{folder}: no vector", "at least one")
        try:
            checked_matrix(vectors, f"{folder}/{clip_id}.npy")
        except DataError as error:
            raise ClipError(clip_id, "undecodable", str(error), "sound vectors") from error
    return _ClipArrays(audio, visual, _label(label, clip_id))


def _read_array(folder: Path, clip_id: str, digest: "hashlib._Hash") -> NDArray[Any]:
    """One file, whose bytes go into the digest."""
    path = folder / f"{clip_id}.npy"
    try:
        data = read_regular(path)
        digest.update(data)
        array = _parsed(data)
    except FileNotFoundError as error:
        raise ClipError(clip_id, "missing", f"{folder.name}/{path.name}: no such file", "one array a clip") from error
    except OSError as error:
        raise ClipError(clip_id, "unreadable", f"{path}: {error.strerror}", "a file that can be read") from error
    except DataError as error:  # a folder, a pipe
        raise ClipError(clip_id, "unreadable", str(error), "a file that can be read") from error
    except ValueError as error:
        raise ClipError(clip_id, "undecodable", f"{folder.name}/{path.name}: {error}", "a NumPy array") from error
    return np.atleast_1d(array)


def _parsed(data: bytes) -> NDArray[Any]:
    """The array of a .npy file; a ValueError where it is damaged."""
    try:
        array: NDArray[Any] = np.lib.format.read_array(io.BytesIO(data), allow_pickle=False)
    except Exception as error:  # NumPy takes a header for Python, so that damage can raise nearly anything
        raise ValueError(str(error)) from error
    return array


def _label(array: NDArray[Any], clip_id: str) -> int:
    """The class that an array of one number, or a one-hot one, stands for."""
    try:
        numbers = checked_labels(array.reshape(-1), f"{LABELS}/{clip_id}.npy")
    except DataError as error:
        raise ClipError(clip_id, "bad_label", str(error), "one whole number, or one-hot") from error
    if len(numbers) == 1:
        return int(numbers[0])
    if sorted(numbers.tolist()) != [0] * (len(numbers) - 1) + [1]:
        raise ClipError(clip_id, "bad_label", f"{LABELS}: {numbers.tolist()}", "one whole number, or one-hot")
    return int(numbers.argmax())


def _scaled_means(folder: str, clips: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
    """(n, width), the mean over time of each clip; of 8-bit numbers near zero, as the models are used to see them."""
    kinds = {(vectors.shape[1], vectors.dtype == np.uint8) for vectors in clips.values()}
    if len(kinds) > 1:
        found = sorted({f"{vectors.dtype} of width {vectors.shape[1]}" for vectors in clips.values()})
        raise DataError(f"{folder}: {' and '.join(found)}; expected one width and type in all clips")
    means = np.stack([vectors.mean(axis=0, dtype=np.float64) for vectors in clips.values()])
    is_8_bit = kinds.pop()[1]
    return ((means - 128) / 256 if is_8_bit else means).astype(np.float32)
