"""Published feature files in HDF5, schemas A, B and C: told apart by their keys."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pipeline.dataset.feature_files.arrays import (
    check_lengths,
    checked_labels,
    checked_matrix,
    words,
)
from pipeline.dataset.feature_files.imported import FeatureRows, Imported
from pipeline.errors import DataError
from pipeline.formats.feature_table import NO_LABEL
from pipeline.formats.files import file_sha256
from pipeline.formats.hdf5 import dataset, open_hdf5
from pipeline.settings.json_text import parse_json
from pipeline.settings.paths import AnyPath

SPLIT_KEYS = ("Train_test", "Split")  # of schema B: the one or the other
KEYS = {
    "A": ("audio_train", "audio_test", "visual_train", "visual_test", "lab_train", "lab_test"),
    "B": ("audio_feat", "visual_feat", "Label_ID", SPLIT_KEYS[0]),
    "C": ("featN1", "featN2", "testLs"),
}
KNOWN = "; ".join(f"{schema}: {' '.join(keys)}" for schema, keys in KEYS.items())
SIDE_SPLITS = {"train": ("train", "validation"), "test": ("test",)}  # of schema A; published files know no validation
SIDES = {"1": "train", "0": "test"}
SPLIT_WORDS = {
    "train": ("train", "training", "trainset"),
    "validation": ("validation", "val", "valid", "valset"),
    "test": ("test", "testing", "testset"),
}
WORD = re.compile("[A-Z]?[a-z]+|[A-Z]+(?![a-z])")  # of a file's name: what other characters and new capitals part
SUFFIXES = (".h5", ".hdf5")


class Sides(NamedTuple):
    """Keys of one side of schema A, and of what `pipeline.dataset.feature_files.export` adds to it."""

    audio: str
    visual: str
    labels: str
    clip_ids: str
    splits: str


def sides_of(side: str) -> Sides:
    """Return the keys of ``train`` or ``test``."""
    return Sides(*(f"{name}_{side}" for name in ("audio", "visual", "lab", "clip_ids", "split")))


def schema_of(path: AnyPath) -> str:
    """Return the schema whose keys the file has.

    Raises:
        DataError: it has those of none; the keys that the nearest one misses are named.
    """
    path = Path(path)
    with open_hdf5(path) as file:
        keys = {SPLIT_KEYS[0] if key == SPLIT_KEYS[1] else key for key in file}
    missing = {schema: [key for key in needed if key not in keys] for schema, needed in KEYS.items()}
    nearest = min(KEYS, key=lambda schema: len(missing[schema]) / len(KEYS[schema]))
    if len(missing[nearest]) == len(KEYS[nearest]):
        raise DataError(f"{path}: keys {sorted(keys)} are of no known schema; expected those of one: {KNOWN}")
    if missing[nearest]:
        hint = f", where {SPLIT_KEYS[0]} may be called {SPLIT_KEYS[1]}" if nearest == "B" else ""
        raise DataError(f"{path}: schema {nearest} without {missing[nearest]}; expected {KNOWN}{hint}")
    return nearest


def read_a(path: AnyPath) -> Imported:
    """Return the rows of a file whose keys say the split; names, splits and facts of our own export are taken over."""
    path = Path(path)
    parts, used = [], list(KEYS["A"])
    added = [key for side in SIDE_SPLITS for key in (sides_of(side).clip_ids, sides_of(side).splits)]
    with open_hdf5(path) as file:
        is_export = set(added) <= set(file)
        for side, allowed in SIDE_SPLITS.items():
            keys = sides_of(side)
            part = _part(file, keys.audio, keys.visual, keys.labels, side, NO_LABEL if is_export else 0)
            parts.append(_with_names(part, file, keys, allowed) if is_export else part)
        class_names, made_by = _facts(file) if is_export else (None, {})
    return _imported([path], "A", used + added * is_export, "in the keys", parts, class_names, made_by)


def read_b(path: AnyPath) -> Imported:
    """Return the rows of a file with one key for the split: 1 train, 0 test, as number or text."""
    path = Path(path)
    audio, visual, labels, _ = KEYS["B"]
    with open_hdf5(path) as file:
        key = next(key for key in SPLIT_KEYS if key in list(file))  # of a dangling link `in file` is False
        part = _part(file, audio, visual, labels, "")
        sides = [word.strip() for word in words(dataset(file, key), f"{path}: {key}")]
    check_lengths(str(path), {audio: part.audio, key: sides})
    if unknown := sorted(set(sides) - SIDES.keys()):
        raise DataError(f"{path}: {key}: {unknown[0]!r}; expected '1' (train) or '0' (test)")
    if len(set(sides)) < len(SIDES):
        raise DataError(f"{path}: {key}: every row is {SIDES[sides[0]]}; expected rows of train and of test")
    part = part._replace(splits=[SIDES[side] for side in sides])
    return _imported([path], "B", [audio, visual, labels, key], key, [part])


def read_c(paths: Iterable[AnyPath]) -> Imported:
    """Return the rows of files that hold one split each, named ``train``, ``test`` or, if there is one, ``val``."""
    files = _split_files(list(map(Path, paths)))
    audio, visual, labels = KEYS["C"]
    parts = []
    for split, path in files.items():
        with open_hdf5(path) as file:
            parts.append(_part(file, audio, visual, labels, split))
    return _imported(list(files.values()), "C", KEYS["C"], "file names", parts)


def siblings(path: AnyPath) -> list[Path]:
    """Return the files beside a file of schema C whose names differ in the word of the split only."""
    path = Path(path)
    pattern = _without_split(path.name)
    return sorted(other for other in path.parent.iterdir() if _without_split(other.name) == pattern)


def _split_of(word: str) -> str:
    """The split that a word of a file's name stands for, or nothing."""
    return next((split for split, words in SPLIT_WORDS.items() if word.lower() in words), "")


def _without_split(name: str) -> str:
    """A file's name with a star for each word of a split."""
    return WORD.sub(lambda found: "*" if _split_of(found[0]) else found[0], name)


def _split_files(paths: Sequence[Path]) -> dict[str, Path]:
    """The file of each split, as its name says."""
    files: dict[str, Path] = {}
    for path in paths:
        found = sorted(set(map(_split_of, WORD.findall(path.name))) - {""})
        if len(found) != 1 or found[0] in files:
            others = f", as {files[found[0]].name} has" if len(found) == 1 else ""
            raise DataError(
                f"{path}: schema C, with {' and '.join(found) or 'no split'} in its name{others}; expected one file a "
                "split, each with one of the words train, val and test in its name"
            )
        split = found[0]
        files[split] = path
    if missing := sorted({"train", "test"} - files.keys()):
        raise DataError(f"schema C: no file with {missing[0]} in its name beside {[str(path) for path in paths]}")
    return files


def _with_names(part: FeatureRows, file: Any, keys: Sides, allowed: tuple[str, ...]) -> FeatureRows:  # noqa: ANN401 - untyped h5py
    """The rows under the names and splits that our own export gives them."""
    clip_ids, splits = (words(dataset(file, key), f"{file.filename}: {key}") for key in (keys.clip_ids, keys.splits))
    check_lengths(file.filename, {keys.audio: part.audio, keys.clip_ids: clip_ids, keys.splits: splits})
    if unknown := sorted(set(splits) - set(allowed)):
        raise DataError(f"{file.filename}: {keys.splits}: {unknown[0]!r}; expected {' or '.join(allowed)}")
    return part._replace(clip_ids=clip_ids, splits=splits)


def _facts(file: Any) -> tuple[list[str] | None, dict[str, Any]]:  # noqa: ANN401 - h5py has no types
    """The names of the classes and what made the features, as the attributes of our own export have them in JSON."""
    for name in ("classes", "provenance"):
        if name in file.attrs and file.attrs.get_id(name).shape:
            raise DataError(f"{file.filename}: attribute {name}: an array; expected one text")
    try:
        facts = {name: parse_json(file.attrs[name]) for name in ("classes", "provenance") if name in file.attrs}
    except (TypeError, ValueError) as error:
        raise DataError(f"{file.filename}: attributes classes and provenance: {error}; expected JSON") from error
    names = facts.get("classes", [])
    if not isinstance(names, list) or len({name for name in names if isinstance(name, str)}) < len(names):
        raise DataError(f"{file.filename}: attribute classes: {names!r}; expected names, each once")
    return facts.get("classes"), {"made_by": facts["provenance"]} if "provenance" in facts else {}


def _part(file: Any, audio: str, visual: str, labels: str, split: str, lowest: int = 0) -> FeatureRows:  # noqa: ANN401 - h5py has no types
    """The rows under three keys, with labels from the lowest on."""
    matrices = [checked_matrix(dataset(file, key)[()], f"{file.filename}: {key}") for key in (audio, visual)]
    numbers = checked_labels(dataset(file, labels)[()], f"{file.filename}: {labels}", lowest=lowest)
    check_lengths(file.filename, {audio: matrices[0], visual: matrices[1], labels: numbers})
    width = len(str(len(numbers) - 1))
    stem = f"{split}/" if split else ""
    clip_ids = [f"{stem}{row:0{width}d}" for row in range(len(numbers))]
    return FeatureRows(matrices[0], matrices[1], numbers, clip_ids, [split] * len(numbers))


def _imported(
    files: list[Path],
    schema: str,
    keys: Iterable[str],
    split: str,
    parts: list[FeatureRows],
    class_names: list[str] | None = None,
    more: dict[str, Any] | None = None,
) -> Imported:
    """All parts as one table, with where they come from."""
    for name, widths in (
        ("audio", {part.audio.shape[1] for part in parts}),
        ("visual", {p.visual.shape[1] for p in parts}),
    ):
        if len(widths) > 1:
            raise DataError(f"{files[0]}: {name} of widths {sorted(widths)}; expected one width in all splits")
    rows = FeatureRows(
        audio=np.concatenate([part.audio for part in parts]),
        visual=np.concatenate([part.visual for part in parts]),
        labels=np.concatenate([part.labels for part in parts]),
        clip_ids=[clip_id for part in parts for clip_id in part.clip_ids],
        splits=[split for part in parts for split in part.splits],
    )
    provenance = {
        "schema": schema,
        "keys": " ".join(keys),
        "split": split,
        "scaling": "as published",
        "files": {path.name: file_sha256(path) for path in files},
        **(more or {}),
    }
    return Imported(rows.table(files[0], provenance, class_names), [""] * len(rows.clip_ids), [])
