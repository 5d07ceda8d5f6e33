"""Source ``table``: a .csv, .tsv, .jsonl or .parquet with a row a clip; paths start from its folder, or are URLs."""

from pathlib import Path

from pipeline.dataset.base import DatasetParams, Found
from pipeline.dataset.layouts.locations import check_classes, given_file, refuse_fold, refuse_protocol
from pipeline.dataset.layouts.remote import LostFile, check_url, is_url, local_copies, url_of
from pipeline.dataset.layouts.table_clips import clips_of_rows
from pipeline.dataset.layouts.table_rows import COLUMNS, REQUIRED, SUFFIXES, read_rows
from pipeline.dataset.layouts.url_rows import clips_of_urls
from pipeline.errors import DataError
from pipeline.settings.environment import cache_folder

OPTIONAL = list(COLUMNS[len(REQUIRED) :])
LAYOUT = f"FILE{'|'.join(SUFFIXES)} with columns {list(REQUIRED)}, optional {OPTIONAL}, two classes or none"


def find_clips(params: DatasetParams) -> Found:
    """Return the table's folder and a clip for each row; of URLs the folder of their copies, in the cache.

    Rows of one file are its events: each is called ``PATH#START-END`` unless it has a clip_id, and where they have no
    source_id it is the path, so that they stay on one side of the split.

    Args:
        params: ``path`` is the table, or its URL; a relative one starts from the folder that the command runs in.

    Raises:
        ParamsError: no path is given, or a protocol, or a fold although all rows have a split.
        DataError: the table cannot be read, or a row contradicts itself or another; its place is named.
    """
    refuse_protocol(params)
    folder, most_bytes = cache_folder() / "remote", params.download_gigabytes * 1e9
    url = url_of(params.path)
    table = _fetched(url, folder, most_bytes) if url else given_file(params, LAYOUT)
    root, rows = table.parent, read_rows(table)
    if url or any(is_url(row.cells["path"]) for row in rows):
        root = folder
        clips, refused = clips_of_urls(rows, url.partition("?")[0].rpartition("/")[0], folder, most_bytes)
    else:
        clips, refused = clips_of_rows(rows, root)
    check_classes(table, (clip.label for clip in clips), LAYOUT, refused)
    if clips:
        _check_splits(table, params, {clip.split for clip in clips})
    return Found(root, clips, refused)


def _fetched(url: str, folder: Path, most_bytes: float) -> Path:
    """The copy of a table that is named by a URL."""
    check_url(url, "dataset.path")
    copy = local_copies([url], folder, most_bytes)[url]
    if isinstance(copy, LostFile):
        raise DataError(f"dataset.path={url}: {copy.problem}; expected {LAYOUT}")
    return folder / copy


def _check_splits(table: Path, params: DatasetParams, splits: set[str]) -> None:
    """Refuse a whole split that lacks a side, and a fold that it would win over."""
    if "" in splits:
        return
    refuse_fold(params)
    if not {"train", "test"} <= splits:
        raise DataError(f"{table}: splits {sorted(splits)}; expected train and test, or rows without a split")
