"""Who is mixed with whom, when and how loud: a fixed list for validation and test.

Sources of one mixture never share their ``source_id``, and a mixture is the sum of its sources. The list of a split
depends on the clips of that split alone.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Annotated, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, field_validator

from pipeline.errors import DataError
from pipeline.formats.clips import SPLITS, Clip
from pipeline.formats.csv_rows import read_rows, write_rows
from pipeline.settings.params import StageParams
from pipeline.settings.paths import AnyPath
from pipeline.settings.regular_files import check_regular

MixtureKind = Literal["any", "same_label", "different_label"]
Fraction01 = Annotated[float, Field(ge=0, le=1)]
LEAST_ACTIVE_FRACTION = 0.3  # of a segment's time; quieter segments are not drawn
ACTIVE_DB = -40.0  # of the clip's loudest sample: what is louder is active
ACTIVE_SECONDS = 0.02  # length of the pieces whose loudness is looked at
MIXED_PEAK = 0.95
MIXED_RMS = 0.07  # of a mixture before its peak is limited
MOST_DRAWS = 100  # of the segments of a mixture, before there is an error
_COLUMNS = ("mixture_id", "split", "kind", "source", "clip_id", "start_seconds", "seconds", "gain")


class MixturesParams(StageParams):
    """Section ``mixtures`` of params.yaml.

    Attributes:
        seed: of the lists.
        n_sources: of every mixture.
        kinds: fraction of the mixtures of each kind: ``any`` clips, or those of one label, or of different ones.
        n_validation, n_test: how many mixtures.
        seconds: longest mixture.
        snr_db: lowest and highest level of the first source over another one, drawn evenly between.
        silent_fraction: of the training mixtures, in which all sources but one are silent.
    """

    seed: NonNegativeInt
    n_sources: Annotated[int, Field(ge=2, le=3)]
    kinds: dict[MixtureKind, Fraction01]
    n_validation: PositiveInt
    n_test: PositiveInt
    seconds: PositiveFloat
    snr_db: tuple[float, float]
    silent_fraction: Fraction01

    @field_validator("kinds")
    @classmethod
    def _fractions_of_all(cls, kinds: dict[MixtureKind, float]) -> dict[MixtureKind, float]:
        if abs(sum(kinds.values()) - 1) > 1e-6:
            raise ValueError(f"{sum(kinds.values()):g} in all; expected fractions that sum to 1")
        return kinds

    @field_validator("snr_db")
    @classmethod
    def _in_order(cls, snr_db: tuple[float, float]) -> tuple[float, float]:
        if snr_db[0] > snr_db[1]:
            raise ValueError(f"{list(snr_db)}; expected the lower one first")
        return snr_db


class Segment(NamedTuple):
    """A part of a clip as it goes into a mixture.

    Attributes:
        clip_id: the clip.
        start_seconds: where the part begins.
        gain: what the samples are multiplied by.
    """

    clip_id: str
    start_seconds: float
    gain: float


class Mixture(NamedTuple):
    """Some segments of equal length that sound together.

    Attributes:
        mixture_id: unique name.
        split: ``validation`` or ``test``.
        kind: by which rule the clips were chosen.
        seconds: length.
        segments: one a source.
    """

    mixture_id: str
    split: str
    kind: str
    seconds: float
    segments: tuple[Segment, ...]


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
    kinds = kinds_in_turn(params.kinds, getattr(params, f"n_{split}"), rng)
    mixtures, n_quiet = list[Mixture](), 0
    for number, kind in enumerate(kinds):
        for _ in range(MOST_DRAWS):
            chosen = partners.draw(kind, rng)
            segments, seconds = _segments([clip.clip_id for clip in chosen], sound_of, rate, params, rng)
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
        n_found = len({source_of(clip) for clip in self._clips})
        if n_found < n_sources:
            raise DataError(
                f"split {split!r}: {len(self._clips)} clips of {n_found} sources (source_id); expected at least "
                f"{n_sources} sources to mix"
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
            chosen = [self._clips[int(rng.integers(len(self._clips)))]]
            while len(chosen) < self._n_sources and (fitting := self._fitting(chosen, kind)):
                chosen.append(fitting[int(rng.integers(len(fitting)))])
            if len(chosen) == self._n_sources:
                return chosen
        counts = dict(Counter(clip.label for clip in self._clips).most_common(5))
        raise DataError(
            f"split {self._split!r}: no {self._n_sources} clips of kind {kind!r} among {len(self._clips)} (clips of a "
            f"label: {counts}); expected some of different sources"
        )

    def others_of(self, clip: Clip) -> list[Clip]:
        """Return the clips of a clip's source, itself among them."""
        return [other for other in self._clips if source_of(other) == source_of(clip)]

    def _fitting(self, chosen: Sequence[Clip], kind: str) -> list[Clip]:
        taken, label = {source_of(clip) for clip in chosen}, chosen[0].label
        free = [clip for clip in self._clips if source_of(clip) not in taken]
        if kind == "any":
            return free
        return [clip for clip in free if (clip.label == label) == (kind == "same_label")]


def source_of(clip: Clip) -> str:
    """Return what clips must not share in one mixture: the source (a person, a recording), else the clip itself."""
    return clip.source_id or f"clip {clip.clip_id}"


def kinds_in_turn(kinds: Mapping[MixtureKind, float], n: int, rng: np.random.Generator) -> list[str]:
    """Return the kind of each of n mixtures, drawn by their fractions.

    Args:
        kinds: fractions that sum to 1.
        n: how many.
        rng: where the draws come from.
    """
    fractions = np.array([kinds[name] for name in sorted(kinds)])
    return [str(name) for name in rng.choice(sorted(kinds), n, p=fractions / fractions.sum())]


def gains_of(
    sounds: NDArray[np.floating], snr_db: tuple[float, float], rng: np.random.Generator
) -> NDArray[np.float64]:
    """Return what to multiply sources by, (n_sources,), so that the first one is louder than each by a drawn ratio.

    Their sum has a level of its own and a limited peak.

    Args:
        sounds: (n_sources, n_samples); none of them silent.
        snr_db: lowest and highest ratio of the first source to another one.
        rng: where the ratios come from.
    """
    levels = np.sqrt(np.square(sounds.astype(np.float64)).mean(axis=1))
    ratios_db = np.r_[0.0, rng.uniform(*snr_db, len(sounds) - 1)]
    gains = 10 ** (-ratios_db / 20) / levels
    mixed = gains @ sounds
    gains *= MIXED_RMS / np.sqrt(np.square(mixed).mean())
    peak = np.abs(gains @ sounds).max()
    return np.asarray(gains * min(1.0, MIXED_PEAK / peak))


def active_fraction(sound: NDArray[np.floating], loudest: float, rate: int) -> float:
    """Return in which part of its time a sound is louder than 40 dB below the loudest sample of its clip.

    Args:
        sound: (n_samples,).
        loudest: that sample, above 0.
        rate: in Hz.
    """
    length = max(1, round(ACTIVE_SECONDS * rate))
    n_pieces = len(sound) // length
    if n_pieces == 0:
        return 0.0
    pieces = sound[: n_pieces * length].reshape(n_pieces, length)
    return float((np.abs(pieces).max(axis=1) > loudest * 10 ** (ACTIVE_DB / 20)).mean())


def write_mixtures(path: AnyPath, mixtures: Iterable[Mixture]) -> None:
    """Write mixtures.csv: one row a source of a mixture."""
    rows = [
        (*mixture[:3], number, segment.clip_id, segment.start_seconds, mixture.seconds, segment.gain)
        for mixture in mixtures
        for number, segment in enumerate(mixture.segments)
    ]
    write_rows(path, _COLUMNS, rows)


def read_mixtures(path: AnyPath) -> list[Mixture]:
    """Return the mixtures of a mixtures.csv.

    Raises:
        DataError: the file is damaged.
        OSError: it is missing.
    """
    check_regular(path)
    sources: dict[tuple[str, str, str, float], list[Segment]] = {}
    for row in read_rows(path, _COLUMNS):
        try:
            key = (row["mixture_id"], row["split"], row["kind"], float(row["seconds"]))
            segment = Segment(row["clip_id"], float(row["start_seconds"]), float(row["gain"]))
        except ValueError as error:
            raise DataError(f"{path}: mixture {row['mixture_id']!r}: {error}; expected numbers") from error
        sources.setdefault(key, []).append(segment)
    return [Mixture(*key, tuple(segments)) for key, segments in sources.items()]


def _segments(
    clip_ids: Sequence[str], sound_of: SoundOf, rate: int, params: MixturesParams, rng: np.random.Generator
) -> tuple[tuple[Segment, ...], float]:
    """Segments of the clips, and their length in seconds; no segment where one of them is too quiet."""
    sounds = [sound_of(clip_id) for clip_id in clip_ids]
    n_samples = min(round(params.seconds * rate), *(len(sound) for sound in sounds))
    starts = [int(rng.integers(len(sound) - n_samples + 1)) for sound in sounds]
    cut = np.stack([sound[start : start + n_samples] for sound, start in zip(sounds, starts, strict=True)])
    loudest = [float(np.abs(sound).max(initial=0)) for sound in sounds]
    active = [active_fraction(sound, peak, rate) for sound, peak in zip(cut, loudest, strict=True)]
    if min(active) < LEAST_ACTIVE_FRACTION:
        return (), n_samples / rate
    parts = zip(clip_ids, starts, gains_of(cut, params.snr_db, rng).tolist(), strict=True)
    return tuple(Segment(clip_id, start / rate, gain) for clip_id, start, gain in parts), n_samples / rate
