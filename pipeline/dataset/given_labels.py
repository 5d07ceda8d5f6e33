"""Which clips have a label, where the source does not decide it: none, or those that a table names."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote

import numpy as np

from pipeline.dataset.base import LABELS_OF_SOURCE, NO_LABELS, DatasetParams
from pipeline.dataset.layouts.remote import url_of
from pipeline.dataset.layouts.table_rows import ONE_CLASS, read_rows
from pipeline.errors import DataError
from pipeline.formats.clips import Clip
from pipeline.formats.feature_table import NO_LABEL, FeatureTable

N_NAMED = 3


def with_labels(clips: Sequence[Clip], params: DatasetParams) -> list[Clip]:
    """Return the clips with the labels that ``dataset.labels`` gives them; an empty label is none.

    Args:
        clips: of the source, with its labels.
        params: ``labels`` is ``folders``, which leaves the source's; ``none``; or the path of a table with the columns
            ``path`` (a clip's path or clip_id) and ``label``. Clips that it does not name have no label, and an empty
            cell is none.

    Raises:
        DataError: there is no such table, it cannot be read or has no labels, or it names what is no clip.
    """
    if params.labels == LABELS_OF_SOURCE:
        return list(clips)
    given = {} if params.labels == NO_LABELS else _labels_of(Path(params.labels).expanduser())
    names = {clip.clip_id: _names_of(clip, url_of(params.path)) for clip in clips}
    if unknown := sorted(given.keys() - {name for of_clip in names.values() for name in of_clip}):
        named = ", ".join(map(repr, unknown[:N_NAMED]))
        raise DataError(
            f"dataset.labels={params.labels}: {len(unknown)} of {len(given)} paths are no clip of the source, such as "
            f"{named}; expected paths as in clips.csv, from dataset.path on, or clip_ids"
        )
    return [
        replace(clip, label=next((given[name] for name in names[clip.clip_id] if name in given), "")) for clip in clips
    ]


def _names_of(clip: Clip, url: str) -> list[str]:
    """What a table may call a clip: its id, its path, and where it lies behind a URL the path from there on."""
    names = [clip.clip_id, clip.path]
    if url and clip.clip_id.startswith(f"{url}/"):
        inside = clip.clip_id.removeprefix(f"{url}/")
        names.append(unquote(inside) if url.startswith("http") else inside)
    return names


def labelled_as(table: FeatureTable, clips: Sequence[Clip]) -> FeatureTable:
    """Return a feature table with the labels of its clips.

    Args:
        table: n rows.
        clips: the clips of the rows, in their order.
    """
    classes = sorted({clip.label for clip in clips} - {""})
    place = {label: number for number, label in enumerate(classes)} | {"": NO_LABEL}
    labels = np.array([place[clip.label] for clip in clips], np.int64)
    return replace(table, labels=labels, classes=classes)


def _labels_of(path: Path) -> dict[str, str]:
    """The labels of a table by what it calls ``path``; rows with an empty label are left out."""
    if not path.is_file():
        raise DataError(
            f"dataset.labels={path}: no such file (seen from {Path.cwd()}); expected folders, none, or a table with "
            "columns path and label"
        )
    given: dict[str, str] = {}
    for place, cells in read_rows(path):
        name, label = cells["path"], cells.get("label", "")
        if label and given.setdefault(name, label) != label:
            raise DataError(f"{place}: {name!r} is {label!r}, and {given[name]!r} before; expected {ONE_CLASS}")
    if len(set(given.values())) < 2:
        raise DataError(f"dataset.labels={path}: classes {sorted(set(given.values()))}; expected two or more")
    return given
