"""The scores of every source of every test mixture, for each row of metrics.json."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import NonNegativeInt, PositiveInt

from pipeline.errors import DataError
from pipeline.separation.material import Material
from pipeline.separation.measures.bss import best_order, bss_eval, si_sdr
from pipeline.separation.measures.ideal import ideal_estimates
from pipeline.separation.measures.pitch import are_close, median_pitch
from pipeline.separation.measures.speech import has_pesq, pesq, stoi
from pipeline.separation.mixtures import Mixture, source_of
from pipeline.separation.parts.spectra import Stft
from pipeline.settings.device import one_thread
from pipeline.settings.environment import chosen_workers
from pipeline.settings.params import StageParams
from pipeline.settings.progress import track

MIXTURE = "mixture"  # the row of doing nothing, which has no artefacts: SAR says nothing of it
MEASURES = ("si_sdr", "si_sdr_improvement", "sdr", "sir", "sar", "stoi", "pesq")


class EvaluateSeparationParams(StageParams):
    """Section ``evaluate`` of the second pipeline's params.yaml.

    Attributes:
        fft, window, hop: of the transform in which ideal masks are made, in samples.
        taps: of the filters that BSS-eval forgives; 512 as usual.
        bootstrap_draws: of the people, for the intervals.
        seed: of these draws.
    """

    fft: PositiveInt
    window: PositiveInt
    hop: PositiveInt
    taps: PositiveInt
    bootstrap_draws: PositiveInt
    seed: NonNegativeInt


class SourceScore(NamedTuple):
    """What one estimate is worth.

    Attributes:
        row: of metrics.json.
        mixture_id: the mixture.
        source: its number there.
        people: of the mixture, this source's first.
        groups: what kind of mixture it is: its kind, and whether its voices are close in pitch.
        values: by the name of the measure, the mean over seeds; one that cannot be had is left out.
        by_seed: SI-SDR over that of the mixture, dB, a value a seed.
    """

    row: str
    mixture_id: str
    source: int
    people: tuple[str, ...]
    groups: tuple[str, ...]
    values: Mapping[str, float]
    by_seed: tuple[float, ...]


Estimates = Mapping[str, NDArray[np.float32]]
"""By row, estimates (n_seeds, n_sources, n_samples) of one mixture."""


class RowRule(NamedTuple):
    """How a row is scored.

    Attributes:
        is_brief: SI-SDR alone is measured, as of a film that is not the own one.
        in_best_order: the estimates come in an order of their own, and the best one of the whole clip counts.
    """

    is_brief: bool = False
    in_best_order: bool = False


def score_mixtures(
    material: Material,
    estimates: Mapping[str, Estimates],
    rules: Mapping[str, RowRule],
    params: EvaluateSeparationParams,
) -> list[SourceScore]:
    """Return the scores of all test mixtures: of the mixture itself, the ideal masks and the estimates given.

    As many mixtures are scored at a time as there are workers, on one thread each.

    Args:
        material: the test mixtures.
        estimates: by mixture, of every row (n_seeds, n_sources, n_samples).
        rules: of the rows that differ from what is usual.
        params: section ``evaluate``.

    Raises:
        DataError: a reference is silent, or an estimate is not finite.
    """
    score = partial(_of_mixture, material, estimates, rules, params)
    with one_thread(), ThreadPoolExecutor(chosen_workers(), initializer=torch.set_num_threads, initargs=(1,)) as pool:
        scored = pool.map(score, material.mixtures)
        return [one for found in track(scored, "evaluate", "mixture", len(material.mixtures)) for one in found]


def _of_mixture(
    material: Material,
    estimates: Mapping[str, Estimates],
    rules: Mapping[str, RowRule],
    params: EvaluateSeparationParams,
    mixture: Mixture,
) -> list[SourceScore]:
    """The scores of one mixture."""
    references, rate = material.clips.references(mixture), material.clips.facts.rate
    _check_heard(mixture, references)
    whole = references.sum(axis=0)
    made = ideal_estimates(references, Stft(params.fft, params.window, params.hop))
    ideal = {name: sounds[None] for name, sounds in made.items()}
    rows: Estimates = {MIXTURE: np.repeat(whole[None, None], len(references), axis=1), **ideal}
    people, groups, scores = _people(material, mixture), _groups(references, mixture, rate), list[SourceScore]()
    for row, sounds in {**rows, **estimates.get(mixture.mixture_id, {})}.items():
        rule = rules.get(row, RowRule())
        by_seed = [_of_seed(references, of_seed, rule, rate, params.taps) for of_seed in sounds]
        for i in range(len(references)):
            others = (people[i], *people[:i], *people[i + 1 :])
            scores.append(_of_source(row, mixture.mixture_id, i, others, groups, [of[i] for of in by_seed]))
    return scores


def _check_heard(mixture: Mixture, references: NDArray[np.float32]) -> None:
    """Refuse a mixture with a source that is silent, against which nothing can be measured."""
    for number, (part, reference) in enumerate(zip(mixture.segments, references, strict=True)):
        if not np.ptp(reference):
            where = f"mixture {mixture.mixture_id!r}: source {number}, clip {part.clip_id!r}"
            raise DataError(f"{where}, is silent; expected sound in every source")


def _of_source(
    row: str, mixture_id: str, i: int, people: tuple[str, ...], groups: tuple[str, ...], by_seed: list[dict[str, float]]
) -> SourceScore:
    """The scores of one source, the mean over seeds."""
    names = [name for name in by_seed[0] if (row, name) != (MIXTURE, "sar")]
    values = {name: float(np.mean([of[name] for of in by_seed if name in of])) for name in names}
    return SourceScore(row, mixture_id, i, people, groups, values, tuple(of["si_sdr_improvement"] for of in by_seed))


def _of_seed(
    references: NDArray[np.float32], estimates: NDArray[np.float32], rule: RowRule, rate: int, taps: int
) -> list[dict[str, float]]:
    """The scores of each source."""
    if rule.in_best_order:
        estimates = estimates[list(best_order(references, estimates))]
    whole = np.repeat(references.sum(axis=0)[None], len(references), axis=0)
    ratio = si_sdr(references, estimates)
    columns = {"si_sdr": ratio, "si_sdr_improvement": ratio - si_sdr(references, whole)}
    if not rule.is_brief:
        columns |= bss_eval(references, estimates, taps)._asdict()
    found: list[dict[str, float]] = [
        {name: float(column[i]) for name, column in columns.items()} for i in range(len(references))
    ]
    if not rule.is_brief:
        for values, reference, estimate in zip(found, references, estimates, strict=True):
            values |= _of_speech(reference, estimate, rate)
    return found


def _of_speech(reference: NDArray[np.float32], estimate: NDArray[np.float32], rate: int) -> dict[str, float]:
    """STOI, and PESQ where it can be measured."""
    measured = {"stoi": stoi(reference, estimate, rate)}
    if has_pesq(rate):
        measured["pesq"] = pesq(reference, estimate, rate)
    return {name: value for name, value in measured.items() if value is not None}


def _people(material: Material, mixture: Mixture) -> tuple[str, ...]:
    """Who is heard."""
    return tuple(source_of(material.clips.clips[part.clip_id]) for part in mixture.segments)


def _groups(references: NDArray[np.float32], mixture: Mixture, rate: int) -> tuple[str, ...]:
    """The kind of a mixture, and whether any two of its voices are close in pitch."""
    pitches = [median_pitch(reference, rate) for reference in references]
    pairs = [(a, b) for i, a in enumerate(pitches) for b in pitches[i + 1 :]]
    return (mixture.kind, "close_pitch" if any(are_close(*pair) for pair in pairs) else "apart_in_pitch")


def score_rows(scores: Sequence[SourceScore]) -> list[dict[str, Any]]:
    """Return the scores as rows of a table, a source each."""
    return [
        {"row": score.row, "mixture_id": score.mixture_id, "source": score.source, "person": score.people[0]}
        | {name: score.values.get(name) for name in MEASURES[:6]}
        for score in scores
    ]
