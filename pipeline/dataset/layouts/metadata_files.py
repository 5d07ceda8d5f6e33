"""The metadata files of a VideoFolder of the Hugging Face Hub: tables beside the videos, for all splits or one each."""

import posixpath
from collections.abc import Mapping
from pathlib import Path

from pipeline.dataset.layouts.hub_splits import split_named
from pipeline.dataset.layouts.table_rows import TableRow, read_rows
from pipeline.errors import DataError
from pipeline.settings.paths import AnyPath

NAMES = ("metadata.csv", "metadata.jsonl", "metadata.parquet")


def metadata_files(root: AnyPath, splits: Mapping[str, str]) -> dict[str, Path]:
    """Return the metadata file of each folder that has one: of the whole, as "", or of every split.

    Args:
        root: the folder of the data set.
        splits: the split of each folder in it that is named as one.

    Raises:
        DataError: a folder has two of them, the whole and a split have one each, or but some splits have one.
    """
    root = Path(root)
    found: dict[str, Path] = {}
    for folder in ("", *splits):
        there = [path for name in NAMES if (path := root / folder / name).is_file()]
        if len(there) > 1:
            raise DataError(f"{root / folder}: {' and '.join(path.name for path in there)}; expected one metadata file")
        if there:
            found[folder] = there[0]
    if "" in found and len(found) > 1:
        raise DataError(
            f"{root}: metadata files in it and in {sorted(found)[1:]}; expected one for all, or one a split"
        )
    if found and "" not in found and (without := sorted(splits.keys() - found.keys())):
        raise DataError(f"{root / without[0]}: no metadata file, but {root / min(found)} has one; expected one a split")
    return found


def metadata_rows(files: Mapping[str, AnyPath], splits: Mapping[str, str]) -> list[TableRow]:
    """Return the rows of metadata files, their paths from the folder of the whole, each with the split of its folder.

    Args:
        files: as ``metadata_files`` returns them.
        splits: the split of each folder that is named as one.

    Raises:
        DataError: a file cannot be read, or a row has a column ``split`` that says another one than its folder.
    """
    return [_placed(row, folder, splits) for folder, path in files.items() for row in read_rows(path)]


def _placed(row: TableRow, folder: str, splits: Mapping[str, str]) -> TableRow:
    """A row with its path from the folder of the whole, and its split."""
    name, said = row.cells["path"], row.cells.get("split", "")
    if not name:
        return row
    path = posixpath.normpath(posixpath.join(folder, name))
    split = splits.get(path.partition("/")[0], "")
    if said.strip() and split and split_named(said.strip()) != split:
        raise DataError(
            f"{row.place}: split {said!r} of {path!r}; expected {split!r}, the name of its folder, or nothing"
        )
    return row._replace(cells={**row.cells, "path": path, "split": split or said})
