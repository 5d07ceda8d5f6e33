"""An index of clips that lasts: opened from its folder, asked for a clip or for the rows nearest to a vector."""

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import DataError, ParamsError
from pipeline.network_parts.base import Modality
from pipeline.search.approximate import approximations, find_nearest
from pipeline.search.exact import Side, nearest
from pipeline.search.rows import IndexFacts, IndexRow, Result, shown_path
from pipeline.search.snapshot import Snapshot
from pipeline.search.store import open_table, shortened, state
from pipeline.settings.paths import AnyPath

if TYPE_CHECKING:
    import pyarrow as pa


class Probe(NamedTuple):
    """A query's vector (k,) and the modality of the rows that it is compared with."""

    vector: NDArray[np.floating]
    modality: Modality


class Index:
    """The clips of an index, as its last version has them; several threads may ask it.

    Args:
        folder: of the index, or the URI of one in an object store.

    Raises:
        DataError: there is no index.
        ParamsError: LanceDB is not installed.
    """

    def __init__(self, folder: AnyPath) -> None:
        self.folder = str(folder)
        self._lock = threading.Lock()
        self._newest = open_table(self.folder)
        self._state = state(self._newest, self.folder)
        self._snapshot = Snapshot(self.folder)

    @classmethod
    def open(cls, folder: AnyPath) -> "Index":
        """Return the index in a folder.

        Raises:
            DataError: there is none.
            ParamsError: LanceDB is not installed.
        """
        return cls(folder)

    @property
    def snapshot(self) -> Snapshot:
        """The last version; it is read anew once a writer has made another one.

        Raises:
            DataError: the index is gone.
        """
        with self._lock:
            if (now := state(self._newest, self.folder)) != self._state:
                self._newest, self._snapshot = open_table(self.folder), Snapshot(self.folder)
                self._state = now
            return self._snapshot

    @property
    def facts(self) -> IndexFacts:
        """What holds for all rows: the encoder, the model, the folder of the videos, the window."""
        return self.snapshot.facts

    @property
    def root(self) -> Path:
        """The folder that the paths of results start from."""
        return Path(self.facts.root)

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.snapshot)

    def clip(self, clip_id: str) -> IndexRow:
        """Return the row of a clip; of a clip in windows, the first.

        Raises:
            DataError: there is no such clip.
        """
        return self.rows(clip_id)[0]

    def rows(self, clip_id: str) -> list[IndexRow]:
        """Return all rows of a clip by time: one, or its windows.

        Raises:
            DataError: there is no such clip.
        """
        if not (rows := self.snapshot.rows(clip_id)):
            raise DataError(f"clip {shortened(clip_id)!r}: not in {self.folder}; expected the id of one of its clips")
        return rows

    def file(self, row: IndexRow) -> Path:
        """Return the file of a row, which lies below the row's root.

        Raises:
            DataError: the clip has no file, or its path leads out of its root.
        """
        root = Path(row.root)
        path = (root / row.path).resolve()
        if not row.path or not path.is_relative_to(root.resolve()):
            raise DataError(f"clip {row.clip_id!r}: {row.path!r} is no file below {root}; expected one")
        return path

    def query(self, vector: NDArray[np.floating], modality: Modality, top: int, where: str | None) -> list[Result]:
        """Return the rows whose vectors of a modality are nearest to a vector (k,), the nearest first.

        Args:
            vector: (k,), of any length above 0.
            modality: which side of the rows is compared.
            top: how many rows at most.
            where: a filter in SQL; None: all rows.

        Raises:
            DataError: the vector has another width than the index.
            ParamsError: the filter or the number is wrong.
        """
        return self.compare([Probe(vector, modality)], top, where)

    def compare(
        self, comparisons: Sequence[Probe], top: int, where: str | None = None, *, is_exact: bool = False
    ) -> list[Result]:
        """Return the rows of the highest mean of cosines with vectors (k,), over those modalities that a row has.

        Args:
            comparisons: at least one.
            top: how many rows at most.
            where: a filter in SQL; None: all rows.
            is_exact: compare every row, also where the index is large and has an approximate search; with a
                filter every row is.

        Raises:
            DataError: a vector has another width than the index, or is not finite.
            ParamsError: the filter or the number is wrong.
        """
        if top < 1:
            raise ParamsError(f"--top {top}; expected 1 or more")
        snapshot = self.snapshot
        for vector, _ in comparisons:
            if vector.shape != (snapshot.facts.width,) or not np.isfinite(vector).all():
                raise DataError(f"a query of shape {vector.shape}; expected ({snapshot.facts.width},) finite numbers")
        settings = {} if is_exact or where is not None else approximations(snapshot.table)
        modalities = {modality for _, modality in comparisons}
        if len(comparisons) == 1 and (one := comparisons[0]).modality in settings:
            rows, scores = find_nearest(snapshot, one.modality, one.vector, top, settings[one.modality])
            return results(snapshot, rows, scores, modalities)
        sides = [Side(vector, *snapshot.matrix(modality)) for vector, modality in comparisons]
        found = nearest(sides, top, snapshot.tie_order, None if where is None else snapshot.matching(where))
        return results(snapshot, snapshot.texts.take(found.rows), found.scores, modalities)


def results(
    snapshot: Snapshot, rows: "pa.Table", scores: NDArray[np.float64], modalities: set[Modality]
) -> list[Result]:
    """Return rows and their scores (m,) as results.

    Args:
        snapshot: that the rows are of.
        rows: the best first.
        scores: (m,).
        modalities: what was compared.
    """
    (modality, *others) = sorted(modalities)
    return [
        Result(
            rank=rank,
            score=score,
            path=shown_path(row["path"], row["root"], snapshot.facts.root),
            modality="both" if others else modality,
            **{name: row[name] for name in ("clip_id", "label", "split", "start", "end")},
        )
        for rank, (row, score) in enumerate(zip(rows.to_pylist(), scores.tolist(), strict=True), start=1)
    ]
