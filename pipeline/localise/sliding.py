"""Where in one modality of a clip the event is that was cut from the other: its segments slide over all places."""

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import DataError

Segments: TypeAlias = NDArray[np.floating[Any]]  # (n_segments, d), one row a segment, such as a second
Parts: TypeAlias = Sequence[Segments]
"""What a distance compares of a modality: its parts, whose distances are weighted and summed; of a cosine one."""

CROSS_MODAL = ("audio_to_visual", "visual_to_audio")
_ROUNDING = 1e-9  # of the largest distance: sums of distances that differ by less are equal


class EventVideo(NamedTuple):
    """One clip, embedded segment by segment, and the event in it.

    Attributes:
        audio: parts of n_segments rows each.
        visual: the same parts of the same segments.
        start: first segment of the event.
        length: how many segments it lasts.
    """

    audio: Parts
    visual: Parts
    start: int
    length: int


def localisation(videos: Sequence[EventVideo], shares: Sequence[float] = (1.0,)) -> dict[str, dict[str, float]]:
    """Return how well the starts of events are found, by ``CROSS_MODAL`` direction: two numbers in [0, 1] each.

    The event's segments of one modality slide over the whole other modality; starts are ranked by the sum of the
    Euclidean distances, the smallest first. ``exact_start`` is the share of clips whose first start is the event's own,
    ``start_mrr`` the mean of 1 over the rank of that. Where starts tie, both are expectations over their orders.

    Args:
        videos: at least one; each model and protocol decides how its rows are scaled.
        shares: the weight of each part's distance.

    Raises:
        DataError: there is no clip, its modalities differ in shape or are not finite, or the event does not fit.

    References:
        Tian, Shi, Li, Duan & Xu (2018), Audio-Visual Event Localization in Unconstrained Videos, ECCV.
    """
    _check(videos)
    found: dict[str, dict[str, float]] = {}
    for direction in CROSS_MODAL:
        distances = [_distances_of(video, direction, shares) for video in videos]
        starts = [video.start for video in videos]
        found[direction] = {
            "exact_start": float(np.mean(list(map(credit, distances, starts)))),
            "start_mrr": float(np.mean(list(map(reciprocal_rank, distances, starts)))),
        }
    return found


def chance_localisation(n_segments: NDArray[np.int64], lengths: NDArray[np.int64]) -> dict[str, float]:
    """Return what starts in random order get in ``localisation``, either way.

    With n starts to choose from, ``exact_start`` is the mean of 1 / n, ``start_mrr`` the mean of (1 + 1/2 + ... + 1/n)
    / n. ``exact_start_std`` is the standard deviation of the first from one set of random starts to the next.

    Args:
        n_segments: (n_clips,) of each clip.
        lengths: (n_clips,) segments of each event, 1 to n_segments.
    """
    n_starts = n_segments - lengths + 1
    harmonic = np.cumsum(1 / np.arange(1, n_starts.max() + 1))
    return {
        "exact_start": float(np.mean(1 / n_starts)),
        "start_mrr": float(np.mean(harmonic[n_starts - 1] / n_starts)),
        "exact_start_std": float(np.sqrt(np.sum(1 / n_starts * (1 - 1 / n_starts))) / len(n_starts)),
    }


def sliding_distances(event: Segments, segments: Segments) -> NDArray[np.float64]:
    """Return the summed Euclidean distance of an event to each run of as many segments, (n_segments - length + 1,).

    Args:
        event: (length, d).
        segments: (n_segments, d), at least as many.

    Example:
        >>> segments = np.array([[0.0], [5.0], [6.0], [2.0]])
        >>> sliding_distances(segments[1:3], segments).tolist()
        [6.0, 0.0, 5.0]
    """
    event, segments = event.astype(np.float64), segments.astype(np.float64)
    n_starts = len(segments) - len(event) + 1
    total = np.zeros(n_starts)
    for k, of_event in enumerate(event):  # one at a time: all differences at once would be gigabytes of long films
        total += np.linalg.norm(segments[k : k + n_starts] - of_event, axis=1)
    return total


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
    later = np.searchsorted(example_seconds, picture_seconds).clip(max=len(example_seconds) - 1)
    earlier = (later - 1).clip(min=0)
    apart = np.abs(example_seconds[[earlier, later]] - picture_seconds)  # (2, n_pictures)
    nearest = np.where(apart[0] <= apart[1], earlier, later)
    pictures = np.flatnonzero(apart.min(axis=0) <= tolerance_seconds)
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
    nearest = distances <= distances.min() + _step(distances)
    return float(nearest[start] / nearest.sum())


def reciprocal_rank(distances: NDArray[np.float64], start: int) -> float:
    """Return 1 over the rank of the event's own run of segments, the nearest first: its mean over the orders of ties.

    Args:
        distances: (n_starts,) of each run, as ``sliding_distances`` gives them.
        start: of the event.
    """
    beyond, step = distances - distances[start], _step(distances)
    n_nearer, n_tied = int((beyond < -step).sum()), int((np.abs(beyond) <= step).sum())
    return float(np.mean(1 / np.arange(n_nearer + 1, n_nearer + n_tied + 1)))


def _step(distances: NDArray[np.float64]) -> float:
    """By how much equal sums may differ."""
    return float(_ROUNDING * distances.max())


def _distances_of(video: EventVideo, direction: str, shares: Sequence[float]) -> NDArray[np.float64]:
    """The distance of a clip's event to each place of the other modality, (n_starts,)."""
    parts = (video.audio, video.visual) if direction == CROSS_MODAL[0] else (video.visual, video.audio)
    event = slice(video.start, video.start + video.length)
    weighted = zip(shares, *parts, strict=True)
    return np.asarray(sum(share * sliding_distances(cut[event], searched) for share, cut, searched in weighted))


def _check(videos: Sequence[EventVideo]) -> None:
    """Refuse what has no event to be found."""
    if not videos:
        raise DataError("localisation: no video; expected at least one")
    for i, video in enumerate(videos):
        for audio, visual in zip(video.audio, video.visual, strict=True):
            if audio.ndim != 2 or audio.shape != visual.shape:
                raise DataError(f"video {i}: audio {audio.shape}, visual {visual.shape}; expected one (n_segments, d)")
            if not (np.isfinite(audio).all() and np.isfinite(visual).all()):
                raise DataError(f"video {i}: NaN or infinite values; expected finite numbers")
            if video.start < 0 or video.length < 1 or video.start + video.length > len(audio):
                event = f"event of {video.length} segments from {video.start}"
                raise DataError(f"video {i}: {event}; expected it within {len(audio)}")
