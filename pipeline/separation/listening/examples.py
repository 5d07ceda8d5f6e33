"""Test mixtures to listen to: of each separator the one that it took apart best, the middle one, and the worst."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.io import wavfile

from pipeline.errors import DataError
from pipeline.formats.csv_rows import read_rows
from pipeline.formats.shards import read_shards
from pipeline.report.sounds import spectrogram_png, thumbnail_jpeg
from pipeline.separation.locating import LOCATED
from pipeline.separation.material import Material
from pipeline.separation.measures.bss import best_order
from pipeline.separation.mixtures import Mixture, source_of
from pipeline.separation.overlay import overlaid
from pipeline.separation.parts.base import separator_module
from pipeline.separation.separating import read_separated
from pipeline.separation.sounds import as_int16
from pipeline.settings.paths import AnyPath

FOLDER = "sounds"  # of the WAV files, beside the page
PLACES = ("best", "median", "worst")
PICTURE_PIXELS = 96


class Playable(NamedTuple):
    """A sound of the page.

    Attributes:
        words: what it is.
        file: of the sound, from the page.
        spectrogram: as an address that holds a PNG.
        picture: of who is seen, as an address that holds a JPEG; empty: nobody.
        heat: the same with where it sounds, of a separator that knows; else empty.
        improvement: SI-SDR over that of the mixture in dB; None of what is no estimate.
    """

    words: str
    file: str
    spectrogram: str
    picture: str = ""
    heat: str = ""
    improvement: float | None = None


class Example(NamedTuple):
    """A test mixture taken apart by a separator.

    Attributes:
        place: ``best``, ``median`` or ``worst``.
        mixture_id: the mixture.
        improvement: the mean over its sources, dB.
        mixture: its sound.
        sources: what is true of each, and what the separator made of it.
    """

    place: str
    mixture_id: str
    improvement: float
    mixture: Playable
    sources: Sequence[tuple[Playable, Playable]]


def chosen(scores: Iterable[Mapping[str, str]], row: str) -> dict[str, tuple[str, list[float]]]:
    """Return the mixtures that a row is best, median and worst at, each with the improvement of its sources, in dB.

    Args:
        scores: rows of scores.csv.
        row: of metrics.json.

    Example:
        >>> scores = [{"row": "a", "mixture_id": m, "si_sdr_improvement": v} for m, v in zip("xyz", "312")]
        >>> chosen(scores, "a")
        {'best': ('x', [3.0]), 'median': ('z', [2.0]), 'worst': ('y', [1.0])}
    """
    values: dict[str, list[float]] = {}
    for score in scores:
        if score["row"] == row:
            values.setdefault(score["mixture_id"], []).append(float(score["si_sdr_improvement"]))
    ranked = sorted(values.items(), key=lambda item: (-fmean(item[1]), item[0]))
    if not ranked:
        return {}
    found = (ranked[0], ranked[len(ranked) // 2], ranked[-1])
    return dict(zip(PLACES, found, strict=True))


def write_examples(
    page_folder: AnyPath, names: Iterable[str], material: Material, separated: AnyPath, scores: AnyPath
) -> dict[str, list[Example]]:
    """Write the WAV files of all examples, 16 bits; return the examples by separator.

    Args:
        page_folder: the sounds go into a folder within it.
        names: of the separators.
        material: the test mixtures.
        separated: folder with a folder of estimates for each separator.
        scores: scores.csv of the same run.

    Raises:
        DataError: estimates are missing, or those of another run.
    """
    rows = read_rows(scores)
    return {name: _of_separator(Path(page_folder), name, material, Path(separated), rows) for name in names}


def _of_separator(
    folder: Path, name: str, material: Material, separated: Path, rows: Sequence[Mapping[str, str]]
) -> list[Example]:
    """The examples of one separator."""
    mixtures = {mixture.mixture_id: mixture for mixture in material.mixtures}
    places = chosen(rows, name)
    wanted = {mixture_id for mixture_id, _ in places.values()}
    estimates = {key: films["own"][0] for key, films in read_separated(separated / name) if key in wanted}
    if missing := wanted - estimates.keys() | wanted - mixtures.keys():
        raise DataError(f"{separated / name}: no mixture {min(missing)!r}; expected those of scores.csv: run it again")
    is_ordered = separator_module(name).Separator.uses_views
    of = _ExampleWriter(folder, name, material, dict(_heats(separated / name / LOCATED)), is_ordered)
    return [of.example(place, mixtures[key], estimates[key], values) for place, (key, values) in places.items()]


class _ExampleWriter(NamedTuple):
    """What the examples of a separator are made of, and where their files go."""

    folder: Path
    name: str
    material: Material
    heats: Mapping[str, NDArray[np.float32]]
    is_ordered: bool

    def example(self, place: str, mixture: Mixture, estimates: NDArray[np.float32], values: Sequence[float]) -> Example:
        """One example and its files, of estimates (n_sources, n_samples)."""
        references = self.material.clips.references(mixture)
        if not self.is_ordered:
            estimates = estimates[list(best_order(references, estimates))]
        sources = [
            (self.truth(mixture, i, references[i]), self.estimate(mixture, i, estimates[i], values[i]))
            for i in range(len(references))
        ]
        whole = self.heard("mixture", f"{mixture.mixture_id}_mixture", references.sum(axis=0))
        return Example(place, mixture.mixture_id, fmean(values), whole, sources)

    def truth(self, mixture: Mixture, i: int, sound: NDArray[np.float32]) -> Playable:
        """The i-th source (n_samples,), and who is seen."""
        clip_id = mixture.segments[i].clip_id
        words = f"{source_of(self.material.clips.clips[clip_id])}: true"
        found = self.heard(words, f"{mixture.mixture_id}_source_{i + 1}", sound)
        return found._replace(picture=self.picture(clip_id))

    def estimate(self, mixture: Mixture, i: int, sound: NDArray[np.float32], improvement: float) -> Playable:
        """What was made of the i-th source (n_samples,), and where it is seen to sound."""
        found = self.heard("estimate", f"{mixture.mixture_id}_{self.name}_{i + 1}", sound)
        clip_id = mixture.segments[i].clip_id
        heat = self.picture(clip_id, self.heats[clip_id]) if clip_id in self.heats else ""
        return found._replace(heat=heat, improvement=improvement)

    def heard(self, words: str, file: str, sound: NDArray[np.float32]) -> Playable:
        """A sound (n_samples,), after its file is written."""
        path, rate = self.folder / FOLDER / f"{file}.wav", self.material.clips.facts.rate
        path.parent.mkdir(parents=True, exist_ok=True)
        wavfile.write(path, rate, as_int16(sound))
        return Playable(words, f"{FOLDER}/{file}.wav", spectrogram_png(sound, rate))

    def picture(self, clip_id: str, heat: NDArray[np.float32] | None = None) -> str:
        """A small picture of a clip, of its face or of all that is seen, or its heat (height, width) over that."""
        clips = self.material.clips
        seen = clips.faces(clip_id) if clips.facts.face_size else clips.frames(clip_id, 0.0, 1)
        if not len(seen):
            return ""
        shown = seen[len(seen) // 2]
        return thumbnail_jpeg(shown if heat is None else overlaid(shown, heat / max(heat.max(), 1e-9)), PICTURE_PIXELS)


def _heats(folder: Path) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """Of every clip that the first fit of a separator has located, its heat (height, width)."""
    if folder.is_dir():
        for clip_id, arrays in read_shards(folder):
            yield clip_id, arrays["heat"][0]
