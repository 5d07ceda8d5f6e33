"""What a mixture is: who sounds with whom, when and how loud; a fixed list for validation and test.

Sources of one mixture never share their ``source_id``, and a mixture is the sum of its sources. The list of a split
depends on the clips of that split alone.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Literal, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, field_validator, model_validator

from pipeline.errors import DataError
from pipeline.formats.clips import Clip
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
        source: of the test mixtures: ``drawn`` here, or ``list``, those that ``dataset.source`` brings ready-made.
        pairs: a list of pairs of clips, which the test mixtures are made of; null: pairs are drawn.
        n_sources: of every mixture.
        kinds: fraction of the mixtures of each kind: ``any`` clips, or those of one label, or of different ones.
        n_validation, n_test: how many mixtures; ``n_test`` is null where a list says it.
        seconds: longest mixture.
        snr_db: lowest and highest level of the first source over another one, drawn evenly between.
        silent_fraction: of the training mixtures, in which all sources but one are silent.
    """

    seed: NonNegativeInt
    source: Literal["drawn", "list"] = "drawn"
    pairs: Path | None = None
    n_sources: Annotated[int, Field(ge=2, le=3)]
    kinds: dict[MixtureKind, Fraction01]
    n_validation: PositiveInt
    n_test: PositiveInt | None
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

    @model_validator(mode="after")
    def _one_says_how_many(self) -> Self:
        if self.pairs and self.source == "list":
            raise ValueError(f"pairs={self.pairs} and source='list'; expected one of them")
        if (self.n_test is None) != self.is_listed:
            expected = "null, as a list says how many" if self.is_listed else "a number"
            raise ValueError(f"n_test={self.n_test}; expected {expected}")
        if self.is_listed and self.n_sources != 2:
            raise ValueError(f"n_sources={self.n_sources}; expected 2, as listed mixtures have")
        return self

    @property
    def is_listed(self) -> bool:
        """Whether somebody has published who is mixed with whom in test."""
        return self.source == "list" or self.pairs is not None

    def n_of(self, split: str) -> int:
        """Return how many mixtures of a split are drawn."""
        return (self.n_validation if split == "validation" else self.n_test) or 0


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


def start_of_segment(clip: Clip, length: int, n_samples: int, rate: int, rng: np.random.Generator) -> int:
    """Return the first sample of a segment of a clip, drawn; where the clip is an event, within the event.

    Args:
        clip: the clip.
        length: of its sound.
        n_samples: of the segment; one that is longer than the event begins where the event does, or earlier if the
            sound ends too soon.
        rate: in Hz.
        rng: where the draw comes from.
    """
    first, end = 0, length
    if clip.start_seconds is not None and clip.end_seconds is not None:
        first, end = round(clip.start_seconds * rate), min(length, round(clip.end_seconds * rate))
    last = max(first, end - n_samples)
    return max(0, min(first + int(rng.integers(last - first + 1)), length - n_samples))


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
