"""What separators learn from and are measured on: mixtures of a list, and for training new ones in every step."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.formats.clips import Clip
from pipeline.separation.drawing import Partners
from pipeline.separation.films import listening
from pipeline.separation.heard import NO_PICTURES, HeardClips
from pipeline.separation.mixtures import (
    LEAST_ACTIVE_FRACTION,
    MOST_DRAWS,
    Mixture,
    MixturesParams,
    active_fraction,
    gains_of,
    kinds_in_turn,
    start_of_segment,
)


class Material(NamedTuple):
    """What is measured on: a list of mixtures and the clips that they are made of."""

    clips: HeardClips
    mixtures: Sequence[Mixture]


class TrainingBatch(NamedTuple):
    """Mixtures to learn from; the mixture of a row is the sum of its sources.

    Attributes:
        sources: float32 (batch, n_sources, n_samples).
        mouths: uint8 (batch, n_sources, n_pictures, size, size); of no picture, as the next two, where the task does
            not cut it. What is seen of a silent source is a quiet moment of its clip.
        faces: uint8 (batch, n_sources, size, size, 3).
        frames: uint8 (batch, n_sources, n_frames, size, size, 3), whole pictures.
        clip_ids: str (batch, n_sources), which clips they are of.
        starts: float64 (batch, n_sources), at which second of its clip each begins.
    """

    sources: NDArray[np.float32]
    mouths: NDArray[np.uint8]
    faces: NDArray[np.uint8]
    frames: NDArray[np.uint8] = NO_PICTURES
    clip_ids: NDArray[np.str_] = np.empty((0, 0), np.str_)
    starts: NDArray[np.float64] = np.empty((0, 0))


class TrainingStream:
    """Mixtures of the train split, drawn anew for every step; an equal seed gives equal batches.

    Args:
        clips: of all splits.
        params: section ``mixtures``.

    Raises:
        DataError: the train split has too few sources.
    """

    def __init__(self, clips: HeardClips, params: MixturesParams) -> None:
        self.clips, self.params = clips, params
        self._partners = Partners("train", clips.of_split("train"), params.n_sources)

    def batch(self, n_mixtures: int, n_samples: int, rng: np.random.Generator) -> TrainingBatch:
        """Return a batch of independent mixtures.

        Args:
            n_mixtures: how many.
            n_samples: length of each.
            rng: where all draws come from.
        """
        rows = [self._row(n_samples, rng) for _ in range(n_mixtures)]
        return TrainingBatch(*(np.stack(column) for column in zip(*rows, strict=True)))

    def couples(self, n_couples: int, n_samples: int, rng: np.random.Generator) -> TrainingBatch:
        """Return pairs of mixtures, 2k and 2k + 1, in which other words of one person meet one other source.

        Args:
            n_couples: how many pairs; the batch has twice as many mixtures.
            n_samples: length of each.
            rng: where all draws come from.
        """
        rows = []
        for _ in range(n_couples):
            (kind,) = kinds_in_turn(self.params.kinds, 1, rng)
            chosen = self._partners.draw(kind, rng)
            shared = [self._part(clip, n_samples, rng) for clip in chosen[1:]]
            own = self._partners.others_of(chosen[0])
            for clip in (chosen[0], own[int(rng.integers(len(own)))]):
                rows.append(self._mixed([self._part(clip, n_samples, rng), *shared], rng))
        return TrainingBatch(*(np.stack(column) for column in zip(*rows, strict=True)))

    def _row(self, n_samples: int, rng: np.random.Generator) -> tuple[NDArray[Any], ...]:
        (kind,) = kinds_in_turn(self.params.kinds, 1, rng)
        chosen = self._partners.draw(kind, rng)
        return self._mixed([self._part(clip, n_samples, rng) for clip in chosen], rng)

    def _part(self, clip: Clip, n_samples: int, rng: np.random.Generator) -> tuple[NDArray[Any], ...]:
        """Sound and views of a random time of a clip at which there is sound."""
        facts, clip_id = self.clips.facts, clip.clip_id
        whole = self.clips.sound(clip_id)
        loudest = float(np.abs(whole).max())
        for _ in range(MOST_DRAWS):
            start = start_of_segment(clip, len(whole), n_samples, facts.rate, rng)
            sound = np.pad(whole[start : start + n_samples], (0, max(0, n_samples - len(whole))))
            if active_fraction(sound, loudest, facts.rate) >= LEAST_ACTIVE_FRACTION:
                break
        return sound, *self._seen(clip_id, start / facts.rate, n_samples / facts.rate, rng)

    def _seen(
        self, clip_id: str, start_seconds: float, seconds: float, rng: np.random.Generator
    ) -> tuple[NDArray[Any], ...]:
        """Film of the mouth, a face, whole pictures, and which time of which clip it is."""
        clips = self.clips
        film, faces = clips.mouth(clip_id, start_seconds, clips.n_pictures(seconds)), clips.faces(clip_id)
        face = faces[int(rng.integers(len(faces)))] if len(faces) else NO_PICTURES
        frames = clips.frames(clip_id, start_seconds, clips.n_frames(seconds))
        return film, face, frames, np.array(clip_id), np.array(start_seconds)

    def _mixed(self, parts: Sequence[tuple[NDArray[Any], ...]], rng: np.random.Generator) -> tuple[NDArray[Any], ...]:
        """The parts at drawn levels; in some mixtures all but one source are silent, and look so."""
        sounds, films, faces, frames, *places = (np.stack(column) for column in zip(*parts, strict=True))
        audible = np.where(np.abs(sounds).max(axis=1, keepdims=True) > 0, sounds, 1e-6)  # gains of silence are finite
        gains = gains_of(audible, self.params.snr_db, rng)
        if rng.random() < self.params.silent_fraction:
            gains = np.where(np.arange(len(gains)) == int(rng.integers(len(gains))), gains, 0.0)
            for film in (films, frames):
                for k in np.flatnonzero(gains == 0):
                    film[k] = listening(film[k], sounds[k])
        return (sounds * gains[:, None]).astype(np.float32), films, faces, frames, *places
