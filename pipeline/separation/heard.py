"""Sounds and views of clips, cut to a time; they stay in their files until they are asked for."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import DataError
from pipeline.formats.clips import Clip
from pipeline.formats.shards import StoredRows, open_shards
from pipeline.separation.mixtures import Mixture
from pipeline.separation.sounds import FULL_SCALE, SoundsParams
from pipeline.separation.views import ViewsParams
from pipeline.settings.paths import AnyPath

HELD_SECONDS = 0.2  # so long the last picture of a film stays that ends before its sound
APART_SECONDS = 0.5  # sounds and films that end farther apart are counted, and said
NO_FILM = np.empty((0, 0, 0), np.uint8)  # of a mouth where none is cut
NO_PICTURES = np.empty((0, 0, 0, 3), np.uint8)


class Facts(NamedTuple):
    """How sounds and views were cut; a separator takes no others than those it was trained on.

    Attributes:
        rate: of the sounds, Hz.
        mouth_fps: pictures of the mouth a second; as the next ones 0 where none are cut.
        mouth_size: pixels.
        face_size: pixels.
        frames_fps: whole pictures a second.
        frames_size: pixels.
    """

    rate: int
    mouth_fps: float = 0.0
    mouth_size: int = 0
    face_size: int = 0
    frames_fps: float = 0.0
    frames_size: int = 0

    def cut(self) -> set[str]:
        """Return which views are cut: ``mouth`` and ``face``, ``frames``, or all of them."""
        return {name for name in ("mouth", "face", "frames") if getattr(self, f"{name}_size")}


def facts_of(sounds: SoundsParams, views: ViewsParams) -> Facts:
    """Return what two sections of params.yaml say about sounds and views."""
    seen = {name: value for name, value in views if name in Facts._fields and value is not None}
    return Facts(sounds.rate, **seen)


class HeardClips:
    """The sounds and views of clips, which stay in their files until they are asked for.

    A clip goes as far as both its sound and its film; behind the end of a film its last picture stays for 0.2 s.

    Args:
        clips: of a data set; those without a sound or without a view are left out.
        sounds: folder that the stage `sounds` wrote.
        views: folder that the stage `views` wrote.
        facts: how they were cut.
        shortest_seconds: a clip that is shorter, by sound and film, is left out.

    Attributes:
        clips: by their names.
        too_short: names of those that were left out for their film, sorted.
    """

    def __init__(
        self, clips: Iterable[Clip], sounds: AnyPath, views: AnyPath, facts: Facts, shortest_seconds: float = 0.0
    ) -> None:
        self.facts = facts
        self._sounds = {clip_id: arrays for clip_id, arrays in open_shards(Path(sounds))}
        self._views = {clip_id: arrays for clip_id, arrays in open_shards(Path(views))}
        known = self._sounds.keys() & self._views.keys()
        whole = {clip.clip_id: clip for clip in clips if clip.clip_id in known}
        shortest = round(shortest_seconds * facts.rate)
        self.too_short = sorted(name for name in whole if self.n_samples(name) < shortest)
        self.clips = {name: clip for name, clip in whole.items() if name not in set(self.too_short)}

    def of_split(self, split: str) -> list[Clip]:
        """Return the clips of a split, sorted by their names."""
        return sorted((clip for clip in self.clips.values() if clip.split == split), key=lambda clip: clip.clip_id)

    def n_samples(self, clip_id: str) -> int:
        """Return the length of a clip in samples of its sound.

        Raises:
            DataError: there is no such clip.
        """
        heard, seen = self.ends(clip_id)
        return round(min(heard, seen + HELD_SECONDS) * self.facts.rate)

    def ends(self, clip_id: str) -> tuple[float, float]:
        """Return when a clip's sound and its film end, in seconds; without a film that is when its sound does."""
        heard = len(self._of(self._sounds, clip_id)["sound"]) / self.facts.rate
        return heard, min(self._film_ends(clip_id), default=heard)

    def n_clipped(self, clip_id: str) -> int:
        """Return how many samples of a clip are at full scale."""
        return int(self._of(self._sounds, clip_id)["n_clipped"][:][0])

    def sound(self, clip_id: str, start: int = 0, length: int | None = None) -> NDArray[np.float32]:
        """Return samples (length,) of a clip in [-1, 1]; what is beyond the end of its sound is silence.

        Args:
            clip_id: the clip.
            start: first sample.
            length: how many; None: all of the clip.
        """
        stored = self._of(self._sounds, clip_id)["sound"]
        stop = self.n_samples(clip_id) if length is None else start + length
        found = stored[start:stop].astype(np.float32) / FULL_SCALE
        return np.pad(found, (0, stop - start - len(found)))

    def mouth(self, clip_id: str, start_seconds: float, n_pictures: int) -> NDArray[np.uint8]:
        """Return the film (n_pictures, size, size) from a time on; where it ends early its last picture stays."""
        if not self.facts.mouth_size:
            return NO_FILM
        arrays = self._of(self._views, clip_id)
        return _from(arrays["mouth"], arrays["seconds"], start_seconds, n_pictures, self.facts.mouth_fps)

    def faces(self, clip_id: str) -> NDArray[np.uint8]:
        """Return the pictures (n_faces, size, size, 3) of a clip's face."""
        return self._of(self._views, clip_id)["face"][:] if self.facts.face_size else NO_PICTURES

    def frames(self, clip_id: str, start_seconds: float, n_frames: int) -> NDArray[np.uint8]:
        """Return whole pictures (n_frames, size, size, 3) from a time on; where they end early the last one stays."""
        if not self.facts.frames_size:
            return NO_PICTURES
        arrays = self._of(self._views, clip_id)
        return _from(arrays["frames"], arrays["frames_seconds"], start_seconds, n_frames, self.facts.frames_fps)

    def whole_film(self, clip_id: str) -> NDArray[np.uint8]:
        """Return the whole pictures (n_frames, size, size, 3) over all of a clip's sound."""
        return self.frames(clip_id, 0.0, self.n_frames(self.n_samples(clip_id) / self.facts.rate))

    def n_pictures(self, seconds: float) -> int:
        """Return how many pictures of a mouth cover a time."""
        return max(1, round(seconds * self.facts.mouth_fps))

    def n_frames(self, seconds: float) -> int:
        """Return how many whole pictures cover a time."""
        return max(1, round(seconds * self.facts.frames_fps))

    def references(self, mixture: Mixture) -> NDArray[np.float32]:
        """Return the sources of a mixture as they are summed, (n_sources, n_samples)."""
        rate, length = self.facts.rate, round(mixture.seconds * self.facts.rate)
        cut = [self.sound(part.clip_id, round(part.start_seconds * rate), length) for part in mixture.segments]
        gains = np.array([part.gain for part in mixture.segments], np.float32)
        return np.stack(cut) * gains[:, None]

    def _film_ends(self, clip_id: str) -> list[float]:
        """When each film that is cut of a clip ends, in seconds."""
        arrays, rates = self._of(self._views, clip_id), {"mouth": self.facts.mouth_fps, "frames": self.facts.frames_fps}
        starts = {"mouth": "seconds", "frames": "frames_seconds"}
        return [
            float(arrays[starts[name]][:][0]) + len(arrays[name]) / rate for name, rate in rates.items() if rate > 0
        ]

    def _of(self, kept: Mapping[str, dict[str, StoredRows]], clip_id: str) -> dict[str, StoredRows]:
        if clip_id not in kept:
            raise DataError(f"clip {clip_id!r}: not among {len(kept)} clips with sound and views; run the stages again")
        return kept[clip_id]


def heard_clips(
    clips: Iterable[Clip], sounds: AnyPath, views: AnyPath, heard: SoundsParams, seen: ViewsParams
) -> HeardClips:
    """Return the clips of two folders that stages wrote, as two sections of params.yaml say.

    Args:
        clips: of a data set.
        sounds: folder that the stage `sounds` wrote.
        views: folder that the stage `views` wrote.
        heard: section ``sounds``.
        seen: section ``views``.
    """
    return HeardClips(clips, sounds, views, facts_of(heard, seen), heard.shortest_seconds)


def _from(
    film: StoredRows, film_start: StoredRows, start_seconds: float, n_pictures: int, rate: float
) -> NDArray[np.uint8]:
    """Pictures (n_pictures, ...) of a stored film from a time on; those at its ends stay."""
    first = round((start_seconds - float(film_start[:][0])) * rate)
    low = min(max(first, 0), len(film) - 1)
    found = film[low : max(low + 1, first + n_pictures)]
    before = min(max(-first, 0), n_pictures - 1)
    found = found[: n_pictures - before]
    after = n_pictures - before - len(found)
    return np.pad(found, ((before, after), *((0, 0),) * (found.ndim - 1)), mode="edge")
