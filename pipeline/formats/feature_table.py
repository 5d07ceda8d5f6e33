"""The feature table: paired rows of all clips, in one file that every model starts from."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import save_file

from pipeline.errors import DataError, in_words
from pipeline.formats.shards import stored_rows_and_notes
from pipeline.formats.texts import pack_texts, unpack_texts
from pipeline.settings.json_text import parse_json
from pipeline.settings.paths import AnyPath

METADATA_KEY = "provenance"
FEATURES = ("audio", "visual")
NUMBERS = (*FEATURES, "labels")
TEXTS = ("clip_ids", "splits", "classes")
NO_LABEL = -1


def label_names(labels: NDArray[np.int64], classes: Sequence[str]) -> list[str]:
    """Return the name of each clip's class; it is empty where the class is not known.

    Args:
        labels: (n,) places in ``classes``, or ``NO_LABEL``.
        classes: names of the classes.

    Example:
        >>> label_names(np.array([1, NO_LABEL, 0]), ["cat", "dog"])
        ['dog', '', 'cat']
    """
    return ["" if label == NO_LABEL else classes[label] for label in labels.tolist()]


@dataclass(frozen=True, kw_only=True)
class FeatureTable:
    """Paired rows of all clips: row i of both modalities comes from clip i.

    Attributes:
        clip_ids: n names.
        splits: n times ``train``, ``validation`` or ``test``.
        labels: (n,) int64 places in ``classes``; -1 (``NO_LABEL``) where the class is not known.
        classes: names of the classes, sorted; none where no clip has a label.
        audio: (n, audio width) float32.
        visual: (n, visual width) float32.
        provenance: what made the features, as JSON can hold it.

    Raises:
        DataError: lengths disagree, a modality is no matrix, a label is no place in ``classes``, or a value is NaN or
            infinite.
    """

    clip_ids: list[str]
    splits: list[str]
    labels: NDArray[np.int64]
    classes: list[str]
    audio: NDArray[np.float32]
    visual: NDArray[np.float32]
    provenance: dict[str, Any]

    def __post_init__(self) -> None:
        """Refuse a table that cannot be right."""
        check_clips(self)
        for name in FEATURES:
            check_finite(getattr(self, name), name, self.clip_ids)

    @classmethod
    def empty(cls) -> "FeatureTable":
        """Return a table without rows: what stands for imported features where the source has videos."""
        nothing = np.zeros((0, 0), np.float32)
        labels = np.zeros(0, np.int64)
        return cls(clip_ids=[], splits=[], labels=labels, classes=[], audio=nothing, visual=nothing, provenance={})

    def rows(self, split: str) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int64]]:
        """Return audio, visual and labels of one split: (n, audio width), (n, visual width), (n,).

        Raises:
            DataError: the split has no row.
        """
        mask = np.array([of_row == split for of_row in self.splits], bool)
        if not mask.any():
            raise DataError(f"feature table: no row of split {split!r}; expected at least one")
        return self.audio[mask], self.visual[mask], self.labels[mask]

    def save(self, path: AnyPath) -> None:
        """Write the table to one safetensors file; equal tables give equal bytes."""
        arrays = {name: np.ascontiguousarray(getattr(self, name)) for name in NUMBERS}
        texts = pack_texts({name: getattr(self, name) for name in TEXTS})
        save_file(arrays | texts, path, {METADATA_KEY: json.dumps(self.provenance, sort_keys=True)})

    @classmethod
    def load(cls, path: AnyPath) -> "FeatureTable":
        """Return the table of a file that ``save`` wrote.

        Raises:
            DataError: the file is missing or is no such table.
        """
        return cls(**table_parts(path))


def check_clips(table: Any) -> None:  # noqa: ANN401 - a table whose features are in memory, or in its file
    """Refuse a table that cannot be right, whatever its features hold.

    Raises:
        DataError: lengths disagree, a modality is no matrix, or a label is no place in ``classes``.
    """
    rows = {name: len(getattr(table, name)) for name in ("clip_ids", "splits", "labels", *FEATURES)}
    if len(set(rows.values())) != 1:
        raise DataError(f"feature table: rows {rows}; expected the same number everywhere")
    if table.labels.dtype.kind != "i" or not np.isin(table.labels, np.arange(NO_LABEL, len(table.classes))).all():
        raise DataError(
            f"feature table: {table.labels.dtype} labels; expected whole numbers in 0..{len(table.classes) - 1}, "
            f"places among the {len(table.classes)} classes, or {NO_LABEL} for none"
        )
    for name in FEATURES:
        if len(shape := getattr(table, name).shape) != 2:
            raise DataError(f"feature table: {name} of shape {shape}; expected (n, width)")


def check_finite(features: NDArray[np.float32], name: str, clip_ids: Sequence[str]) -> None:
    """Refuse features that are no numbers.

    Args:
        features: (n, width).
        name: of the modality, for the message.
        clip_ids: of the n rows.

    Raises:
        DataError: a value is NaN or infinite; the message names the clip.
    """
    broken = np.flatnonzero(~np.isfinite(features).all(axis=1))
    if broken.size:
        clip_id = clip_ids[broken[0]]
        raise DataError(f"clip {clip_id!r}: {name} features with NaN or infinity; expected finite numbers")


def table_parts(path: AnyPath, in_file: Sequence[str] = ()) -> dict[str, Any]:
    """Return the arrays, texts and provenance of a file that ``FeatureTable.save`` wrote, by name.

    Args:
        path: the file.
        in_file: names of arrays that stay in it, as ``StoredRows``.

    Raises:
        DataError: the file is missing or is no such table.
    """
    path = Path(path)
    try:
        stored, notes = stored_rows_and_notes(path)
        provenance = parse_json(notes[METADATA_KEY])
        arrays: dict[str, Any] = {  # what is copied from a mapping is there twice
            name: rows if name in in_file else rows[:] for name, rows in stored.items()
        }
        texts = {name: unpack_texts(arrays, name) for name in TEXTS}
        numbers = {name: arrays[name] for name in NUMBERS}
    except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
        expected = "a table that the stage `features` wrote; `dvc repro` writes one of an earlier version again"
        raise DataError(f"{path}: {in_words(error)}; expected {expected}") from error
    return texts | numbers | {"provenance": provenance}
