"""BSS-eval against mir_eval, which is its reference in Python, and against closed forms."""

import warnings

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.errors import DataError
from pipeline.separation.measures.bss import best_order, bss_eval, si_sdr

RNG = np.random.default_rng(0)
Sounds = NDArray[np.float64]


def estimates_of(references: Sounds, noise: float) -> Sounds:
    """Filtered references with some of the others and some noise."""
    filtered = np.stack([np.convolve(row, [0.8, 0.3, -0.2])[: len(row)] for row in references])
    return filtered + 0.3 * references[::-1] + noise * RNG.normal(size=references.shape)


@pytest.mark.parametrize("case", range(10))
def test_sdr_sir_and_sar_are_those_of_mir_eval(case: int) -> None:
    from mir_eval.separation import bss_eval_sources

    references = np.random.default_rng(case).normal(size=(3 if case == 9 else 2, 1200 + 37 * case)).cumsum(axis=1)
    references -= references.mean(axis=1, keepdims=True)
    estimates = estimates_of(references, 0.5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sdr, sir, sar, _ = bss_eval_sources(references, estimates, compute_permutation=False)
    for mine, expected in zip(bss_eval(references, estimates), (sdr, sir, sar), strict=True):
        np.testing.assert_allclose(mine, expected, atol=1e-6)


def test_si_sdr_is_the_ratio_of_orthogonal_tones() -> None:
    time = np.arange(8000) / 8000
    tone, other = np.sin(2 * np.pi * 440 * time), np.sin(2 * np.pi * 700 * time)
    assert si_sdr(tone[None], (2 * tone + 0.2 * other)[None]) == pytest.approx([20.0], abs=1e-6)


def test_sir_of_orthogonal_tones_is_exact_and_nothing_is_artefact() -> None:
    time = np.arange(8000) / 8000
    tones = np.stack([np.sin(2 * np.pi * hz * time) for hz in (440, 700)])
    scores = bss_eval(tones, tones + 0.1 * tones[::-1], taps=1)
    np.testing.assert_allclose(scores.sir, [20, 20], atol=1e-6)
    np.testing.assert_allclose(scores.sdr, [20, 20], atol=1e-6)
    assert (scores.sar > 100).all()


def test_what_each_measure_forgives() -> None:
    references = RNG.normal(size=(2, 4000))
    estimates = references + 0.1 * RNG.normal(size=references.shape)
    filtered = np.stack([np.convolve(row, [1, 0.5, 0.25])[:4000] for row in estimates])
    delayed = np.pad(estimates, ((0, 0), (600, 0)))[:, :4000]
    np.testing.assert_allclose(si_sdr(references, 7 * estimates), si_sdr(references, estimates), atol=1e-9)
    assert (bss_eval(references, filtered).sdr > 15).all()
    assert (si_sdr(references, filtered) < 8).all()
    assert (bss_eval(references, delayed).sdr < 0).all()


def test_a_silent_estimate_has_a_large_negative_number() -> None:
    references = RNG.normal(size=(2, 1000))
    silent = np.zeros_like(references)
    assert (si_sdr(references, silent) < -100).all()
    assert (bss_eval(references, silent, taps=16).sdr < -100).all()


def test_the_best_order_is_found() -> None:
    references = RNG.normal(size=(3, 1000))
    assert best_order(references, references[[2, 0, 1]]) == (1, 2, 0)


@pytest.mark.parametrize(
    ("references", "estimates", "message"),
    [
        (
            np.ones((2, 9)),
            np.ones((9, 2)),
            r"references \(2, 9\), estimates \(9, 2\); expected \(n_sources, n_samples\)",
        ),
        (np.eye(2, 9), np.full((2, 9), np.nan), "NaN or infinite values; expected finite numbers"),
        (np.vstack([np.arange(9.0), np.zeros(9)]), np.eye(2, 9), r"references \[1\] are silent; expected sound"),
    ],
)
def test_what_cannot_be_scored_is_refused(references: Sounds, estimates: Sounds, message: str) -> None:
    for measure in (si_sdr, bss_eval):
        with pytest.raises(DataError, match=message):
            measure(references, estimates)
