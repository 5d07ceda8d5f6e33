"""The LanceDB table of an index: opened, read and written, one version at a time.

Every write is one version: readers see the last whole one, also when the writer is killed. Writers of one machine wait
for each other at a lock file, which the system frees when its holder ends, however it ends.
"""

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from pipeline.errors import DataError, ParamsError, PipelineError
from pipeline.formats.files import cache_errors

if TYPE_CHECKING:
    import pyarrow as pa

LanceTable: TypeAlias = Any  # of LanceDB, whose types mypy cannot use
TABLE = "clips"
LOCK = ".writer.lock"
_PLACE = re.compile(r", \S+\.rs:\d+.*")  # in the code of LanceDB
_INSTALL = ".venv/bin/uv pip install --constraint requirements.lock '.[search]'"


def is_uri(folder: str) -> bool:
    """Return whether an index lies in an object store, such as ``s3://bucket/index``, and not in a folder.

    Example:
        >>> is_uri("s3://bucket/index"), is_uri("data/index")
        (True, False)
    """
    return "://" in folder


def open_table(folder: str) -> LanceTable:
    """Return the table of an index at its last version.

    Raises:
        DataError: there is no index, or it is damaged.
        ParamsError: LanceDB is not installed.
    """
    expected = "expected an index: `avr index build` makes one from a finished run"
    if not is_uri(folder) and not (Path(folder) / f"{TABLE}.lance").is_dir():
        raise DataError(f"{folder}: no index; {expected}")
    try:
        return _connect(folder).open_table(TABLE)
    except (ValueError, RuntimeError, OSError) as error:
        if isinstance(error, PipelineError):
            raise
        raise DataError(f"{folder}: {first_line(error)}; {expected}") from error


def overwrite(folder: str, table: "pa.Table") -> None:
    """Make a table the index: rows and facts of an earlier one go, in one version.

    Raises:
        DiskError: the disk is full or fails, or the folder cannot be written.
        ParamsError: LanceDB is not installed.
    """
    with cache_errors(Path(folder)):
        _connect(folder).create_table(TABLE, table, mode="overwrite", on_bad_vectors="null")


def append(table: LanceTable, rows: "pa.Table", folder: str) -> None:
    """Add rows to the table in one version.

    Raises:
        DiskError: the disk is full or fails.
    """
    with cache_errors(Path(folder)):
        table.add(rows, on_bad_vectors="null")  # which here are those of clips without that modality


def replace(table: LanceTable, rows: "pa.Table", where: str, folder: str) -> None:
    """Put rows in the place of those that a filter in SQL lets through, in one version.

    Raises:
        DiskError: the disk is full or fails.
    """
    with cache_errors(Path(folder)):
        merge = table.merge_insert(["root", "path", "start"]).when_matched_update_all().when_not_matched_insert_all()
        merge.when_not_matched_by_source_delete(where).execute(rows, on_bad_vectors="null")


@contextmanager
def writing(folder: str) -> Iterator[None]:
    """Let one writer at a time into the block, of all processes of this machine; an object store is left to LanceDB.

    Raises:
        DiskError: the folder cannot be written.
    """
    if is_uri(folder):
        yield
        return
    path = Path(folder) / LOCK
    with cache_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
    finally:
        os.close(file)


def first_line(error: Exception) -> str:
    """Return what LanceDB says of an error, without the places in its own code."""
    return _PLACE.sub("", (str(error).splitlines() or [type(error).__name__])[0])


def _connect(folder: str) -> Any:  # noqa: ANN401 - as LanceTable
    """LanceDB in the folder; its notices, such as that a table is new, are not for users."""
    os.environ.setdefault("LANCEDB_LOG", "error")
    try:
        import lancedb
    except ImportError as error:
        raise ParamsError(f"the index needs LanceDB, which is not installed; expected {_INSTALL}") from error
    return lancedb.connect(folder)
