"""rejected.csv: the clips that a run went on without, and why."""

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from pipeline.errors import DataError, in_words, printable
from pipeline.formats.csv_rows import read_rows, write_rows
from pipeline.settings.paths import AnyPath

FILE = "rejected.csv"


class Reject(NamedTuple):
    """One row: a clip, the stage that refused it, the kind of its damage and the whole message."""

    clip_id: str
    stage: str
    kind: str
    reason: str


def write(path: AnyPath, rows: Iterable[Reject]) -> None:
    """Write rejected.csv, sorted, in characters that can be printed: equal rejects give equal bytes."""
    write_rows(path, Reject._fields, sorted(tuple(map(printable, row)) for row in rows))


def read(path: AnyPath) -> list[Reject]:
    """Return the rows of a rejected.csv.

    Raises:
        DataError: the file is missing or damaged.
    """
    try:
        return [Reject(**row) for row in read_rows(path, Reject._fields)]
    except OSError as error:
        raise DataError(f"{path}: {in_words(error)}; expected a list of refused clips that a stage wrote") from error


def check_fraction(file: AnyPath, rows: Sequence[Reject], n_clips: int, max_fraction: float) -> None:
    """Stop a run that would go on with too few clips.

    Args:
        file: the rejected.csv that has been written already, so that a user finds all rows after the stop.
        rows: what is refused.
        n_clips: the clips, refused ones included.
        max_fraction: share of them, in [0, 1], that may be refused.

    Raises:
        DataError: more than that are refused; the kinds are counted, and the first row is shown.
    """
    file = Path(file)
    n_refused = len({row.clip_id for row in rows})
    if n_refused > max_fraction * n_clips:
        raise DataError(
            f"{n_refused} of {n_clips} clips rejected ({kinds_in_words(rows)}), such as {rows[0].kind}: "
            f"{rows[0].reason}; expected at most dataset.max_rejected_fraction={max_fraction} of them; {file} lists all"
        )


def count_kinds(rows: Iterable[Reject]) -> dict[str, int]:
    """Return how many clips were refused for each kind of damage, by name; a clip counts once for a kind."""
    return dict(sorted(Counter(kind for _, kind in {(row.clip_id, row.kind) for row in rows}).items()))


def kinds_in_words(rows: Iterable[Reject]) -> str:
    """Return how many clips were refused for each kind of damage, in words: ``2 not_media, 1 truncated``."""
    return ", ".join(f"{count} {kind}" for kind, count in count_kinds(rows).items())
