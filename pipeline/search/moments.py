"""The moment of a result: the stretch of it that is nearest to the query's own seconds, found as an event is."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import ClipError, DataError, in_words
from pipeline.features.vector_times import end_of, middles
from pipeline.localise.sliding import paired_segments, sliding_distances
from pipeline.network_parts.base import Modality
from pipeline.search.spans import Asked
from pipeline.search.windows import places_within

if TYPE_CHECKING:
    from pipeline.encoder import Encoder
    from pipeline.search.index import Index
    from pipeline.search.rows import Result

_SLACK_SECONDS = 1e-6


class TimedRows(NamedTuple):
    """One side of a file over time.

    Attributes:
        seconds: (n,) the middle of each stretch that has a vector, rising.
        rows: (n, k) joint vectors of length 1.
        half_step: from the middle of a stretch to its end, in seconds.
    """

    seconds: NDArray[np.float64]
    rows: NDArray[np.float32]
    half_step: float


TimedSides = Mapping[Modality, TimedRows]


def with_moments(
    encoder: "Encoder",
    index: "Index",
    asked: Asked,
    sides: tuple[tuple[Modality, ...], tuple[Modality, ...]],
    results: "list[Result]",
) -> "tuple[list[Result], list[ClipError]]":
    """Return results whose start and end are those of the moment, and why others keep their own.

    Args:
        encoder: that made the index.
        index: that the results are of.
        asked: the query.
        sides: which sides of the query were compared, and with which of the results.
        results: in their order, which stays.

    Raises:
        ClipError, DataError, OSError: the query's own file is not there, or cannot be used.
    """
    if asked.is_clip:
        rows = index.rows(asked.name)
        span = (rows[0].start, rows[-1].end or np.inf) if asked.is_whole else (asked.start, asked.end)
        asked = Asked(str(index.file(rows[0])), False, *span)
    query = read_tracks(encoder, asked, sides[0])
    located, kept = [], []
    for result in results:
        span = (result.start, result.end) if result.end > result.start else (0.0, np.inf)
        rows = index.rows(result.clip_id)
        there = tuple(side for side in sides[1] if any(getattr(row, side) is not None for row in rows))
        try:
            file = Asked(str(index.file(rows[0])), False, *span)
            start, end = moment(query, read_tracks(encoder, file, there)) or span
            located.append(result._replace(start=start, end=end) if end < np.inf else result)
        except (ClipError, DataError, OSError) as error:
            kept.append(_why_kept(result.clip_id, error))
            located.append(result)
    return located, kept


def _why_kept(clip_id: str, error: Exception) -> ClipError:
    """Why a result keeps its own times."""
    expected = "its file, to say where in it"
    if isinstance(error, ClipError):
        return ClipError(clip_id, error.kind, error.problem, expected)
    place = f"{error.filename}: " if isinstance(error, OSError) and error.filename else ""
    return ClipError(clip_id, "missing", f"{place}{in_words(error)}", expected)


def read_tracks(encoder: "Encoder", asked: Asked, modalities: tuple[Modality, ...]) -> dict[Modality, TimedRows]:
    """Return sides of a span of a file over time, each vector embedded as if it were a clip's mean.

    Args:
        encoder: that reads the file.
        asked: a file, with a span or without.
        modalities: which sides.

    Raises:
        ClipError: the file cannot be used, or ends before the span begins.
        OSError: it cannot be read.
    """
    tracks: dict[Modality, TimedRows] = {}
    for modality in modalities:
        vectors, times = encoder.file_vectors(modality, asked.name)
        places = places_within(modality, times, asked.start, asked.end)
        if not len(places):
            raise ClipError(asked.name, "too_short", f"no vector from {asked.start:g} s on", "a span within the file")
        middle = middles(modality, times)
        half_step = end_of(modality, times) - float(middle[-1])
        tracks[modality] = TimedRows(middle[places], encoder.joint_means(modality, vectors[places]), half_step)
    return tracks


def moment(query: TimedSides, searched: TimedSides) -> tuple[float, float] | None:
    """Return start and end of the stretch of a file, as long as the query, that is nearest to it, in seconds.

    Both are cut into segments as long as the stretches of one side of the file, the pictures if they are searched; the
    query's slide over the file's. Each searched side counts with each side of the query; of equally near places the
    first is the answer.

    Args:
        query: sides of the query, at least one.
        searched: sides of the file, at least one.

    Returns:
        None where the file has fewer segments than the query.
    """
    paced_by = searched["visual"] if "visual" in searched else next(iter(searched.values()))
    grid, found = _segments(searched, paced_by.seconds)
    first, last = (of(track.seconds[end] for track in query.values()) for of, end in ((min, 0), (max, -1)))
    n_segments = round((last - first) / (2 * paced_by.half_step)) + 1
    _, asked = _segments(query, first + 2 * paced_by.half_step * np.arange(n_segments))
    length = len(next(iter(asked.values())))
    if not 0 < length <= len(grid):
        return None
    distances = sum(sliding_distances(event, rows) for event in asked.values() for rows in found.values())
    at = int(np.argmin(distances))
    return max(0.0, float(grid[at]) - paced_by.half_step), float(grid[at + length - 1]) + paced_by.half_step


def _segments(
    tracks: TimedSides, grid: NDArray[np.float64]
) -> tuple[NDArray[np.float64], dict[Modality, NDArray[np.float32]]]:
    """The times of a grid at which all sides have a vector, (n,), and the vectors, (n, k) each."""
    pairs = {
        modality: paired_segments(track.seconds, grid, track.half_step + _SLACK_SECONDS)
        for modality, track in tracks.items()
    }
    in_all = np.array(sorted(set.intersection(*(set(of_grid.tolist()) for _, of_grid in pairs.values()))), np.int64)
    rows = {
        modality: tracks[modality].rows[places[np.isin(of_grid, in_all)]]
        for modality, (places, of_grid) in pairs.items()
    }
    return grid[in_all], rows
