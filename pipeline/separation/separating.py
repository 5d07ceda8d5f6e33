"""Test mixtures taken apart by fitted separators: written as shards, read back as sounds."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import DataError
from pipeline.formats.shards import Arrays, read_shards, write_shards
from pipeline.separation.material import HeardClips, Material
from pipeline.separation.mixtures import Mixture
from pipeline.separation.parts.base import FaceVoiceSeparator, Separator, View
from pipeline.separation.sounds import LOUDEST
from pipeline.settings.paths import AnyPath
from pipeline.settings.progress import track

FILMS = ("own", "swapped", "still", "blank")
"""What is shown of a source: its own mouth and face, those of the next source, its first picture all the time, grey."""
EMBEDDINGS = "embeddings"  # folder within that of the estimates
BLANK = 108  # the mean brightness of mouths, to which separators scale films


def write_separated(name: str, separators: Sequence[Separator], material: Material, out: AnyPath) -> None:
    """Write what the fits of a separator make of every mixture: ``FILM`` int16 and ``FILM_scale`` for each film shown.

    A separator that sees nothing is shown the own films alone.

    Args:
        name: of the separator.
        separators: its fits.
        material: the mixtures.
        out: the folder, which is made.

    Raises:
        DataError: an estimate is not finite.
    """
    mixtures = {mixture.mixture_id: mixture for mixture in material.mixtures}
    shown = iter(track(mixtures, f"separate, {name}", "mixture"))

    def arrays_of(mixture_id: str) -> Arrays:
        next(shown, None)
        return _separated(separators, material, mixtures[mixture_id])

    write_shards(out, mixtures, arrays_of)
    next(shown, None)


def write_embeddings(separators: Sequence[Separator], clips: HeardClips, out: AnyPath) -> None:
    """Write ``face`` and ``voice`` (n_seeds, width) of every test clip, where a separator embeds them.

    Args:
        separators: its fits.
        clips: of all splits.
        out: the folder of the estimates; theirs is one within it.
    """
    embedding = [separator for separator in separators if isinstance(separator, FaceVoiceSeparator)]
    names = [clip.clip_id for clip in clips.of_split("test")] if embedding else []

    def arrays_of(clip_id: str) -> Arrays:
        faces = clips.faces(clip_id)
        face, sound = faces[len(faces) // 2][None], clips.sound(clip_id)[None]
        return {
            "face": np.concatenate([separator.embed_faces(face) for separator in embedding]),
            "voice": np.concatenate([separator.embed_voices(sound) for separator in embedding]),
        }

    write_shards(Path(out) / EMBEDDINGS, names, arrays_of)


def read_separated(folder: AnyPath) -> Iterator[tuple[str, dict[str, NDArray[np.float32]]]]:
    """Yield the mixture's name and by each film that was shown the estimates (n_seeds, n_sources, n_samples).

    Raises:
        DataError: a file of the folder is damaged.
    """
    for mixture_id, arrays in read_shards(folder):
        films = [film for film in FILMS if film in arrays]
        yield mixture_id, {film: _as_float(arrays[film], arrays[f"{film}_scale"]) for film in films}


def views_of(material: Material, mixture: Mixture, film: str = "own") -> list[View]:
    """Return what is shown of every source of a mixture, uint8 (n_pictures, size, size) of the mouth.

    Args:
        material: where films are.
        mixture: whose sources.
        film: one of FILMS.
    """
    clips, n_pictures = material.clips, material.clips.n_pictures(mixture.seconds)
    views = [
        View(clips.mouth(part.clip_id, part.start_seconds, n_pictures), clips.faces(part.clip_id))
        for part in mixture.segments
    ]
    if film == "swapped":
        return [*views[1:], views[0]]
    if film == "still":
        return [View(np.repeat(view.mouth[:1], n_pictures, axis=0), view.face) for view in views]
    if film == "blank":
        return [View(np.full_like(view.mouth, BLANK), np.full_like(view.face, BLANK)) for view in views]
    return views


def _separated(separators: Sequence[Separator], material: Material, mixture: Mixture) -> Arrays:
    """The arrays of one mixture."""
    whole = material.clips.references(mixture).sum(axis=0)
    arrays: dict[str, NDArray[Any]] = {}
    for film in FILMS if separators[0].uses_views else FILMS[:1]:
        views = views_of(material, mixture, film)
        estimates = np.stack([separator.separate(whole, views) for separator in separators])
        if not np.isfinite(estimates).all():
            raise DataError(f"mixture {mixture.mixture_id!r}: estimates are not finite; expected finite numbers")
        arrays[film], arrays[f"{film}_scale"] = _as_int16(estimates)
    return arrays


def _as_int16(sounds: NDArray[np.float32]) -> tuple[NDArray[np.int16], NDArray[np.float32]]:
    """Sounds (..., n_samples) of 16 bits, and the scale (...) of each, which makes the most of them."""
    peaks = np.maximum(np.abs(sounds).max(axis=-1), 1e-9)
    scale = (peaks / LOUDEST).astype(np.float32)
    return np.rint(sounds / scale[..., None]).astype(np.int16), scale


def _as_float(sounds: NDArray[np.int16], scale: NDArray[np.float32]) -> NDArray[np.float32]:
    """The sounds again."""
    return sounds.astype(np.float32) * scale[..., None]
