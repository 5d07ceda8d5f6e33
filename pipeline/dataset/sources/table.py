"""Source ``table``: a .csv, .tsv, .jsonl or .parquet with a row a clip; paths start from the table's folder."""

from pathlib import Path

from pipeline.dataset.base import DatasetParams, Found
from pipeline.dataset.layouts.locations import check_classes, given_file, refuse_fold, refuse_protocol
from pipeline.dataset.layouts.table_clips import clips_of_rows
from pipeline.dataset.layouts.table_rows import COLUMNS, REQUIRED, SUFFIXES, read_rows
from pipeline.errors import DataError

OPTIONAL = list(COLUMNS[len(REQUIRED) :])
LAYOUT = f"FILE{'|'.join(SUFFIXES)} with columns {list(REQUIRED)}, optional {OPTIONAL}, two classes or none"


def find_clips(params: DatasetParams) -> Found:
    """Return the table's folder and a clip for each row.

    Rows of one file are its events: each is called ``PATH#START-END`` unless it has a clip_id, and where they have no
    source_id it is the path, so that they stay on one side of the split.

    Args:
        params: ``path`` is the table; a relative one starts from the folder that the command runs in.

    Raises:
        ParamsError: no path is given, or a protocol, or a fold although all rows have a split.
        DataError: the table cannot be read, or a row contradicts itself or another; its place is named.
    """
    refuse_protocol(params)
    table = given_file(params, LAYOUT)
    clips, refused = clips_of_rows(read_rows(table), table.parent)
    check_classes(table, (clip.label for clip in clips), LAYOUT, refused)
    if clips:
        _check_splits(table, params, {clip.split for clip in clips})
    return Found(table.parent, clips, refused)


def _check_splits(table: Path, params: DatasetParams, splits: set[str]) -> None:
    """Refuse a whole split that lacks a side, and a fold that it would win over."""
    if "" in splits:
        return
    refuse_fold(params)
    if not {"train", "test"} <= splits:
        raise DataError(f"{table}: splits {sorted(splits)}; expected train and test, or rows without a split")
