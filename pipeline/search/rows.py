"""What an index holds: rows, the facts that all rows share, and both as an Arrow table."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import BaseModel, ValidationError

from pipeline.errors import ClipError, DataError
from pipeline.network_parts.base import Modality
from pipeline.retrieval.cosines import unit_rows

Vector = NDArray[np.float32]  # (k,)
MODALITIES: tuple[Modality, ...] = ("audio", "visual")
TEXTS = ("clip_id", "path", "root", "sha256", "label", "split")
TIMES = ("start", "end")
PLAIN = (*TEXTS, *TIMES)  # columns besides the vectors: what a filter may name, the fingerprint apart
_FACTS = b"index"  # key of the table's metadata


class IndexRow(NamedTuple):
    """One row of an index: a clip, or a window of it.

    Attributes:
        clip_id: name of the clip; all windows of a clip have it.
        path: of the clip's file, from ``root`` on, with forward slashes; empty where the clip has no file.
        root: the folder that ``path`` starts from, absolute.
        sha256: of the file's bytes, in hex; empty where it is not known.
        start: where the row's stretch of time begins in the file, in seconds.
        end: where it ends, in seconds; 0 where the times of the clip are not known.
        label: name of the class; empty where it is not known.
        split: ``train``, ``validation`` or ``test``; empty for a clip that was added later.
        audio: (k,) float32 of length 1; None where the clip has no sound that can be used.
        visual: (k,) float32 of length 1; None where it has no such pictures.
    """

    clip_id: str
    path: str
    root: str
    sha256: str
    start: float
    end: float
    label: str
    split: str
    audio: Vector | None
    visual: Vector | None

    @property
    def is_empty(self) -> bool:
        """Whether nothing can be compared with the row."""
        return self.audio is None and self.visual is None


class Result(NamedTuple):
    """One row that a query found.

    Attributes:
        rank: 1 for the nearest.
        score: mean of the cosines that were asked for, in [-1, 1].
        clip_id, path, label, split, start, end: as of the row; a path of another root than the index's is absolute.
        modality: which side of the row was compared: ``audio``, ``visual`` or ``both``.
    """

    rank: int
    score: float
    clip_id: str
    path: str
    label: str
    split: str
    start: float
    end: float
    modality: str


class Answer(NamedTuple):
    """What a query found.

    Attributes:
        results: the nearest first.
        model: whose space it was searched in.
        n_rows: rows of the index.
        seconds: what embedding the query and searching took.
        passed_over: why a side of the query was not used that its file has, or the moment of a result was not found.
    """

    results: list[Result]
    model: str
    n_rows: int
    seconds: float
    passed_over: Sequence[ClipError] = ()


class IndexFacts(BaseModel):
    """What holds for all rows of an index; stands in the table's metadata.

    Attributes:
        encoder: fingerprint of the encoder that made the vectors.
        model: its name.
        width: k of the vectors.
        root: the folder of the videos of the run that the index was built from, absolute.
        window_seconds: length of a row's stretch of time; None: a row is a whole clip.
    """

    encoder: str
    model: str
    width: int
    root: str
    window_seconds: float | None = None


def to_schema(facts: IndexFacts) -> "pa.Schema":
    """Return the columns of an index, with the facts as metadata."""
    texts = [pa.field(name, pa.string()) for name in TEXTS]
    times = [pa.field(name, pa.float64()) for name in TIMES]
    vectors = [pa.field(name, pa.list_(pa.float32(), facts.width)) for name in MODALITIES]
    made_by = [pa.field(name, pa.string()) for name in ("encoder", "model")]
    return pa.schema([*texts, *times, *vectors, *made_by], {_FACTS: facts.model_dump_json()})


def facts_of(schema: "pa.Schema", place: str) -> IndexFacts:
    """Return the facts that a table's metadata holds.

    Args:
        schema: of the table.
        place: of the index, for the message.

    Raises:
        DataError: there are none, as in a table that something else wrote.
    """
    try:
        return IndexFacts.model_validate_json((schema.metadata or {})[_FACTS])
    except (KeyError, ValidationError) as error:
        raise DataError(f"{place}: no index of this project; expected what `avr index build` wrote") from error


def to_table(rows: Sequence[IndexRow], facts: IndexFacts) -> "pa.Table":
    """Return rows as a table with the columns of ``to_schema``.

    Raises:
        DataError: a vector has another width than the index.

    Example:
        >>> facts = IndexFacts(encoder="1f", model="cca", width=2, root="/videos")
        >>> sound = np.array([3, 4], np.float32)
        >>> table = to_table([IndexRow("a", "a.wav", "/videos", "", 0.0, 1.0, "Dog", "", sound, None)], facts)
        >>> [round(x, 3) for x in table["audio"][0].as_py()], table["visual"].null_count
        ([0.6, 0.8], 1)
    """
    columns: dict[str, Any] = {name: [getattr(row, name) for row in rows] for name in PLAIN}
    columns |= {name: vector_column([getattr(row, name) for row in rows], facts.width) for name in MODALITIES}
    columns |= {"encoder": [facts.encoder] * len(rows), "model": [facts.model] * len(rows)}
    return pa.table(columns, schema=to_schema(facts))


def vector_column(vectors: Sequence[Vector | None], width: int) -> "pa.Array":
    """Return vectors, each (width,) or None, as a column, scaled to length 1.

    Raises:
        DataError: one has another width, or is not finite.
    """
    is_none = np.array([vector is None for vector in vectors], bool)
    matrix = np.zeros((len(vectors), width))
    for place, vector in enumerate(vectors):
        if vector is not None:
            if vector.shape != (width,) or not np.isfinite(vector).all():
                raise DataError(f"a vector of shape {vector.shape}; expected ({width},) finite numbers")
            matrix[place] = vector
    numbers = unit_rows(matrix).astype(np.float32) if len(matrix) else matrix.astype(np.float32)
    return pa.FixedSizeListArray.from_arrays(pa.array(numbers.ravel()), width, mask=pa.array(is_none))


def vector_matrix(column: "pa.ChunkedArray", width: int) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return a column of vectors as a matrix (n, width), zeros where there is none, and where there is one: (n,)."""
    has = column.is_valid().to_numpy()
    matrix = np.zeros((len(column), width), np.float32)
    done = 0
    for chunk in column.chunks:
        valid = has[done : done + len(chunk)]
        matrix[done : done + len(chunk)][valid] = chunk.flatten().to_numpy().reshape(-1, width)
        done += len(chunk)
    return matrix, has


def row_of(values: dict[str, Any]) -> IndexRow:
    """Return a row from the values of its columns, vectors as lists."""
    audio, visual = (None if values[name] is None else np.array(values[name], np.float32) for name in MODALITIES)
    return IndexRow(**{name: values[name] for name in PLAIN}, audio=audio, visual=visual)


def shown_path(path: str, root: str, index_root: str) -> str:
    """Return the path of a result: from the index's root on, or absolute where the row has another root.

    Example:
        >>> shown_path("dog/1.mp4", "/videos", "/videos"), shown_path("2.mp4", "/later", "/videos")
        ('dog/1.mp4', '/later/2.mp4')
    """
    return path if root == index_root or not path else (Path(root) / path).as_posix()
