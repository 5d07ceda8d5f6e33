"""Test mixtures that others have published: pairs of clips to be mixed here, or the sounds of ready-made mixtures."""

from collections import defaultdict
from collections.abc import Container, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np

from pipeline.errors import ClipError, DataError
from pipeline.formats.clip_files import mixture_path
from pipeline.formats.clips import SPLITS, Clip
from pipeline.separation.drawing import SoundOf, draw_segments
from pipeline.separation.mixtures import MOST_DRAWS, Mixture, MixturesParams, Segment
from pipeline.separation.pairs import Pair, check_ready_made
from pipeline.separation.sounds import FULL_SCALE, as_float, read_sound
from pipeline.settings.paths import AnyPath
from pipeline.settings.progress import track

TEST = "test"
READY = "ready"  # kind of a ready-made mixture
ROUNDING = 8 / FULL_SCALE  # of files of 16 bits, one mixture and its sources, each of them resampled


class ListedMixtures(NamedTuple):
    """The test mixtures of a list.

    Attributes:
        mixtures: in the order of the list.
        n_missing: how many lack a clip, which was refused.
        n_quiet: how many have a clip in which hardly a segment has sound.
    """

    mixtures: list[Mixture]
    n_missing: int
    n_quiet: int


def paired_mixtures(
    pairs: Sequence[Pair], clips: Mapping[str, Clip], sound_of: SoundOf, rate: int, params: MixturesParams
) -> ListedMixtures:
    """Return a mixture of each pair; when and how loud is drawn, as no list says it, and for each pair by itself.

    Args:
        pairs: of a list.
        clips: with sound and views, by name.
        sound_of: gives the sound (n_samples,) of a clip.
        rate: of the sounds, in Hz.
        params: section ``mixtures``.

    Raises:
        DataError: no pair is left.
    """
    mixtures, n_missing, n_quiet = list[Mixture](), 0, 0
    for number, pair in enumerate(pairs):
        if not clips.keys() >= set(pair):
            n_missing += 1
            continue
        chosen = [clips[name] for name in pair]
        rng = np.random.default_rng([params.seed, SPLITS.index(TEST), number])
        drawn = (draw_segments(chosen, sound_of, rate, params, rng) for _ in range(MOST_DRAWS))
        segments, seconds = next((found for found in drawn if found[0]), ((), 0.0))
        kind = "same_label" if chosen[0].label == chosen[1].label else "different_label"
        if segments:
            mixtures.append(Mixture(f"{TEST}-{number:04d}", TEST, kind, seconds, segments))
        n_quiet += not segments
    _check_some(mixtures, len(pairs), n_missing, n_quiet)
    return ListedMixtures(mixtures, n_missing, n_quiet)


def ready_mixtures(
    clips: Sequence[Clip], heard: Container[str], root: AnyPath, sound_of: SoundOf, rate: int
) -> ListedMixtures:
    """Return the mixtures that a data set brings, each as long as it is, and the sum of its sources as they are.

    Args:
        clips: of the test split, called ``SPLIT/sN/MIXTURE.wav``.
        heard: which of them have sound and views.
        root: the folder that their paths start from.
        sound_of: gives the sound (n_samples,) of a clip.
        rate: of the sounds, in Hz.

    Raises:
        DataError: the clips are of no mixtures, a mixture is not the sum of its sources, or none is left.
    """
    check_ready_made(clips)
    by_mixture = defaultdict[str, list[Clip]](list)
    for clip in sorted(clips, key=lambda clip: clip.clip_id):
        by_mixture[mixture_path(clip.path)].append(clip)
    whole = {path: of for path, of in by_mixture.items() if len(of) > 1 and all(clip.clip_id in heard for clip in of)}
    mixtures = [
        _ready(path, [clip.clip_id for clip in of], Path(root) / path, sound_of, rate)
        for path, of in track(whole.items(), "mixtures", "mixture", len(whole))
    ]
    n_missing = len(by_mixture) - len(whole)
    _check_some(mixtures, len(by_mixture), n_missing, 0)
    return ListedMixtures(mixtures, n_missing, 0)


def _ready(path: str, names: Sequence[str], file: Path, sound_of: SoundOf, rate: int) -> Mixture:
    """One mixture, after a look at its own sound."""
    try:
        mixed = as_float(read_sound(file, rate))
    except ClipError as error:
        raise DataError(f"{file}: {error.problem}; expected {error.expected}") from error
    sounds = [sound_of(name) for name in names]
    lengths = {len(sound) for sound in (mixed, *sounds)}
    if len(lengths) > 1:
        raise DataError(f"{file}: {sorted(lengths)} samples, of it and its sources; expected one length")
    distance = float(np.abs(mixed - np.sum(sounds, axis=0)).max())
    if distance > ROUNDING:
        raise DataError(f"{file}: {distance:.2g} of full scale off the sum of its sources; expected the sum")
    segments = tuple(Segment(name, 0.0, 1.0) for name in names)
    return Mixture(PurePosixPath(path).stem, TEST, READY, len(mixed) / rate, segments)


def _check_some(mixtures: Sequence[Mixture], n_listed: int, n_missing: int, n_quiet: int) -> None:
    """Refuse a list of which nothing is left."""
    if not mixtures:
        raise DataError(
            f"split {TEST!r}: none of {n_listed} listed mixtures is left ({n_missing} lack a clip, {n_quiet} are too "
            "quiet); expected the clips of the list"
        )
