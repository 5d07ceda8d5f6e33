"""What changes an index: a build from a run, clips that are added, clips that are removed; each is one version."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.errors import DataError
from pipeline.formats.files import cache_errors
from pipeline.search.build import facts_of_run, read_run, rows_of_run
from pipeline.search.rows import IndexFacts, IndexRow, facts_of, to_table
from pipeline.search.snapshot import filter_errors, quoted, whole_filter
from pipeline.search.store import LanceTable, append, lance_errors, open_table, overwrite, replace, writing
from pipeline.search.windows import check_window
from pipeline.settings.paths import AnyPath

if TYPE_CHECKING:
    from pipeline.encoder import Encoder

NAMES_AT_A_TIME = 500  # of a filter
N_SHOWN = 8  # hex digits of a hash in an id


class Built(NamedTuple):
    """What a build did.

    Attributes:
        n_rows: of the index.
        n_clips: that they are of.
        n_gone: clips that stood in the index before, and are none of the run's.
    """

    n_rows: int
    n_clips: int
    n_gone: int


def build_index(encoder: "Encoder", data: AnyPath, folder: str, window_seconds: float | None = None) -> Built:
    """Make the index of a finished run, in the place of the one that is there.

    Args:
        encoder: of the run.
        data: the folder that its stages wrote to.
        folder: of the index.
        window_seconds: length of a row's stretch of time; None: a row is a whole clip.

    Raises:
        DataError: the run is not finished, or the encoder is of another one.
        DiskError: the disk is full or fails.
        ParamsError: the window is too short, or LanceDB is not installed.
    """
    if window_seconds is not None:
        check_window(window_seconds)
    run = read_run(encoder, data)
    facts = facts_of_run(encoder, run, window_seconds)
    table = pa.concat_tables(to_table(rows, facts) for rows in rows_of_run(encoder, run, window_seconds))
    if not len(table):
        raise DataError(f"{data}: no clip with a vector; expected a finished run: `dvc repro`")
    with writing(folder):
        before = _clip_ids(folder)
        overwrite(folder, table)
    clip_ids = set(pc.unique(table["clip_id"]).to_pylist())
    return Built(len(table), len(clip_ids), len(before - clip_ids))


def add_rows(folder: str, facts: IndexFacts, rows: Sequence[IndexRow]) -> list[IndexRow]:
    """Add rows to an index and return those that were: not those of a file that another writer has added meanwhile.

    A clip whose id is that of another file gets the hash of its own behind it. Earlier rows of a file at that place,
    which has changed since, go in the same version.

    Args:
        folder: of the index.
        facts: of the index that the rows were made for.
        rows: all rows of each of their files.

    Raises:
        DataError: the index is now one of another encoder.
        DiskError: the disk is full or fails.
    """
    with _changing(folder) as table:
        check_facts(folder, facts, facts_of(table.schema, folder))
        known = known_hashes(table, {row.sha256 for row in rows})
        new = _with_own_ids(table, [row for row in rows if row.sha256 not in known])
        if new and table.count_rows(of_files := _is_file(new)):
            replace(table, to_table(new, facts), of_files, folder)
        elif new:
            append(table, to_table(new, facts), folder)
    return new


def remove_rows(folder: str, where: str) -> int:
    """Remove the rows that a filter in SQL lets through; return how many.

    Raises:
        DataError: there is no index.
        ParamsError: the filter is wrong.
    """
    chosen = whole_filter(where)
    with _changing(folder) as table:
        with filter_errors(where):
            n_rows = int(table.count_rows(chosen))
        if n_rows:
            table.delete(chosen)
    return n_rows


def remove_clips(folder: str, clip_ids: Iterable[str]) -> int:
    """Remove all rows of clips; return how many.

    Raises:
        DataError: there is no index, or no such clip in it: none is removed then.
    """
    clip_ids = list(dict.fromkeys(clip_ids))
    with _changing(folder) as table:
        for clip_id in clip_ids:
            if not table.count_rows(_is_clip([clip_id])):
                raise DataError(f"clip {clip_id!r}: not in {folder}; expected the id of one of its clips")
        where = _is_clip(clip_ids)
        n_rows = int(table.count_rows(where))
        table.delete(where)
    return n_rows


def optimise(folder: str) -> None:
    """Join small files of an index, and remove versions that are older than a week."""
    with _changing(folder) as table:
        table.optimize()


def check_facts(folder: str, expected: IndexFacts, found: IndexFacts) -> None:
    """Refuse rows that were made for an index of another encoder, or of other windows.

    Raises:
        DataError: with what differs.
    """
    for name in ("encoder", "window_seconds"):
        if (theirs := getattr(found, name)) != (ours := getattr(expected, name)):
            raise DataError(f"{folder}: {name} {theirs!r}; expected {ours!r}, which the rows to add were made with")


def known_hashes(table: LanceTable, hashes: Iterable[str]) -> set[str]:
    """Return which SHA-256 of files an open table has rows of."""
    wanted = [digest for digest in hashes if digest]
    found: set[str] = set()
    for start in range(0, len(wanted), NAMES_AT_A_TIME):
        names = ", ".join(map(quoted, wanted[start : start + NAMES_AT_A_TIME]))
        rows = table.search().where(f"sha256 IN ({names})").select(["sha256"]).to_arrow()
        found |= set(rows["sha256"].to_pylist())
    return found


@contextmanager
def _changing(folder: str) -> Iterator[LanceTable]:
    """The table of an index that is there, with the lock of its writers."""
    open_table(folder)  # where there is no index, the lock would make a folder
    with writing(folder), lance_errors(folder), cache_errors(folder):
        yield open_table(folder)


def _with_own_ids(table: LanceTable, rows: Sequence[IndexRow]) -> list[IndexRow]:
    """The rows with ids that no other file has."""
    taken = {clip_id: (root, path) for clip_id, root, path in _files_of(table, {row.clip_id for row in rows})}
    named = []
    for row in rows:
        place = row.root, row.path
        if taken.setdefault(row.clip_id, place) != place:
            row = row._replace(clip_id=f"{row.clip_id}@{row.sha256[:N_SHOWN]}")
        named.append(row)
    return named


def _files_of(table: LanceTable, clip_ids: Iterable[str]) -> Iterator[tuple[str, str, str]]:
    """Id, root and path of those clips that an open table has."""
    names = sorted(clip_ids)
    for start in range(0, len(names), NAMES_AT_A_TIME):
        where = _is_clip(names[start : start + NAMES_AT_A_TIME])
        for row in table.search().where(where).select(["clip_id", "root", "path"]).to_arrow().to_pylist():
            yield row["clip_id"], row["root"], row["path"]


def _is_file(rows: Iterable[IndexRow]) -> str:
    """The filter of all rows of the files that rows are of."""
    places = sorted({(row.root, row.path) for row in rows})
    return " OR ".join(f"(root = {quoted(root)} AND path = {quoted(path)})" for root, path in places)


def _is_clip(clip_ids: Sequence[str]) -> str:
    """The filter of the rows of clips."""
    return f"clip_id IN ({', '.join(map(quoted, clip_ids))})"


def _clip_ids(folder: str) -> set[str]:
    """The clips of the index that is there; none where there is none."""
    with suppress(DataError):
        return set(open_table(folder).search().select(["clip_id"]).to_arrow()["clip_id"].to_pylist())
    return set()
