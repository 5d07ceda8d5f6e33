"""One version of an index in memory: its texts, and the vectors of a modality once they are asked for."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline.errors import ParamsError, PipelineError
from pipeline.network_parts.base import Modality
from pipeline.search.rows import MODALITIES, PLAIN, IndexFacts, IndexRow, facts_of, row_of, vector_matrix
from pipeline.search.store import in_short, lance_errors, open_table, shortened

LONGEST_FILTER = 10_000  # characters
_ROW_ID = "_rowid"
_IN_FILTER = "Error applying filter"  # LanceDB's words where a row makes it fail, such as by a division by 0


class Snapshot:
    """All rows of one version of an index; writers do not change it.

    Args:
        folder: of the index.
    """

    def __init__(self, folder: str) -> None:
        self.folder, self.table = folder, open_table(folder)
        self.version: int = self.table.version
        self.facts: IndexFacts = facts_of(self.table.schema, folder)
        self._lock = threading.RLock()
        self._texts: pa.Table | None = None
        self._tie_order: NDArray[np.int64] | None = None
        self._matrices: dict[str, tuple[NDArray[np.float32], NDArray[np.bool_]]] = {}

    def __len__(self) -> int:
        """Return the number of rows."""
        with lance_errors(self.folder):
            return int(self.table.count_rows())

    @property
    def texts(self) -> "pa.Table":
        """All columns but the vectors, and LanceDB's number of each row."""
        with self._lock:
            if self._texts is None:
                self._texts = self._read(list(PLAIN))
            return self._texts

    @property
    def tie_order(self) -> NDArray[np.int64]:
        """The place of each row by name and time, (n,): it does not depend on when a row was added."""
        with self._lock:
            if self._tie_order is None:
                keys = [("clip_id", "ascending"), ("start", "ascending"), ("root", "ascending")]
                order = pc.sort_indices(self.texts, sort_keys=keys).to_numpy()
                self._tie_order = np.empty(len(order), np.int64)
                self._tie_order[order] = np.arange(len(order))
            return self._tie_order

    def matrix(self, modality: Modality) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Return the vectors of a modality, (n, k) float32, and which rows have one, (n,)."""
        with self._lock:
            if modality not in self._matrices:
                column = self._read([modality])[modality]
                self._matrices[modality] = vector_matrix(column, self.facts.width)
            return self._matrices[modality]

    def matching(self, where: str) -> NDArray[np.bool_]:
        """Return which rows a filter in SQL lets through, (n,).

        Raises:
            DataError: the index is gone or damaged.
            ParamsError: LanceDB does not understand the filter.
        """
        with lance_errors(self.folder), filter_errors(where):
            found = self._asked([], whole_filter(where))[_ROW_ID].to_numpy()
        numbers, mask = self.texts[_ROW_ID].to_numpy(), np.zeros(len(self.texts), bool)
        order = np.argsort(numbers, kind="stable")  # as they are in a table that was written at once
        mask[order[np.searchsorted(numbers, found, sorter=order)]] = True
        return mask

    def rows(self, clip_id: str) -> list[IndexRow]:
        """Return the rows of a clip with their vectors, by time; none where there is no such clip."""
        found = self._read([*PLAIN, *MODALITIES], f"clip_id = {quoted(clip_id)}").to_pylist()
        return sorted(map(row_of, found), key=lambda row: row.start)

    def _read(self, columns: list[str], where: str | None = None) -> "pa.Table":
        """Columns of all rows, or of some, in the order in which the table has them."""
        with lance_errors(self.folder):
            return self._asked(columns, where)

    def _asked(self, columns: list[str], where: str | None) -> "pa.Table":
        """What LanceDB gives, with its own errors."""
        query = self.table.search().select(columns).with_row_id(True)
        found: Any = (query if where is None else query.where(where)).to_arrow()
        return found


def whole_filter(where: str) -> str:
    """Return a user's filter in parentheses: LanceDB would pass over what stands behind its first expression.

    Raises:
        ParamsError: it is too long to be one.

    Example:
        >>> whole_filter("label = 'Dog'; DROP TABLE clips")
        "(label = 'Dog'; DROP TABLE clips)"
    """
    if len(where) > LONGEST_FILTER:
        raise ParamsError(f"--where: {len(where)} characters; expected at most {LONGEST_FILTER}")
    return f"({where})"


@contextmanager
def filter_errors(where: str) -> Iterator[None]:
    """Turn what LanceDB raises of a user's filter inside the block into an error that shows it; other errors pass.

    Raises:
        ParamsError: the filter is no SQL, names a column that is not there, or fails on a row.
    """
    try:
        yield
    except (ValueError, RuntimeError) as error:
        if isinstance(error, PipelineError) or not (isinstance(error, ValueError) or _IN_FILTER in str(error)):
            raise
        problem = in_short(error).partition(" Valid fields are ")[0].removesuffix(".")
        expected = "SQL such as \"label = 'Dog' AND split = 'test'\" over " + ", ".join(PLAIN)
        raise ParamsError(f"--where {shortened(where)!r}: {problem}; expected {expected}") from error


def quoted(text: str) -> str:
    """Return a text as SQL has it.

    Example:
        >>> print(quoted("it's"))
        'it''s'
    """
    return "'" + text.replace("'", "''") + "'"
