"""Test mixtures taken apart by fitted separators: written as shards, read back as sounds."""

import itertools
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.errors import DataError
from pipeline.formats.shards import Arrays, read_shards, write_shards
from pipeline.separation.films import BLANK, hidden_at_times, listening
from pipeline.separation.heard import HeardClips
from pipeline.separation.material import Material
from pipeline.separation.mixtures import Mixture
from pipeline.separation.parts.base import FaceVoiceSeparator, Separator, StagedSeparator, View
from pipeline.separation.sounds import LOUDEST
from pipeline.settings.device import one_thread
from pipeline.settings.environment import chosen_workers
from pipeline.settings.paths import AnyPath
from pipeline.settings.progress import track

OF_ANY_VIEW = ("swapped", "still", "blank")
FILMS = ("own", "lips", "face", "unreliable_lips", "unreliable_lips_alone", *OF_ANY_VIEW)
"""What is shown of a source.

Its ``own`` view; the ``lips`` or the ``face`` alone, the other grey; both with the lips hidden for half of the time
(``unreliable_lips``), and these lips alone; the view of the next source (``swapped``); the first picture all the time
(``still``); nothing (``blank``).
"""
SILENT_DB = "silent_db"  # the array that says what is made of a silent source
LOWEST_DB = -60.0  # of an estimate under the mixture: quieter ones count as this
EMBEDDINGS = "embeddings"  # folder within that of the estimates


def write_separated(name: str, separators: Sequence[Separator], material: Material, out: AnyPath) -> None:
    """Write what the fits of a separator make of every mixture: ``FILM`` int16 and ``FILM_scale`` for each film shown.

    A separator that sees nothing is shown the own films alone. One that separates in other ways too has an array for
    each of them, of its own films. ``silent_db`` (n_seeds,) says what is made of sources
    that are silent: the level of their estimates under that of the mixture, when the first source is heard alone and
    the others look as in a quiet moment. Each estimate is made on one thread, so that its bits do not change with the
    number of cores, and as many at a time as there are workers.

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

    with one_thread(), ThreadPoolExecutor(chosen_workers(), initializer=torch.set_num_threads, initargs=(1,)) as pool:

        def arrays_of(mixture_id: str) -> Arrays:
            next(shown, None)
            mixture = mixtures[mixture_id]
            return _separated(separators, material, mixture, pool) | _of_silence(separators, material, mixture, pool)

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

    with one_thread():
        write_shards(Path(out) / EMBEDDINGS, names, arrays_of)


def read_separated(folder: AnyPath) -> Iterator[tuple[str, dict[str, NDArray[np.float32]]]]:
    """Yield the mixture's name and by each film that was shown, and each other way, (n_seeds, n_sources, n_samples).

    Raises:
        DataError: a file of the folder is damaged.
    """
    for mixture_id, arrays in read_shards(folder):
        made = [name for name in arrays if f"{name}_scale" in arrays]
        ordered = sorted(made, key=lambda name: FILMS.index(name) if name in FILMS else len(FILMS))
        yield mixture_id, {name: _as_float(arrays[name], arrays[f"{name}_scale"]) for name in ordered}


def views_of(material: Material, mixture: Mixture, film: str = "own") -> list[View]:
    """Return what is shown of every source of a mixture: films of its length.

    Args:
        material: where films are.
        mixture: whose sources.
        film: one of FILMS.
    """
    clips, seconds = material.clips, mixture.seconds
    views = [
        View(
            clips.mouth(part.clip_id, part.start_seconds, clips.n_pictures(seconds)),
            clips.faces(part.clip_id),
            clips.frames(part.clip_id, part.start_seconds, clips.n_frames(seconds)),
        )
        for part in mixture.segments
    ]
    if film == "swapped":
        return [*views[1:], views[0]]
    if film == "still":
        return [View(_held(view.mouth), view.face, _held(view.frames)) for view in views]
    if film == "blank":
        return [View(*(np.full_like(pictures, BLANK) for pictures in view)) for view in views]
    if film.startswith("unreliable_lips"):
        rng = np.random.default_rng(list(mixture.mixture_id.encode()))
        views = [view._replace(mouth=hidden_at_times(view.mouth, rng)) for view in views]
    if film == "face":
        return [view._replace(mouth=np.full_like(view.mouth, BLANK)) for view in views]
    if film in {"lips", "unreliable_lips_alone"}:
        return [view._replace(face=np.full_like(view.face, BLANK)) for view in views]
    return views


def films_of(separator: type[Separator]) -> tuple[str, ...]:
    """Return which of FILMS a separator is shown: one that sees nothing the own ones alone."""
    if not separator.uses_views:
        return FILMS[:1]
    return FILMS if {"mouth", "face"} <= set(separator.needs) else (FILMS[0], *OF_ANY_VIEW)


def ways_of(separator: type[Separator]) -> tuple[str, ...]:
    """Return in which ways beside its own a separator is asked to separate: the names of its parts."""
    ways: tuple[str, ...] = getattr(separator, "ways", ())
    return ways


def read_silence(folder: AnyPath) -> dict[str, NDArray[np.float32]]:
    """Return by mixture the level (n_seeds,) of what was made of silent sources, in dB under the mixture's.

    Raises:
        DataError: a file of the folder is damaged.
    """
    return {mixture_id: arrays[SILENT_DB] for mixture_id, arrays in read_shards(folder)}


def _held(film: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A film whose first picture stays."""
    return np.repeat(film[:1], len(film), axis=0)


def _separated(separators: Sequence[Separator], material: Material, mixture: Mixture, pool: Executor) -> Arrays:
    """The estimates of one mixture."""
    whole = material.clips.references(mixture).sum(axis=0)
    films, ways = films_of(type(separators[0])), ways_of(type(separators[0]))
    shown = [views_of(material, mixture, film) for film in films]
    made = list(pool.map(lambda task: task[1].separate(whole, task[0]), itertools.product(shown, separators)))
    tasks = itertools.product(ways, [one for one in separators if isinstance(one, StagedSeparator)])
    made += pool.map(lambda task: task[1].separate_by(task[0], whole, shown[0]), tasks)
    arrays: dict[str, NDArray[Any]] = {}
    for k, film in enumerate((*films, *ways)):
        estimates = np.stack(made[k * len(separators) : (k + 1) * len(separators)])
        if not np.isfinite(estimates).all():
            raise DataError(f"mixture {mixture.mixture_id!r}: estimates are not finite; expected finite numbers")
        arrays[film], arrays[f"{film}_scale"] = _as_int16(estimates)
    return arrays


def _of_silence(separators: Sequence[Separator], material: Material, mixture: Mixture, pool: Executor) -> Arrays:
    """What is made of all sources but the first one when that one is heard alone."""
    heard, *silent = material.clips.references(mixture)
    first, *others = views_of(material, mixture)
    pairs = zip(others, silent, strict=True)
    views = [first, *(_quiet(view, sound) for view, sound in pairs)]
    made = pool.map(lambda separator: separator.separate(heard, views), separators)
    levels = [_levels_db(estimates, heard) for estimates in made]
    if not separators[0].uses_views:  # its loudest estimate counts as the one that is heard
        levels = [np.sort(of_seed)[::-1] for of_seed in levels]
    return {SILENT_DB: np.array([of_seed[1:].mean() for of_seed in levels], np.float32)}


def _quiet(view: View, sound: NDArray[np.float32]) -> View:
    """What is seen of a source while it is not heard."""
    return view._replace(mouth=listening(view.mouth, sound), frames=listening(view.frames, sound))


def _levels_db(estimates: NDArray[np.float32], mixture: NDArray[np.float32]) -> NDArray[np.float64]:
    """Levels (n_sources,) of estimates (n_sources, n_samples) under that of the mixture."""
    energies = np.square(estimates.astype(np.float64)).sum(axis=1)
    ratios = energies / np.square(mixture.astype(np.float64)).sum()
    return np.asarray(10 * np.log10(np.maximum(ratios, 10 ** (LOWEST_DB / 10))))


def _as_int16(sounds: NDArray[np.float32]) -> tuple[NDArray[np.int16], NDArray[np.float32]]:
    """Sounds (..., n_samples) of 16 bits, and the scale (...) of each, which makes the most of them."""
    peaks = np.maximum(np.abs(sounds).max(axis=-1), 1e-9)
    scale = (peaks / LOUDEST).astype(np.float32)
    return np.rint(sounds / scale[..., None]).astype(np.int16), scale


def _as_float(sounds: NDArray[np.int16], scale: NDArray[np.float32]) -> NDArray[np.float32]:
    """The sounds again."""
    return sounds.astype(np.float32) * scale[..., None]
