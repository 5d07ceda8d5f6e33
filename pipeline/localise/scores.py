"""What a fitted model gets on clips with events: by the cosine of its embeddings, and by its authors' own distance."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline.localise.clip_seconds import Seconds
from pipeline.localise.own_distance import WithOwnDistance, retrieval_by_distance
from pipeline.localise.segments import WAYS, chance_segment_retrieval, segment_retrieval
from pipeline.localise.sliding import CROSS_MODAL, EventVideo, Parts, chance_localisation, localisation
from pipeline.model_parts.base import Model
from pipeline.retrieval.cosines import unit_rows

EventScores = dict[str, dict[str, float]]
"""Numbers by direction: ``exact_start``, ``start_mrr`` and ``segment_mrr``, those that the clips allow."""

MOST_SEARCHED = 1_000
_WITHIN = tuple(way for way in WAYS if way not in CROSS_MODAL)
Retrieve = Callable[[Parts, Parts, NDArray[np.int64]], dict[str, float]]


def cosine_scores(model: Model, clips: Sequence[Seconds]) -> EventScores:
    """Return what a model gets where each second is embedded as if it were a clip's mean, and scaled to length 1.

    Args:
        model: fitted.
        clips: at least one.
    """
    audio = unit_rows(model.embed_audio(np.concatenate([clip.audio for clip in clips])))
    visual = unit_rows(model.embed_visual(np.concatenate([clip.visual for clip in clips])))
    return scores(
        [audio], [visual], clips, (1.0,), lambda of, others, labels: segment_retrieval(of[0], others[0], labels)
    )


def own_scores(model: WithOwnDistance, clips: Sequence[Seconds], shares: tuple[float, float]) -> EventScores:
    """Return what a model gets by its own distance.

    Args:
        model: fitted.
        clips: at least one.
        shares: of the latent and of the generated distance, such as one of ``SHARES``.
    """
    audio = model.own_parts("audio", np.concatenate([clip.audio for clip in clips]))
    visual = model.own_parts("visual", np.concatenate([clip.visual for clip in clips]))
    return scores(
        audio, visual, clips, shares, lambda of, others, labels: retrieval_by_distance(of, others, labels, shares)
    )


def scores(
    audio: Parts, visual: Parts, clips: Sequence[Seconds], shares: Sequence[float], retrieve: Retrieve
) -> EventScores:
    """Return the numbers of clips whose seconds are embedded: those that there are events and labels for.

    Args:
        audio: parts of (n_seconds of all clips, d) rows, as a distance compares them.
        visual: the same parts of the same seconds.
        clips: at least one.
        shares: the weight of each part's distance.
        retrieve: the reciprocal ranks of segments, parts of (n, d) rows of both modalities, with (n,) classes.
    """
    starts = np.cumsum([0, *(len(clip.audio) for clip in clips)])
    spans = [slice(start, end) for start, end in zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True)]
    videos = [
        EventVideo([part[span] for part in audio], [part[span] for part in visual], clip.start, clip.length)
        for clip, span in zip(clips, spans, strict=True)
        if clip.can_be_located
    ]
    found: EventScores = localisation(videos, shares) if videos else {}
    labels = class_numbers(clips)
    known = searched_events(labels)
    if can_be_searched(labels[known]):
        middles = (starts[:-1] + [clip.start + clip.length // 2 for clip in clips])[known]
        ranks = retrieve([part[middles] for part in audio], [part[middles] for part in visual], labels[known])
        found = _with_ranks(found, ranks)
    return _with_average(found)


def chance_scores(clips: Sequence[Seconds]) -> EventScores:
    """Return what knows nothing gets in ``scores``, and by how much ``exact_start`` then differs from draw to draw."""
    located = [clip for clip in clips if clip.can_be_located]
    found: EventScores = {}
    if located:
        n_seconds, lengths = (np.array(of) for of in zip(*((len(c.audio), c.length) for c in located), strict=True))
        found = {way: chance_localisation(n_seconds, lengths) for way in CROSS_MODAL}
    labels = class_numbers(clips)
    known = searched_events(labels)
    if can_be_searched(labels[known]):
        found = _with_ranks(found, chance_segment_retrieval(labels[known]))
    return _with_average(found)


def mean_scores(by_seed: Sequence[EventScores]) -> EventScores:
    """Return the means over the seeds of a model, at least one."""
    return {
        way: {name: float(np.mean([of_seed[way][name] for of_seed in by_seed])) for name in numbers}
        for way, numbers in by_seed[0].items()
    }


def class_numbers(clips: Sequence[Seconds]) -> NDArray[np.int64]:
    """Return the class of each clip as a number, (n_clips,); -1 where it is not known."""
    names = sorted({clip.label for clip in clips} - {""})
    return np.array([names.index(clip.label) if clip.label else -1 for clip in clips], np.int64)


def searched_events(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the clips whose events are searched by class, rising: those with a label, ``MOST_SEARCHED`` of them drawn.

    A model's own distance compares every pair of them, in widths of a thousand.

    Args:
        labels: (n_clips,) numbers of classes, -1 for none.
    """
    known = np.flatnonzero(labels >= 0)
    if len(known) <= MOST_SEARCHED:
        return known
    return np.sort(np.random.default_rng(0).choice(known, MOST_SEARCHED, replace=False))


def can_be_searched(labels: NDArray[np.int64]) -> bool:
    """Return whether a class, of (n,) numbers, has two clips, so that one can find the other."""
    return bool((np.bincount(labels[labels >= 0]) > 1).any())


def _with_ranks(found: EventScores, ranks: dict[str, float]) -> EventScores:
    """Numbers by direction, and behind them the reciprocal ranks of segments."""
    return {way: {**found.get(way, {}), "segment_mrr": ranks[way]} for way in (*CROSS_MODAL, *_WITHIN)}


def _with_average(found: EventScores) -> EventScores:
    """Numbers by direction, and the mean of both directions across the modalities, as the metrics have it."""
    if not found:
        return {}
    both = [found[way] for way in CROSS_MODAL]
    average = {name: (both[0][name] + both[1][name]) / 2 for name in both[0] if not name.endswith("_std")}
    return {
        **{way: found[way] for way in CROSS_MODAL},
        "average": average,
        **{w: found[w] for w in _WITHIN if w in found},
    }
