"""A data set that comes as finished clip vectors: its rows, and the clips that stand for them."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import DataError
from pipeline.formats.clips import Clip
from pipeline.formats.feature_table import NO_LABEL, FeatureTable, label_names
from pipeline.formats.rejects import Reject
from pipeline.settings.paths import AnyPath

MIN_CLASSES = 2


class Imported(NamedTuple):
    """What a source without videos holds.

    Attributes:
        table: one row a clip, with the splits of the source.
        source_ids: n recordings that the clips were cut from; empty where unknown.
        refused: clips that the source names but lacks, and why.
    """

    table: FeatureTable
    source_ids: list[str]
    refused: list[Reject]


class FeatureRows(NamedTuple):
    """Rows as read: audio (n, k), visual (n, m), n clip_ids and splits; labels (n,) from 0, or ``NO_LABEL``."""

    audio: NDArray[np.float32]
    visual: NDArray[np.float32]
    labels: NDArray[np.int64]
    clip_ids: list[str]
    splits: list[str]

    def table(
        self, place: AnyPath, provenance: dict[str, Any], class_names: Sequence[str] | None = None
    ) -> FeatureTable:
        """Return them as a feature table whose classes are those that occur.

        Args:
            place: the file or folder they were read from, for messages.
            provenance: stands in the table under ``imported``.
            class_names: sorted names, label 0 first; None: the numbers themselves, with zeros in front.

        Raises:
            DataError: a label has no name, or labels are of fewer than two classes.
        """
        place = Path(place)
        is_known = self.labels != NO_LABEL
        numbers, places = np.unique(self.labels[is_known], return_inverse=True)
        labels = np.full(len(self.labels), NO_LABEL, np.int64)
        labels[is_known] = places
        width = len(str(numbers.max(initial=0)))
        if class_names is not None and numbers.max(initial=NO_LABEL) >= len(class_names):
            raise DataError(
                f"{place}: label {numbers.max()}; expected 0 to {len(class_names) - 1}, the classes that have names"
            )
        classes = [class_names[i] if class_names else f"{i:0{width}d}" for i in numbers.tolist()]
        if len(classes) < MIN_CLASSES and (is_known.any() or not is_known.size):
            raise DataError(f"{place}: classes {classes}; expected at least {MIN_CLASSES}")
        return FeatureTable(
            clip_ids=self.clip_ids,
            splits=self.splits,
            labels=labels,
            classes=classes,
            audio=self.audio,
            visual=self.visual,
            provenance={"imported": provenance},
        )


def clips_of(imported: Imported) -> list[Clip]:
    """Return a clip without a path for every row; its sha256 is that of the row's bytes, audio before visual."""
    table = imported.table
    labels = label_names(table.labels, table.classes)
    rows = zip(table.clip_ids, labels, table.splits, imported.source_ids, strict=True)
    return [
        Clip(
            clip_id=clip_id,
            path="",
            label=label,
            sha256=hashlib.sha256(table.audio[i].tobytes() + table.visual[i].tobytes()).hexdigest(),
            split=split,
            source_id=source_id,
        )
        for i, (clip_id, label, split, source_id) in enumerate(rows)
    ]


def with_splits_of(table: FeatureTable, clips: Sequence[Clip]) -> FeatureTable:
    """Return the table with the clips' splits, its rows sorted by clip_id as in clips.csv."""
    split = {clip.clip_id: clip.split for clip in clips}
    order = sorted(range(len(table.clip_ids)), key=table.clip_ids.__getitem__)
    clip_ids = [table.clip_ids[i] for i in order]
    return replace(
        table,
        clip_ids=clip_ids,
        splits=[split[clip_id] for clip_id in clip_ids],
        labels=table.labels[order],
        audio=table.audio[order],
        visual=table.visual[order],
    )
