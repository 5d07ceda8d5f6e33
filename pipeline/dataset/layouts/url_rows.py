"""Clips whose files are named by URLs: of a table's rows, and of a folder."""

import posixpath
from collections import Counter
from collections.abc import Iterable, Mapping
from urllib.parse import quote

from pipeline.dataset.base import refusal
from pipeline.dataset.layouts.remote import LostFile, check_url, is_url, local_copies
from pipeline.dataset.layouts.table_clips import clips_of_rows
from pipeline.dataset.layouts.table_rows import TableRow
from pipeline.errors import DataError, printable
from pipeline.formats.clips import Clip
from pipeline.formats.rejects import Reject
from pipeline.settings.paths import AnyPath


def clips_of_urls(
    rows: Iterable[TableRow], base: str, folder: AnyPath, most_bytes: float
) -> tuple[list[Clip], list[Reject]]:
    """Return a clip for each row, called by its URL, and why some are none; the clips' paths are those of the copies.

    Args:
        rows: of a table.
        base: URL of the folder that paths which are none start from; "": there is no such folder.
        folder: of the copies.
        most_bytes: what all files together may have.

    Raises:
        DataError: a path is no URL, or one that is not read here; or as ``local_copies`` and ``clips_of_rows``.
    """
    placed = [_placed(row, base) for row in rows]
    copies = local_copies((row.cells["path"] for row in placed), folder, most_bytes)
    n_rows = Counter(row.cells["path"] for row in placed)
    there, lost = [], []
    for row in placed:
        url = row.cells["path"]
        named, copy = _named(row, is_alone=n_rows[url] == 1), copies[url]
        if isinstance(copy, LostFile):
            lost.append(_lost(named.cells["clip_id"], url, copy))
        else:
            there.append(named._replace(cells={**named.cells, "path": copy}))
    clips, refused = clips_of_rows(there, folder)
    return clips, [*refused, *lost]


def clips_behind(
    url: str, labels: Mapping[str, str], folder: AnyPath, most_bytes: float
) -> tuple[list[Clip], list[Reject]]:
    """Return a clip for each file of a folder behind a URL, called by its own URL, and why some are none.

    Args:
        url: of the folder.
        labels: of the files, by their names from there.
        folder: of the copies.
        most_bytes: what all files together may have.

    Raises:
        DataError: as ``local_copies``.
    """
    odd = {name for name in labels if printable(name) != name or "::" in name}
    urls = {_joined(url, name): label for name, label in labels.items() if name not in odd}
    copies = local_copies(urls, folder, most_bytes)
    refused = [
        refusal(f"{url}/{printable(name)}", "bad_name", "a control character or :: in its name", "a name without")
        for name in sorted(odd)
    ]
    refused += [_lost(name, name, copy) for name, copy in copies.items() if isinstance(copy, LostFile)]
    there = {name: copy for name, copy in copies.items() if isinstance(copy, str)}
    return [Clip(clip_id=name, path=copy, label=urls[name]) for name, copy in there.items()], refused


def _joined(base: str, inside: str) -> str:
    """The URL of a file in a folder."""
    return f"{base}/{quote(inside) if base.startswith('http') else inside}"


def _lost(clip_id: str, url: str, lost: LostFile) -> Reject:
    """The row of rejected.csv of a file without a copy."""
    return refusal(clip_id, lost.kind, f"{url}: {lost.problem}", "a file for every clip")


def _placed(row: TableRow, base: str) -> TableRow:
    """A row with its URL in place of a path."""
    path = row.cells["path"]
    if path and base and not is_url(path):
        inside = posixpath.normpath(path)
        if inside.startswith(("/", "../")) or inside == "..":
            raise DataError(f"{row.place}: path {path!r} leads out of {base}; expected a path in it, or a URL")
        path = _joined(base, inside)
    if not is_url(path):
        raise DataError(f"{row.place}: path {path!r}; expected a URL, as other rows have")
    check_url(path, row.place)
    return row._replace(cells={**row.cells, "path": path})


def _named(row: TableRow, *, is_alone: bool) -> TableRow:
    """A row with a clip_id and, beside other rows of its file, a source_id."""
    url, start, end = (row.cells.get(name, "") for name in ("path", "start", "end"))
    clip_id = row.cells.get("clip_id") or (url if is_alone or not start else f"{url}#{start}-{end}")
    source_id = row.cells.get("source_id") or ("" if is_alone else url)
    return row._replace(cells={**row.cells, "clip_id": clip_id, "source_id": source_id})
