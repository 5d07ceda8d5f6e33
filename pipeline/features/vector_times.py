"""When the vectors of a clip are: sounds are timed at their start, pictures in the middle of what they stand for."""

import numpy as np
from numpy.typing import NDArray

from pipeline.network_parts.base import Modality


def places_between(modality: Modality, seconds: NDArray[np.float64], start: float, end: float) -> NDArray[np.int64]:
    """Return which vectors have their middle in [start, end): (m,), rising.

    Args:
        modality: of the vectors.
        seconds: (n,) their times.
        start: in seconds.
        end: in seconds; it may be infinite.

    Example:
        >>> places_between("audio", np.array([0.0, 0.96, 1.92]), 1.0, 2.0).tolist()
        [1]
    """
    middle = middles(modality, seconds)
    return np.flatnonzero((middle >= start) & (middle < end))


def middles(modality: Modality, seconds: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the middles (n,) of the stretches of vectors at times (n,)."""
    return seconds + _step(seconds) / 2 if modality == "audio" else seconds


def end_of(modality: Modality, seconds: NDArray[np.float64]) -> float:
    """Return where the stretch of the last of vectors at times (n,) ends, in seconds; 0 where there are none."""
    return float(middles(modality, seconds)[-1] + _step(seconds) / 2) if len(seconds) else 0.0


def _step(seconds: NDArray[np.float64]) -> float:
    """Seconds from one vector to the next."""
    return float(np.median(np.diff(seconds))) if len(seconds) > 1 else 1.0
