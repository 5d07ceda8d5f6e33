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
LONGEST_SAID = 300  # characters of what is shown of a name, a filter or LanceDB's own words
_PLACE = re.compile(r", \S+\.rs:\d+.*")  # in the code of LanceDB
_STORE_SAYS = re.compile(r'<Message>(.*?)</Message>|message: \\*"([^"\\]+)|source: "([^":\\]+)')
EXPECTED = "expected an index: `avr index build` makes one from a finished run"
STORE_EXPECTED = (
    "expected an index in a store that answers: AWS_ENDPOINT, AWS_REGION, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY "
    "say which, and `avr index build --out` makes an index"
)
INSTALL = ".venv/bin/uv pip install --constraint requirements.lock --editable '.[search]'"


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
    if not is_uri(folder) and not (Path(folder) / f"{TABLE}.lance").is_dir():
        raise DataError(f"{shortened(folder)}: no index; {EXPECTED}")
    with lance_errors(folder):
        return _connect(folder).open_table(TABLE)


def state(table: LanceTable, folder: str) -> tuple[int, ...]:
    """Return what differs once an index has changed, also where it was deleted and made again, which counts anew.

    Args:
        table: that was opened in the folder.
        folder: of the index.

    Raises:
        DataError: the index is gone or damaged.
    """
    with lance_errors(folder):
        table.checkout_latest()
        if is_uri(folder):
            return (int(table.version),)
        versions = (Path(folder) / f"{TABLE}.lance" / "_versions").stat()
        return int(table.version), versions.st_ino, versions.st_mtime_ns


@contextmanager
def lance_errors(folder: str) -> Iterator[None]:
    """Turn what LanceDB raises inside the block into an error that names the index.

    Raises:
        DataError: the index is gone or damaged, or its store does not answer.
    """
    try:
        yield
    except PipelineError:
        raise
    except (ValueError, RuntimeError, OSError) as error:
        expected = STORE_EXPECTED if is_uri(folder) else EXPECTED
        raise DataError(f"{shortened(folder)}: {in_short(error)}; {expected}") from error


def overwrite(folder: str, table: "pa.Table") -> None:
    """Make a table the index: rows and facts of an earlier one go, in one version.

    Raises:
        DataError: the store does not answer, or there is none of that kind.
        DiskError: the disk is full or fails, or the folder cannot be written.
        ParamsError: LanceDB is not installed.
    """
    with lance_errors(folder), cache_errors(Path(folder)):
        _connect(folder).create_table(TABLE, table, mode="overwrite", on_bad_vectors="null")


def append(table: LanceTable, rows: "pa.Table", folder: str) -> None:
    """Add rows to the table in one version.

    Raises:
        DataError: the index is gone, or its store does not answer.
        DiskError: the disk is full or fails.
    """
    with lance_errors(folder), cache_errors(Path(folder)):
        table.add(rows, on_bad_vectors="null")  # which here are those of clips without that modality


def replace(table: LanceTable, rows: "pa.Table", where: str, folder: str) -> None:
    """Put rows in the place of those that a filter in SQL lets through, in one version.

    Raises:
        DataError: the index is gone, or its store does not answer.
        DiskError: the disk is full or fails.
    """
    with lance_errors(folder), cache_errors(Path(folder)):
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


def in_short(error: Exception) -> str:
    """Return what LanceDB says of an error, or the store behind it, without the places and structures of its code.

    Example:
        >>> text = 'Invalid input, Failed to connect: IO { body: "<Message>No such bucket</Message>" }'
        >>> in_short(ValueError(text))
        'Failed to connect: No such bucket'
    """
    text = str(error)
    line = _PLACE.sub("", (text.splitlines() or [type(error).__name__])[0])
    words, is_structure, _ = line.partition(" IO {")
    found = _STORE_SAYS.search(text) if is_structure else None
    line = f"{words} {found[found.lastindex or 0]}" if found else words.removesuffix(":")
    return shortened(line.replace("Invalid input, ", "").removesuffix("."))


def shortened(text: str) -> str:
    """Return a text without its middle where it is too long for a line of a message."""
    half = LONGEST_SAID // 2
    return text if len(text) <= LONGEST_SAID else f"{text[:half]}[...]{text[-half:]}"


def _connect(folder: str) -> Any:  # noqa: ANN401 - as LanceTable
    """LanceDB in the folder; its notices, such as that a table is new, are not for users."""
    os.environ.setdefault("LANCEDB_LOG", "error")
    try:
        import lancedb
    except ImportError as error:
        raise ParamsError(f"the index needs LanceDB, which is not installed; expected {INSTALL}") from error
    return lancedb.connect(folder)
