"""What changes an index: a build from a run, clips that are added, clips that are removed; each is one version."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.errors import DataError
from pipeline.formats.files import cache_errors
from pipeline.search.build import facts_of_run, read_run, rows_of_run
from pipeline.search.rows import IndexFacts, Row, facts_of, to_table
from pipeline.search.snapshot import bad_filter, check_filter, quoted
from pipeline.search.store import append, open_table, overwrite, writing
from pipeline.search.windows import check_window
from pipeline.settings.paths import AnyPath

if TYPE_CHECKING:
    from pipeline.encoder import Encoder


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


def add_rows(folder: str, facts: IndexFacts, rows: Sequence[Row]) -> list[Row]:
    """Add rows to an index and return those that were: not those of a file that another writer has added meanwhile.

    Args:
        folder: of the index.
        facts: of the index that the rows were made for.
        rows: all rows of each of their files.

    Raises:
        DataError: the index is now one of another encoder.
        DiskError: the disk is full or fails.
    """
    with writing(folder):
        table = open_table(folder)
        check_facts(folder, facts, facts_of(table.schema, folder))
        known = known_hashes(table, {row.sha256 for row in rows})
        new = [row for row in rows if row.sha256 not in known]
        if new:
            append(table, to_table(new, facts), folder)
    return new


def remove_rows(folder: str, where: str) -> int:
    """Remove the rows that a filter in SQL lets through; return how many.

    Raises:
        DataError: there is no index.
        ParamsError: the filter is wrong.
    """
    check_filter(where)
    with writing(folder), cache_errors(folder):
        table = open_table(folder)
        try:
            n_rows = int(table.count_rows(where))
        except (ValueError, RuntimeError) as error:
            raise bad_filter(where, error) from error
        if n_rows:
            table.delete(where)
    return n_rows


def remove_clips(folder: str, clip_ids: Iterable[str]) -> int:
    """Remove all rows of clips; return how many.

    Raises:
        DataError: there is no index, or no such clip in it: none is removed then.
    """
    clip_ids = list(dict.fromkeys(clip_ids))
    with writing(folder), cache_errors(folder):
        table = open_table(folder)
        for clip_id in clip_ids:
            if not table.count_rows(_is_clip([clip_id])):
                raise DataError(f"clip {clip_id!r}: not in {folder}; expected the id of one of its clips")
        where = _is_clip(clip_ids)
        n_rows = int(table.count_rows(where))
        table.delete(where)
    return n_rows


def optimise(folder: str) -> None:
    """Join small files of an index, and remove versions that are older than a week."""
    with writing(folder), cache_errors(folder):
        open_table(folder).optimize()


def check_facts(folder: str, expected: IndexFacts, found: IndexFacts) -> None:
    """Refuse rows that were made for an index of another encoder, or of other windows.

    Raises:
        DataError: with what differs.
    """
    for name in ("encoder", "window_seconds"):
        if (theirs := getattr(found, name)) != (ours := getattr(expected, name)):
            raise DataError(f"{folder}: {name} {theirs!r}; expected {ours!r}, which the rows to add were made with")


def known_hashes(table: "pa.Table", hashes: Iterable[str]) -> set[str]:
    """Return which SHA-256 of files an open table has rows of."""
    wanted = [digest for digest in hashes if digest]
    found: set[str] = set()
    for start in range(0, len(wanted), 500):
        names = ", ".join(map(quoted, wanted[start : start + 500]))
        rows = table.search().where(f"sha256 IN ({names})").select(["sha256"]).to_arrow()
        found |= set(rows["sha256"].to_pylist())
    return found


def _is_clip(clip_ids: Sequence[str]) -> str:
    """The filter of the rows of clips."""
    return f"clip_id IN ({', '.join(map(quoted, clip_ids))})"


def _clip_ids(folder: str) -> set[str]:
    """The clips of the index that is there; none where there is none."""
    with suppress(DataError):
        return set(open_table(folder).search().select(["clip_id"]).to_arrow()["clip_id"].to_pylist())
    return set()
