"""What the stage `dataset` says about the split."""

import sys
from collections.abc import Sequence
from typing import Any

from pipeline.dataset.labels import similar_labels
from pipeline.dataset.leakage import leakage_counts, leakage_warnings, untrained_warnings
from pipeline.errors import DataError
from pipeline.formats.clips import SPLITS, Clip, whole_files
from pipeline.formats.rejects import Reject, kinds_in_words
from pipeline.settings.paths import AnyPath


def check_classes_left(clips: Sequence[Clip], refused: Sequence[Reject], file: AnyPath) -> None:
    """Refuse to go on where so many clips were refused that nothing can be told apart.

    Args:
        clips: those that are left.
        refused: the others.
        file: the rejected.csv that has been written already.

    Raises:
        DataError: no clip is left, or of those with labels one class.
    """
    classes = sorted({clip.label for clip in clips} - {""})
    has_labels = bool(classes) or not clips
    if refused and has_labels and len(classes) < 2:
        raise DataError(
            f"{len(clips)} clips of classes {classes} are left, and {len(refused)} were refused "
            f"({kinds_in_words(refused)}), such as {refused[0].kind}: {refused[0].reason}; expected two classes or "
            f"more; {file} lists all"
        )


def report(clips: Sequence[Clip]) -> dict[str, Any]:
    """Return what metrics.json says about the split and the labels, after loud words about what is wrong with them.

    Where clips are windows of files, it also says how many files there are.
    """
    alike = similar_labels({clip.label for clip in clips} - {""})
    spellings = [f"SIMILAR LABELS: {' and '.join(map(repr, labels))} count as different classes" for labels in alike]
    for line in [*leakage_warnings(clips), *untrained_warnings(clips), *spellings]:
        print(f"dataset: {line}", file=sys.stderr)
    n_files = {"n_files": len(whole_files(clips))} if any(clip.window for clip in clips) else {}
    return {"leakage": leakage_counts(clips), "similar_labels": len(alike), **n_files}


def summary(clips: Sequence[Clip], refused: Sequence[Reject]) -> str:
    """Return a line that says what was found."""
    splits = [clip.split for clip in clips]
    counts = ", ".join(f"{splits.count(split)} {split}" for split in SPLITS)
    n_classes, n_bare = len({clip.label for clip in clips} - {""}), sum(not clip.label for clip in clips)
    labelled = f"of {n_classes} classes" if n_classes else "without labels"
    bare = f" ({n_bare} without a label)" if n_classes and n_bare else ""
    others = f"; {len({row.clip_id for row in refused})} more refused ({kinds_in_words(refused)})" if refused else ""
    return f"dataset: {len(clips)} clips {labelled}{bare}: {counts}{others}"
