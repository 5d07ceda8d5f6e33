"""Cross-modal localisation: where in a video's pictures the event is that was cut from its sound, and the other way."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import DataError

_ROUNDING = 1e-9  # of the largest distance: sums of distances that differ by less are equal


class EventVideo(NamedTuple):
    """One video, embedded segment by segment, and the event in it.

    Attributes:
        audio: (n_segments, d), one row a segment, such as a second.
        visual: (n_segments, d), of the same segments.
        start: first segment of the event.
        length: how many segments it lasts.
    """

    audio: NDArray[np.floating[Any]]
    visual: NDArray[np.floating[Any]]
    start: int
    length: int


def localisation_accuracy(videos: Sequence[EventVideo]) -> dict[str, float]:
    """Return the share of videos whose event is found, ``audio_to_visual`` and ``visual_to_audio``, in [0, 1].

    The event's segments of one modality slide over the whole other modality; the place where the sum of the Euclidean
    distances is smallest is the answer, right only if its start is exact. Of tied places one is taken at random: the
    video counts by the chance that it is the right one.

    Args:
        videos: at least one; each model and protocol decides how its rows are scaled.

    Raises:
        DataError: there is no video, its modalities differ in shape or are not finite, or the event does not fit.

    References:
        Tian, Shi, Li, Duan & Xu (2018), Audio-Visual Event Localization in Unconstrained Videos, ECCV.
    """
    _check(videos)
    found = {
        "audio_to_visual": [_found(video.audio, video.visual, video.start, video.length) for video in videos],
        "visual_to_audio": [_found(video.visual, video.audio, video.start, video.length) for video in videos],
    }
    return {direction: float(np.mean(shares)) for direction, shares in found.items()}


def chance_accuracy(n_segments: NDArray[np.int64], lengths: NDArray[np.int64]) -> float:
    """Return the share of events that a random start finds: the mean of 1 / (n_segments - length + 1).

    Args:
        n_segments: (n_videos,) of each video.
        lengths: (n_videos,) segments of each event, 1 to n_segments.
    """
    return float(np.mean(1 / (n_segments - lengths + 1)))


def sliding_distances(event: NDArray[np.floating[Any]], segments: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Return the summed Euclidean distance of an event to each run of as many segments, (n_segments - length + 1,).

    Args:
        event: (length, d).
        segments: (n_segments, d), at least as many.
    """
    differences = event[:, None].astype(np.float64) - segments.astype(np.float64)  # (length, n_segments, d)
    distances = np.linalg.norm(differences, axis=2)
    n_starts = len(segments) - len(event) + 1
    return np.asarray(sum(distances[k, k : k + n_starts] for k in range(len(event))))


def paired_segments(
    example_seconds: NDArray[np.float64], picture_seconds: NDArray[np.float64], tolerance_seconds: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return which example of sound and which picture make each segment of a clip, rows of both, (n_segments,) each.

    A segment is a picture and the example whose middle is nearest in time; of equally near ones the earlier.

    Args:
        example_seconds: (n_examples,) middles of the examples, rising, at least one.
        picture_seconds: (n_pictures,) times of the pictures, rising.
        tolerance_seconds: pictures further from every example make no segment.
    """
    apart = np.abs(picture_seconds[:, None] - example_seconds)  # (n_pictures, n_examples)
    nearest = apart.argmin(axis=1)
    pictures = np.flatnonzero(apart.min(axis=1) <= tolerance_seconds)
    return nearest[pictures], pictures


def event_segments(segment_seconds: NDArray[np.float64], start_seconds: float, end_seconds: float) -> tuple[int, int]:
    """Return the first segment of an event and how many it lasts: those whose time is in [start, end).

    Args:
        segment_seconds: (n_segments,) rising.
        start_seconds: of the event.
        end_seconds: of the event.
    """
    first, end = (int(np.searchsorted(segment_seconds, seconds)) for seconds in (start_seconds, end_seconds))
    return first, end - first


def credit(distances: NDArray[np.float64], start: int) -> float:
    """Return the chance that the nearest run of segments is the event's own; tied runs share it.

    Args:
        distances: (n_starts,) of each run, as ``sliding_distances`` gives them.
        start: of the event.
    """
    nearest = distances <= distances.min() + _ROUNDING * distances.max()
    return float(nearest[start] / nearest.sum())


def _found(
    event_modality: NDArray[np.floating[Any]], searched: NDArray[np.floating[Any]], start: int, length: int
) -> float:
    """The chance that an event is found."""
    return credit(sliding_distances(event_modality[start : start + length], searched), start)


def _check(videos: Sequence[EventVideo]) -> None:
    """Refuse what has no event to be found."""
    if not videos:
        raise DataError("localisation: no video; expected at least one")
    for i, (audio, visual, start, length) in enumerate(videos):
        if audio.ndim != 2 or audio.shape != visual.shape:
            raise DataError(f"video {i}: audio {audio.shape}, visual {visual.shape}; expected one (n_segments, d)")
        if not (np.isfinite(audio).all() and np.isfinite(visual).all()):
            raise DataError(f"video {i}: NaN or infinite values; expected finite numbers")
        if start < 0 or length < 1 or start + length > len(audio):
            raise DataError(f"video {i}: event of {length} segments from {start}; expected it within {len(audio)}")
