"""Tables in CSV whose cells may hold any text, also a bare carriage return, and which a spreadsheet does not run."""

import csv
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from pipeline.errors import DataError
from pipeline.formats.files import disk_errors
from pipeline.settings.paths import AnyPath
from pipeline.settings.regular_files import open_regular_text

FORMULA = re.compile(r"'*[=+@-]")  # what makes a spreadsheet run a cell, after any number of our own quotes
NO_FORMULA = re.compile(
    r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|-[A-Za-z0-9_-]{10}[\w#.]*", re.ASCII
)  # number, YouTube ID


def write_rows(path: AnyPath, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a header and rows: equal rows give equal bytes, on any machine.

    A cell of text that a spreadsheet would run as a formula (it begins with =, +, - or @) gets a single quote in front,
    which ``read_rows`` takes away; numbers, and IDs of YouTube, which may begin with -, are left as they are.

    Args:
        path: the CSV file, in UTF-8.
        columns: its header.
        rows: as many cells each; None is an empty one.

    Raises:
        DiskError: the disk is full or fails.
    """
    path = Path(path)
    with disk_errors(path), path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        quoting = csv.writer(file, lineterminator="\n", quoting=csv.QUOTE_ALL)
        writer.writerow(columns)
        for row in rows:  # Python 3.11 quotes a bare \r only if told to, and reads it as the end of a row
            (quoting if "\r" in "".join(map(str, row)) else writer).writerow(map(_quoted, row))


def read_rows(path: AnyPath, columns: Sequence[str] = (), further: Sequence[str] = ()) -> list[dict[str, str]]:
    """Return the rows of a table that ``write_rows`` wrote, each a map from columns to cells as they were given.

    Args:
        path: the CSV file.
        columns: those that it must have, in their order; none: any.
        further: those that may follow them, all or none.

    Raises:
        DataError: the file is damaged or no such table.
        FileNotFoundError: there is none.
    """
    with open_regular_text(path) as file:
        return parse_rows(file, str(path), columns, further)


def parse_rows(
    lines: Iterable[str], place: str, columns: Sequence[str] = (), further: Sequence[str] = ()
) -> list[dict[str, str]]:
    """Return the rows of a table as ``read_rows`` does, from its lines.

    Args:
        lines: an open file, or lines.
        place: where they come from, for the message.
        columns: as for ``read_rows``.
        further: as for ``read_rows``.

    Raises:
        DataError: the lines are no such table.
    """
    reader = csv.DictReader(lines, strict=True)
    try:
        rows = list(reader)
    except (csv.Error, UnicodeDecodeError) as error:
        raise DataError(f"{place}: {error}; expected a table in CSV and UTF-8") from error
    if columns and tuple(reader.fieldnames or ()) not in ((*columns,), (*columns, *further)):
        raise DataError(f"{place}: columns {reader.fieldnames}; expected {list(columns)}")
    for row in rows:
        if None in row or None in row.values():
            raise DataError(f"{place}: row {list(row.values())}; expected a cell for each of {reader.fieldnames}")
    return [{name: unquoted(cell) for name, cell in row.items()} for row in rows]


def unquoted(cell: str) -> str:
    """Return a cell as it was before ``write_rows`` kept a spreadsheet from running it."""
    return cell[1:] if cell.startswith("'") and FORMULA.match(cell) else cell


def _quoted(cell: object) -> object:
    """The cell, with a quote before text that a spreadsheet would run."""
    if isinstance(cell, str) and FORMULA.match(cell) and not NO_FORMULA.fullmatch(cell):
        return f"'{cell}"
    return cell
