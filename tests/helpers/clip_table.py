"""Tables of clips, as a user of the source `table` writes them."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.dataset.base import Found
from pipeline.dataset.sources.table import find_clips
from pipeline.formats.clips import Clip
from tests.helpers.dataset_params import dataset_params

PLAIN = [["path", "label"], ["a.mp4", "cat"], ["b.mp4", "dog"]]


def found(path: Path, **changes: Any) -> Found:  # noqa: ANN401 - whatever a user may write
    return find_clips(dataset_params(source="table", path=path, **changes))


def write(path: Path, rows: Sequence[Sequence[str]], delimiter: str = ",") -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, delimiter=delimiter).writerows(rows)
    return path


def clips_of(folder: Path, *rows: Sequence[str]) -> list[Clip]:
    return found(write(folder / "videos.csv", rows)).clips
