"""Stretches of a clip's time: the whole of it, or windows of one length, and which vectors over time belong to each."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import ParamsError
from pipeline.features.vector_times import end_of, middles, places_between
from pipeline.network_parts.base import Modality

MOST_WINDOWS = 100_000  # of one clip
SHORTEST_SECONDS = 0.1


class Stretch(NamedTuple):
    """A stretch of time of one clip.

    Attributes:
        start: in seconds.
        end: in seconds.
        places: by modality, (m,) which of the clip's vectors have their middle in it.
    """

    start: float
    end: float
    places: dict[Modality, NDArray[np.int64]]

    def of(self, modality: Modality, vectors: NDArray[Any]) -> NDArray[Any]:
        """Return those of a clip's vectors (n, width) whose middle is in the stretch: (m, width)."""
        return vectors[self.places[modality]] if modality in self.places else vectors[:0]


def stretches_of(
    seconds: Mapping[Modality, NDArray[np.float64]], window_seconds: float | None = None
) -> Iterator[Stretch]:
    """Yield the stretches of a clip: one for all of it, or windows that hold a vector, in their order.

    Args:
        seconds: by modality, the times (n,) of the clip's vectors; a modality that it lacks is left out.
        window_seconds: length of a window; window k is [k, k + 1) times that. None: one stretch.

    Raises:
        ParamsError: windows are too short, or too many.

    Example:
        >>> times = {"audio": np.array([0.0, 0.96, 1.92, 2.88]), "visual": np.array([0.5, 1.5, 2.5])}
        >>> [(w.start, w.end, w.places["audio"].tolist()) for w in stretches_of(times, 2.0)]
        [(0.0, 2.0, [0, 1]), (2.0, 3.84, [2, 3])]
    """
    end = max((end_of(modality, times) for modality, times in seconds.items()), default=0.0)
    if window_seconds is None:
        yield Stretch(0.0, end, {modality: np.arange(len(times)) for modality, times in seconds.items()})
        return
    check_window(window_seconds, end)
    numbers = {
        modality: np.floor(middles(modality, times) / window_seconds).astype(np.int64)
        for modality, times in seconds.items()
    }
    for number in sorted({int(n) for found in numbers.values() for n in found}):
        start = number * window_seconds
        places = {modality: np.flatnonzero(found == number) for modality, found in numbers.items()}
        yield Stretch(start, min(end, start + window_seconds), {name: of for name, of in places.items() if len(of)})


def check_window(window_seconds: float, clip_seconds: float = 0.0) -> None:
    """Refuse windows that are too short, or too many for a clip.

    Raises:
        ParamsError: with the number.
    """
    if not SHORTEST_SECONDS <= window_seconds < float("inf"):
        raise ParamsError(f"--window {window_seconds:g}; expected {SHORTEST_SECONDS:g} seconds or more")
    if clip_seconds / window_seconds > MOST_WINDOWS:
        raise ParamsError(f"--window {window_seconds:g} s: a clip of {clip_seconds:g} s; expected longer windows")


def places_within(modality: Modality, seconds: NDArray[np.float64], start: float, end: float) -> NDArray[np.int64]:
    """Return which vectors have their middle in a span of time: (m,); of a span between two middles, the nearest one.

    Args:
        modality: of the vectors.
        seconds: (n,) their times.
        start: of the span, in seconds.
        end: of the span; it may be infinite.

    Example:
        >>> places_within("visual", np.array([0.5, 1.5, 2.5]), 1.0, float("inf")).tolist()
        [1, 2]
    """
    places = places_between(modality, seconds, start, end)
    if len(places) or not len(seconds) or start >= end_of(modality, seconds):
        return places
    return np.array([np.argmin(np.abs(middles(modality, seconds) - (start + min(end, end_of(modality, seconds))) / 2))])
