"""Drawn mixtures: who is mixed with whom, never two of one source, and at which times of their clips."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import DataError
from pipeline.formats.clips import SPLITS, Clip
from pipeline.separation.mixtures import (
    LEAST_ACTIVE_FRACTION,
    MOST_DRAWS,
    Mixture,
    MixturesParams,
    Segment,
    active_fraction,
    gains_of,
    kinds_in_turn,
    source_of,
    start_of_segment,
)

SoundOf = Callable[[str], NDArray[np.float32]]
"""The whole sound (n_samples,) of a clip by its name, in [-1, 1]."""


class DrawnMixtures(NamedTuple):
    """The mixtures of a split, and how many draws were too quiet to be one."""

    mixtures: list[Mixture]
    n_quiet: int


def draw_mixtures(
    split: str, clips: Sequence[Clip], sound_of: SoundOf, rate: int, params: MixturesParams
) -> DrawnMixtures:
    """Return the list of mixtures of a split, which depends on its clips and the parameters alone.

    Args:
        split: ``validation`` or ``test``.
        clips: of that split.
        sound_of: gives the sound (n_samples,) of a clip.
        rate: of the sounds, in Hz.
        params: section ``mixtures``.

    Raises:
        DataError: there are too few sources, or hardly a segment has sound.
    """
    partners = Partners(split, clips, params.n_sources)
    rng = np.random.default_rng([params.seed, SPLITS.index(split)])
    kinds = kinds_in_turn(params.kinds, params.n_of(split), rng)
    mixtures, n_quiet = list[Mixture](), 0
    for number, kind in enumerate(kinds):
        for _ in range(MOST_DRAWS):
            segments, seconds = draw_segments(partners.draw(kind, rng), sound_of, rate, params, rng)
            if segments:
                break
            n_quiet += 1
        else:
            raise DataError(
                f"split {split!r}: {MOST_DRAWS} draws with a source that is quiet for more than "
                f"{1 - LEAST_ACTIVE_FRACTION:.0%} of the time; expected clips with sound"
            )
        mixtures.append(Mixture(f"{split}-{number:04d}", split, kind, seconds, segments))
    return DrawnMixtures(mixtures, n_quiet)


def draw_segments(
    clips: Sequence[Clip], sound_of: SoundOf, rate: int, params: MixturesParams, rng: np.random.Generator
) -> tuple[tuple[Segment, ...], float]:
    """Return a segment of each clip, and their length in seconds; no segment where one of them is too quiet.

    Segments of clips that are events of a longer file begin and end within the events.

    Args:
        clips: the sources.
        sound_of: gives the sound (n_samples,) of a clip.
        rate: of the sounds, in Hz.
        params: section ``mixtures``.
        rng: where starts and levels come from.
    """
    sounds = [sound_of(clip.clip_id) for clip in clips]
    lengths = [_n_samples(clip, len(sound), rate) for clip, sound in zip(clips, sounds, strict=True)]
    n_samples = min(round(params.seconds * rate), *lengths)
    pairs = list(zip(clips, sounds, strict=True))
    starts = [start_of_segment(clip, len(sound), n_samples, rate, rng) for clip, sound in pairs]
    cut = np.stack([sound[start : start + n_samples] for sound, start in zip(sounds, starts, strict=True)])
    loudest = [float(np.abs(sound).max(initial=0)) for sound in sounds]
    active = [active_fraction(sound, peak, rate) for sound, peak in zip(cut, loudest, strict=True)]
    if min(active) < LEAST_ACTIVE_FRACTION:
        return (), n_samples / rate
    parts = zip(clips, starts, gains_of(cut, params.snr_db, rng).tolist(), strict=True)
    return tuple(Segment(clip.clip_id, start / rate, gain) for clip, start, gain in parts), n_samples / rate


class Partners:
    """Clips of one split that can sound together: never two of one source.

    Args:
        split: for the message.
        clips: of that split.
        n_sources: of a mixture.

    Raises:
        DataError: there are fewer sources than that.
    """

    def __init__(self, split: str, clips: Iterable[Clip], n_sources: int) -> None:
        self._clips, self._split, self._n_sources = sorted(clips, key=lambda clip: clip.clip_id), split, n_sources
        self._of_source, self._of_label = defaultdict[str, list[int]](list), defaultdict[str, list[int]](list)
        for place, clip in enumerate(self._clips):
            self._of_source[source_of(clip)].append(place)
            self._of_label[clip.label].append(place)
        if len(self._of_source) < n_sources:
            raise DataError(
                f"split {split!r}: {len(self._clips)} clips of {len(self._of_source)} sources (source_id); expected at "
                f"least {n_sources} sources to mix"
            )

    def draw(self, kind: str, rng: np.random.Generator) -> list[Clip]:
        """Return clips of different sources, as many as a mixture has.

        Args:
            kind: of a mixture.
            rng: where the draw comes from.

        Raises:
            DataError: no clips are of that kind.
        """
        for _ in range(MOST_DRAWS):
            chosen = [int(rng.integers(len(self._clips)))]
            while len(chosen) < self._n_sources and (place := self._fitting(chosen, kind, rng)) is not None:
                chosen.append(place)
            if len(chosen) == self._n_sources:
                return [self._clips[place] for place in chosen]
        counts = dict(Counter(clip.label for clip in self._clips).most_common(5))
        raise DataError(
            f"split {self._split!r}: no {self._n_sources} clips of kind {kind!r} among {len(self._clips)} (clips of a "
            f"label: {counts}); expected some of different sources"
        )

    def others_of(self, clip: Clip) -> list[Clip]:
        """Return the clips of a clip's source, itself among them."""
        return [self._clips[place] for place in self._of_source[source_of(clip)]]

    def _fitting(self, chosen: Sequence[int], kind: str, rng: np.random.Generator) -> int | None:
        """A clip that fits to others, drawn evenly, or None; no list of all clips is made, of which there are many."""
        taken = {place for other in chosen for place in self._of_source[source_of(self._clips[other])]}
        same = self._of_label[self._clips[chosen[0]].label]
        if kind == "same_label":
            fitting = [place for place in same if place not in taken]
            return fitting[int(rng.integers(len(fitting)))] if fitting else None
        left_out = sorted(taken if kind == "any" else taken.union(same))
        n_fitting = len(self._clips) - len(left_out)
        if n_fitting == 0:
            return None
        place = int(rng.integers(n_fitting))
        for other in left_out:
            place += other <= place
        return place


def _n_samples(clip: Clip, length: int, rate: int) -> int:
    """How long a segment of a clip may be: as its event where it is one, else as its sound."""
    if clip.start_seconds is None or clip.end_seconds is None:
        return length
    return max(1, min(length, round(clip.end_seconds * rate)) - round(clip.start_seconds * rate))
