"""Every loss against a loop over its numbers, one at a time."""

import itertools
import math

import numpy as np
import pytest
import torch
from torch import Tensor

from pipeline.separation.parts import losses

GENERATOR = torch.Generator().manual_seed(0)


def randn(*shape: int) -> Tensor:
    return torch.randn(shape, generator=GENERATOR, dtype=torch.float64)


def spectra(*shape: int) -> Tensor:
    return torch.complex(randn(*shape), randn(*shape))


def test_errors_of_masks_are_weighted_squares() -> None:
    masks, targets, weights = spectra(2, 3, 4), spectra(2, 3, 4), randn(2, 3, 4).abs()
    for k, error in enumerate(losses.mask_errors(masks, targets, weights)):
        parts = [
            float(w) * (abs(m - t) ** 2) / 2
            for m, t, w in zip(
                masks[k].flatten().tolist(), targets[k].flatten().tolist(), weights[k].flatten(), strict=True
            )
        ]
        assert float(error) == pytest.approx(sum(parts) / len(parts))


def test_errors_of_spectra_are_those_of_compressed_magnitudes() -> None:
    estimates, references = spectra(1, 3, 4), spectra(1, 3, 4)

    def compressed(value: complex) -> complex:
        return abs(value) ** 0.3 * value / abs(value)

    pairs = zip(estimates.flatten().tolist(), references.flatten().tolist(), strict=True)
    parts = [abs(compressed(a) - compressed(b)) ** 2 for a, b in pairs]
    assert float(losses.spectrum_errors(estimates, references)[0]) == pytest.approx(sum(parts) / 12, rel=1e-5)


def test_errors_of_signals_are_minus_their_snr() -> None:
    estimates, references = spectra(2, 3, 4), spectra(2, 3, 4)
    for k, error in enumerate(losses.signal_errors(estimates, references, 0 * references)):
        pairs = list(zip(estimates[k].flatten().tolist(), references[k].flatten().tolist(), strict=True))
        snr_db = 10 * math.log10(sum(abs(b) ** 2 for _, b in pairs) / sum(abs(a - b) ** 2 for a, b in pairs))
        assert 10 * float(error) == pytest.approx(-snr_db)


def test_a_silent_source_is_an_error_of_its_own_and_30_db_below_the_mixture_is_perfect() -> None:
    mixture = torch.ones(1, 2, 5, dtype=torch.complex128)
    silence, perfect = 0 * mixture, mixture
    assert float(losses.signal_errors(silence, silence, mixture)) == 0
    assert float(losses.signal_errors(mixture, silence, mixture)) == pytest.approx(math.log10(1.001 / 0.001))
    assert float(losses.signal_errors(perfect, mixture, mixture)) == pytest.approx(-math.log10(1.001 / 0.001))


def test_the_gradient_at_a_silent_bin_is_finite() -> None:
    estimate = torch.zeros(1, 2, 2, dtype=torch.complex64, requires_grad=True)
    losses.spectrum_errors(estimate, torch.ones(1, 2, 2, dtype=torch.complex64)).sum().backward()  # type: ignore[no-untyped-call]
    assert estimate.grad is not None
    assert torch.isfinite(torch.view_as_real(estimate.grad)).all()


def test_errors_of_binary_masks_are_weighted_cross_entropies() -> None:
    logits, targets, weights = randn(1, 3, 4), (randn(1, 3, 4) > 0).double(), randn(1, 3, 4).abs()
    parts = []
    for logit, target, weight in zip(
        logits.flatten().tolist(), targets.flatten().tolist(), weights.flatten().tolist(), strict=True
    ):
        p = 1 / (1 + math.exp(-logit))
        parts.append(-weight * math.log(p if target else 1 - p))
    assert float(losses.binary_mask_errors(logits, targets, weights)[0]) == pytest.approx(sum(parts) / 12)


@pytest.mark.parametrize("n", [2, 3])
def test_the_best_order_is_looked_for_in_each_mixture(n: int) -> None:
    errors = randn(5, n, n).abs()
    expected = [
        min(sum(matrix[i][order[i]] for i in range(n)) / n for order in itertools.permutations(range(n)))
        for matrix in errors.tolist()
    ]
    np.testing.assert_allclose(losses.least_over_orders(errors), expected)


def test_cosine_triplets_are_a_mean_of_hinges() -> None:
    anchors, positives, negatives = randn(6, 4), randn(6, 4), randn(6, 4)

    def cosine(a: Tensor, b: Tensor) -> float:
        return float(a @ b) / math.sqrt(float(a @ a) * float(b @ b))

    rows = zip(anchors, positives, negatives, strict=True)
    expected = [max(0.0, cosine(a, n) - cosine(a, p) + 0.5) for a, p, n in rows]
    assert float(losses.cosine_triplets(anchors, positives, negatives)) == pytest.approx(sum(expected) / 6)


def test_triplets_of_shifts_are_a_mean_of_hinges() -> None:
    film, aligned, shifted = randn(6, 12), randn(6, 12), randn(6, 12)
    rows = zip(film, aligned, shifted, strict=True)
    expected = [max(0.0, math.dist(f, a) - math.dist(f, s) + 2.0) for f, a, s in rows]
    assert float(losses.shift_triplets(film, aligned, shifted)) == pytest.approx(sum(expected) / 6, rel=1e-4)
