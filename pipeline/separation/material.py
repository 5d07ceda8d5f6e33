"""Sounds and views of clips as separators take them: cut to a time, and for training mixed anew in every step."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import DataError
from pipeline.formats.clips import Clip
from pipeline.formats.shards import StoredRows, open_shards
from pipeline.separation.mixtures import (
    LEAST_ACTIVE_FRACTION,
    MOST_DRAWS,
    Mixture,
    MixturesParams,
    Partners,
    active_fraction,
    gains_of,
    kinds_in_turn,
)
from pipeline.separation.sounds import FULL_SCALE, SoundsParams
from pipeline.separation.views import ViewsParams
from pipeline.settings.paths import AnyPath


class Facts(NamedTuple):
    """How sounds and views were cut; a separator takes no others than those it was trained on.

    Attributes:
        rate: of the sounds, Hz.
        mouth_fps: pictures of the mouth a second.
        mouth_size: pixels.
        face_size: pixels.
    """

    rate: int
    mouth_fps: float
    mouth_size: int
    face_size: int


def facts_of(sounds: SoundsParams, views: ViewsParams) -> Facts:
    """Return what two sections of params.yaml say about sounds and views."""
    return Facts(sounds.rate, views.mouth_fps, views.mouth_size, views.face_size)


class HeardClips:
    """The sounds and views of clips, which stay in their files until they are asked for.

    Args:
        clips: of a data set; those without a sound or without a view are left out.
        sounds: folder that the stage `sounds` wrote.
        views: folder that the stage `views` wrote.
        facts: how they were cut.
    """

    def __init__(self, clips: Iterable[Clip], sounds: AnyPath, views: AnyPath, facts: Facts) -> None:
        self.facts = facts
        self._sounds = {clip_id: arrays for clip_id, arrays in open_shards(Path(sounds))}
        self._views = {clip_id: arrays for clip_id, arrays in open_shards(Path(views))}
        known = self._sounds.keys() & self._views.keys()
        self.clips = {clip.clip_id: clip for clip in clips if clip.clip_id in known}

    def of_split(self, split: str) -> list[Clip]:
        """Return the clips of a split, sorted by their names."""
        return sorted((clip for clip in self.clips.values() if clip.split == split), key=lambda clip: clip.clip_id)

    def n_samples(self, clip_id: str) -> int:
        """Return the length of a clip's sound.

        Raises:
            DataError: there is no such clip.
        """
        return len(self._of(self._sounds, clip_id)["sound"])

    def n_clipped(self, clip_id: str) -> int:
        """Return how many samples of a clip are at full scale."""
        return int(self._of(self._sounds, clip_id)["n_clipped"][:][0])

    def sound(self, clip_id: str, start: int = 0, length: int | None = None) -> NDArray[np.float32]:
        """Return samples (length,) of a clip in [-1, 1]; what is beyond its end is silence.

        Args:
            clip_id: the clip.
            start: first sample.
            length: how many; None: all.
        """
        stored = self._of(self._sounds, clip_id)["sound"]
        stop = len(stored) if length is None else start + length
        found = stored[start:stop].astype(np.float32) / FULL_SCALE
        return np.pad(found, (0, stop - start - len(found)))

    def mouth(self, clip_id: str, start_seconds: float, n_pictures: int) -> NDArray[np.uint8]:
        """Return the film (n_pictures, size, size) from a time on; where it ends early its last picture stays."""
        arrays = self._of(self._views, clip_id)
        film, film_start = arrays["mouth"], float(arrays["seconds"][:][0])
        first = round((start_seconds - film_start) * self.facts.mouth_fps)
        low = min(max(first, 0), len(film) - 1)
        found = film[low : max(low + 1, first + n_pictures)]
        before = min(max(-first, 0), n_pictures - 1)
        found = found[: n_pictures - before]
        return np.pad(found, ((before, n_pictures - before - len(found)), (0, 0), (0, 0)), mode="edge")

    def faces(self, clip_id: str) -> NDArray[np.uint8]:
        """Return the pictures (n_faces, size, size, 3) of a clip's face."""
        return self._of(self._views, clip_id)["face"][:]

    def n_pictures(self, seconds: float) -> int:
        """Return how many pictures of a mouth cover a time."""
        return max(1, round(seconds * self.facts.mouth_fps))

    def references(self, mixture: Mixture) -> NDArray[np.float32]:
        """Return the sources of a mixture as they are summed, (n_sources, n_samples)."""
        rate, length = self.facts.rate, round(mixture.seconds * self.facts.rate)
        cut = [self.sound(part.clip_id, round(part.start_seconds * rate), length) for part in mixture.segments]
        gains = np.array([part.gain for part in mixture.segments], np.float32)
        return np.stack(cut) * gains[:, None]

    def _of(self, kept: Mapping[str, dict[str, StoredRows]], clip_id: str) -> dict[str, StoredRows]:
        if clip_id not in kept:
            raise DataError(f"clip {clip_id!r}: not among {len(kept)} clips with sound and views; run the stages again")
        return kept[clip_id]


class Material(NamedTuple):
    """What is measured on: a list of mixtures and the clips that they are made of."""

    clips: HeardClips
    mixtures: Sequence[Mixture]


class TrainingBatch(NamedTuple):
    """Mixtures to learn from; the mixture of a row is the sum of its sources.

    Attributes:
        sources: float32 (batch, n_sources, n_samples).
        mouths: uint8 (batch, n_sources, n_pictures, size, size); a silent source's mouth moves as its clip says.
        faces: uint8 (batch, n_sources, size, size, 3).
    """

    sources: NDArray[np.float32]
    mouths: NDArray[np.uint8]
    faces: NDArray[np.uint8]


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
        """Sound, film and face of a random time of a clip at which there is sound."""
        facts, clip_id = self.clips.facts, clip.clip_id
        whole = self.clips.sound(clip_id)
        loudest = float(np.abs(whole).max())
        for _ in range(MOST_DRAWS):
            start = int(rng.integers(max(0, len(whole) - n_samples) + 1))
            sound = np.pad(whole[start : start + n_samples], (0, max(0, n_samples - len(whole))))
            if active_fraction(sound, loudest, facts.rate) >= LEAST_ACTIVE_FRACTION:
                break
        film = self.clips.mouth(clip_id, start / facts.rate, self.clips.n_pictures(n_samples / facts.rate))
        faces = self.clips.faces(clip_id)
        return sound, film, faces[int(rng.integers(len(faces)))]

    def _mixed(self, parts: Sequence[tuple[NDArray[Any], ...]], rng: np.random.Generator) -> tuple[NDArray[Any], ...]:
        """The parts at drawn levels; in some mixtures all but one source are silent."""
        sounds, films, faces = (np.stack(column) for column in zip(*parts, strict=True))
        audible = np.where(np.abs(sounds).max(axis=1, keepdims=True) > 0, sounds, 1e-6)  # gains of silence are finite
        gains = gains_of(audible, self.params.snr_db, rng)
        if rng.random() < self.params.silent_fraction:
            gains = np.where(np.arange(len(gains)) == int(rng.integers(len(gains))), gains, 0.0)
        return (sounds * gains[:, None]).astype(np.float32), films, faces
