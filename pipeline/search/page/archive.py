"""The clips of an index as the page lists and filters them."""

from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.errors import printable
from pipeline.search.index import Index
from pipeline.search.rows import Answer, Result
from pipeline.search.snapshot import quoted

SHOWN = ["clip_id", "path", "root", "label", "split", "start", "end"]
SPLITS = ("train", "validation", "test")
CLIPS_LISTED = 12  # at a time


class ClipFilter(NamedTuple):
    """Which clips are shown; an empty text lets all through.

    Attributes:
        label: the class.
        split: part of the run's data.
        where: a condition in SQL.
        text: part of the name, in any case of letters.
    """

    label: str = ""
    split: str = ""
    where: str = ""
    text: str = ""

    def sql(self) -> str | None:
        """Return label, split and condition as one condition; None where all rows pass.

        Example:
            >>> print(ClipFilter(label="it's", where="start = 0 OR end > 3").sql())
            (label = 'it''s') AND (start = 0 OR end > 3)
        """
        named = [f"{name} = {quoted(value)}" for name, value in (("label", self.label), ("split", self.split)) if value]
        parts = [*named, *([self.where] if self.where.strip() else [])]
        return " AND ".join(f"({part})" for part in parts) if len(parts) > 1 else next(iter(parts), None)


class Listed(NamedTuple):
    """Some of the clips that pass a filter.

    Attributes:
        n_clips: that pass.
        clips: some of them, each as the page shows it.
    """

    n_clips: int
    clips: list[dict[str, Any]]


class Archive:
    """What the page shows of an index besides the answers to queries.

    Args:
        index: of the clips.
    """

    def __init__(self, index: Index) -> None:
        self._index = index

    def labels(self) -> list[str]:
        """Return the classes that clips have, sorted."""
        found = self._index.snapshot.texts["label"].unique().to_pylist()
        return sorted(label for label in found if label)

    def listed(self, wanted: ClipFilter, start: int, n_clips: int) -> Listed:
        """Return clips by name.

        Args:
            wanted: which ones.
            start: how many to pass over.
            n_clips: how many at most.

        Raises:
            ParamsError: the condition is no SQL, or names a column that is not there.
        """
        sql = wanted.sql()
        snapshot = self._index.snapshot
        table = snapshot.texts.select(SHOWN)
        if sql is not None:
            table = table.filter(pa.array(snapshot.matching(sql)))
        if wanted.text:
            table = table.filter(pc.match_substring(table["clip_id"], wanted.text, ignore_case=True))
        if snapshot.facts.window_seconds is not None:
            table = _first_windows(table)
        order = pc.sort_indices(table, sort_keys=[("clip_id", "ascending")])
        rows = table.take(order.slice(start, n_clips)).to_pylist()
        return Listed(len(table), [as_shown(row) for row in rows])

    def place(self, clip_id: str) -> tuple[str, str] | None:
        """Return the folder and the path within it of a clip's file; None where there is no such clip."""
        texts = self._index.snapshot.texts
        found = pc.index(texts["clip_id"], clip_id).as_py()
        return None if found < 0 else (texts["root"][found].as_py(), texts["path"][found].as_py())

    def label(self, clip_id: str) -> str:
        """Return the class of a clip; empty where it is not known."""
        texts = self._index.snapshot.texts
        found = pc.index(texts["clip_id"], clip_id).as_py()
        return "" if found < 0 else str(texts["label"][found].as_py())


def as_shown(row: dict[str, Any]) -> dict[str, Any]:
    r"""Return a row as the page has it: its id as it is, and all that is read in characters that can be printed.

    Example:
        >>> row = {"clip_id": "a\u202e.mp4", "path": "a.mp4", "label": "Dog", "split": "", "start": 0.0, "end": 2.5}
        >>> as_shown(row)["name"]
        'a\\u202e.mp4'
    """
    return {
        "id": row["clip_id"],
        "name": printable(row["clip_id"]),
        "label": printable(row["label"]),
        "split": printable(row["split"]),
        "start": row["start"],
        "end": row["end"],
        "has_file": bool(row["path"]),
    }


def answer_as_shown(answer: Answer, label: str, query_id: str | None) -> dict[str, Any]:
    """Return an answer as the page has it; results are right or wrong where both labels are known.

    Args:
        answer: to the query.
        label: of the query; empty where it is not known.
        query_id: the clip that asked; None for a file.
    """
    return {
        "model": answer.model,
        "n_rows": answer.n_rows,
        "seconds": answer.seconds,
        "query_label": printable(label),
        "passed_over": [printable(error.problem) for error in answer.passed_over],
        "results": [_result_as_shown(result, label, query_id) for result in answer.results],
    }


def _result_as_shown(result: Result, label: str, query_id: str | None) -> dict[str, Any]:
    """A result with its mark."""
    is_known = bool(label and result.label)
    return as_shown(result._asdict()) | {
        "rank": result.rank,
        "score": result.score,
        "is_right": result.label == label if is_known else None,
        "is_query": result.clip_id == query_id,
    }


def _first_windows(table: "pa.Table") -> "pa.Table":
    """The first row of each clip."""
    first = table.sort_by([("clip_id", "ascending"), ("start", "ascending")])
    firsts = [(name, "first") for name in SHOWN[1:]]
    return first.group_by("clip_id", use_threads=False).aggregate(firsts).rename_columns(SHOWN)
