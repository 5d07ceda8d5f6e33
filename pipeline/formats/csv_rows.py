"""Tables in CSV whose cells may hold any text, also a bare carriage return."""

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

from pipeline.formats.files import disk_errors
from pipeline.settings.paths import AnyPath


def write_rows(path: AnyPath, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a header and rows, which ``csv`` reads as they were: equal rows give equal bytes, on any machine.

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
            (quoting if "\r" in "".join(map(str, row)) else writer).writerow(row)
