"""Queries: a file, a clip of the index or a span of either finds the clips that are nearest to it."""

import errno
import time
from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from pipeline.encoder.inputs import is_still
from pipeline.errors import ClipError, DataError, ParamsError, printable
from pipeline.features.clip_windows import IN_WORDS
from pipeline.network_parts.base import Modality
from pipeline.search.index import Index, Probe
from pipeline.search.moments import with_moments
from pipeline.search.rows import MODALITIES, Answer, IndexRow, Vector
from pipeline.search.spans import Asked, parse_query
from pipeline.search.store import shortened
from pipeline.search.windows import places_within
from pipeline.settings.limits import NO_TRACK

if TYPE_CHECKING:
    from pipeline.encoder import Encoder

Find: TypeAlias = Literal["video", "sound", "clip"]
QueryModality: TypeAlias = Literal["audio", "visual", "both"]
QueryVectors: TypeAlias = dict[Modality, Vector]  # (k,) of each modality

COMPARED: dict[str, tuple[Modality, ...]] = {"video": ("visual",), "sound": ("audio",), "clip": MODALITIES}
WANTED: dict[str | None, tuple[Modality, ...]] = {
    None: MODALITIES,
    "both": MODALITIES,
    "audio": ("audio",),
    "visual": ("visual",),
}


class Searcher:
    """An index and the encoder that made it: what answers queries.

    Args:
        index: of the clips that may be found.
        encoder: the one that made its vectors.

    Raises:
        DataError: another encoder made them.
    """

    def __init__(self, index: Index, encoder: "Encoder") -> None:
        check_encoder(index, encoder)
        self.index, self.encoder = index, encoder

    def search(
        self,
        query: "str | PathLike[str]",
        find: Find | None = None,
        top: int = 10,
        where: str | None = None,
        query_modality: QueryModality | None = None,
        *,
        is_exact: bool = False,
        is_moment: bool = False,
    ) -> Answer:
        """Return the clips that are nearest to a query.

        Args:
            query: path of a sound, video or picture; ``clip:ID`` of the index; or either with a span ``#t=12,15``.
            find: ``video`` compares with pictures, ``sound`` with sounds, ``clip`` with both (the mean of the cosines
                that there are). None: the other modality than that of the query, and both for a query of both.
            top: how many results at most.
            where: a filter in SQL over the columns of the index; None: all rows.
            query_modality: which side of the query counts; None: all that it has.
            is_exact: compare every row, also where the index is large and has an approximate search.
            is_moment: read the file of each result, and say where in it the query's own seconds are nearest.

        Raises:
            ClipError: the file cannot be used, or lacks the side that was asked for.
            DataError: there is no such file, clip or span, or another encoder has made the index since.
            OSError: the file cannot be read.
            ParamsError: the filter, or another argument, is wrong.
        """
        started = time.perf_counter()
        check_choices(find, query_modality)
        check_encoder(self.index, self.encoder)
        asked = parse_query(query)
        wanted = WANTED[query_modality]
        sides, passed_over = self._sides(asked, wanted, may_lack=query_modality is None)
        found = self.index.compare(compared(sides, find), top, where, is_exact=is_exact)
        if is_moment:
            with self._open_errors(asked.name):
                both = tuple(sides), sought(sides, find)
                found, kept = with_moments(self.encoder, self.index, asked, both, found)
            passed_over = [*passed_over, *kept]
        return Answer(found, self.encoder.model, len(self.index), time.perf_counter() - started, passed_over)

    def _sides(
        self, asked: Asked, wanted: tuple[Modality, ...], *, may_lack: bool
    ) -> tuple[QueryVectors, list[ClipError]]:
        """The vectors of a query, and why a side of its file is passed over."""
        if not asked.is_clip:
            return self._of_file(asked, wanted, may_lack)
        part = self._part_of_file(asked)
        return self._of_file(part, wanted, len(wanted) > 1) if part else (self._of_clip(asked, wanted), [])

    def _part_of_file(self, asked: Asked) -> Asked | None:
        """The span of a clip's file, where the row of the clip is not of that span; None where rows are."""
        first, *_ = rows = self.index.rows(asked.name)
        if self.index.facts.window_seconds is not None or not _touched(asked, rows):
            return None
        if asked.start <= first.start and first.end <= asked.end:
            return None
        return asked._replace(name=str(self.index.file(first)), is_clip=False)

    def _of_clip(self, asked: Asked, wanted: tuple[Modality, ...]) -> QueryVectors:
        """The vectors of a clip of the index; of windows, the mean of those that a span touches."""
        rows = _touched(asked, self.index.rows(asked.name))
        if not rows:
            raise DataError(f"clip {asked.name!r}: no row in that span; expected one within the clip")
        sides = {modality: vector for modality in wanted if (vector := mean_of(rows, modality)) is not None}
        if len(sides) < len(wanted) and (not sides or len(wanted) == 1):
            words = " or ".join(IN_WORDS[modality] for modality in wanted)
            raise DataError(f"clip {asked.name!r}: no {words} in the index; expected a clip that has them")
        return sides

    def _of_file(
        self, asked: Asked, wanted: tuple[Modality, ...], may_lack: bool
    ) -> tuple[QueryVectors, list[ClipError]]:
        """The vectors of a file, and where all sides are wanted that it has, why one is passed over."""
        sides: QueryVectors = {}
        refused: list[ClipError] = []
        with self._open_errors(asked.name):
            check_still(asked)
            for modality in wanted:
                try:
                    vectors, seconds = self.encoder.file_vectors(modality, asked.name)
                    sides[modality] = self.encoder.joint(modality, within(asked, modality, vectors, seconds))
                except ClipError as error:
                    refused.append(error)
        damaged = [error for error in refused if error.kind not in NO_TRACK]
        if refused and not (may_lack and sides):
            raise (damaged or refused)[0]
        return sides, damaged

    @contextmanager
    def _open_errors(self, name: str) -> Iterator[None]:
        """Say of a path without a file what to do: results show paths, which start from another folder."""
        try:
            yield
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ENAMETOOLONG, errno.ENOTDIR):
                raise
            known = f", as `clip:{name}` is" if self.index.snapshot.rows(name) else ""
            problem = f"{shortened(printable(name))}: no such file"
            raise DataError(f"{problem}; expected a file, or `clip:ID` of the index{known}") from error


def check_still(asked: Asked) -> None:
    """Refuse a span of time of a still picture.

    Raises:
        ClipError: the file is one.
    """
    if not asked.is_whole and is_still(asked.name):
        raise ClipError(asked.name, "too_short", "a still picture, which has no seconds", "it without #t=")


def within(
    asked: Asked, modality: Modality, vectors: NDArray[np.float32], seconds: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Return the vectors (m, width) of a query's span, out of those (n, width) of its file at times (n,).

    Raises:
        ClipError: the file ends before the span begins.
    """
    if asked.is_whole:
        return vectors
    places = places_within(modality, seconds, asked.start, asked.end)
    if not len(places):
        problem = f"no {IN_WORDS[modality]} from {asked.start:g} s on"
        raise ClipError(asked.name, "too_short", problem, "a span that begins within the file")
    return vectors[places]


def _touched(asked: Asked, rows: list[IndexRow]) -> list[IndexRow]:
    """The rows of a clip that a query's span touches; of windows that overlap, the one that has that span."""
    same = [row for row in rows if (row.start, row.end) == (asked.start, asked.end)]
    return same or [row for row in rows if asked.is_whole or (row.start < asked.end and asked.start < row.end)]


def compared(sides: QueryVectors, find: Find | None) -> list[Probe]:
    """Return what is compared: each vector (k,) of the query with each side of the rows that is to be found."""
    return [Probe(vector, modality) for vector in sides.values() for modality in sought(sides, find)]


def sought(sides: QueryVectors, find: Find | None) -> tuple[Modality, ...]:
    """Return which sides of the rows a query with vectors (k,) of some sides is compared with."""
    if find is None:
        (modality, *others) = sides
        find = "clip" if others else ("video" if modality == "audio" else "sound")
    return COMPARED[find]


def mean_of(rows: list[IndexRow], modality: Modality) -> Vector | None:
    """Return the mean (k,) of the vectors that rows have of a modality; None where none has one."""
    vectors = [vector for row in rows if (vector := getattr(row, modality)) is not None]
    return np.asarray(np.mean(vectors, axis=0, dtype=np.float64), np.float32) if vectors else None


def check_encoder(index: Index, encoder: "Encoder") -> None:
    """Refuse an encoder that has not made the index.

    Raises:
        DataError: its fingerprint is another one.
    """
    made_by = index.facts.encoder
    if made_by != encoder.fingerprint:
        raise DataError(
            f"{index.folder}: made by the encoder {made_by[:12]}, and {encoder.folder} is {encoder.fingerprint[:12]}; "
            "expected one encoder: `avr index build` makes the index anew"
        )


def check_choices(find: str | None, query_modality: str | None) -> None:
    """Refuse words that are no choice.

    Raises:
        ParamsError: the choices are listed.
    """
    if find is not None and find not in COMPARED:
        raise ParamsError(f"find {find!r}; expected one of {', '.join(COMPARED)}")
    if query_modality not in WANTED:
        raise ParamsError(f"query modality {query_modality!r}; expected one of {', '.join(MODALITIES)}, both")
