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


def test_a_source_beside_silence_counts_at_most_10_db_and_any_other_30() -> None:
    mixture = torch.ones(1, 2, 5, dtype=torch.complex128)
    silence, half = 0 * mixture, 0.5 * mixture
    assert float(losses.signal_errors(silence, silence, mixture)) == 0
    assert float(losses.signal_errors(mixture, silence, mixture)) == pytest.approx(math.log10(1.1 / 0.1))
    assert float(losses.signal_errors(mixture, mixture, mixture)) == pytest.approx(-math.log10(1.1 / 0.1))
    assert float(losses.signal_errors(half, half, mixture)) == pytest.approx(-math.log10(0.251 / 0.001))


def test_the_gradient_at_a_silent_bin_is_finite() -> None:
    estimate = torch.zeros(1, 2, 2, dtype=torch.complex64, requires_grad=True)
    losses.spectrum_errors(estimate, torch.ones(1, 2, 2, dtype=torch.complex64)).sum().backward()  # type: ignore[no-untyped-call]  # torch leaves it unannotated
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


def cosine(a: Tensor, b: Tensor) -> float:
    return float(a @ b) / math.sqrt(float(a @ a) * float(b @ b))


def hinge(anchor: Tensor, positive: Tensor, negative: Tensor) -> float:
    return max(0.0, cosine(anchor, negative) - cosine(anchor, positive) + 0.5)


def test_cosine_triplets_are_a_mean_of_hinges() -> None:
    anchors, positives, negatives = randn(6, 4), randn(6, 4), randn(6, 4)
    expected = [hinge(*row) for row in zip(anchors, positives, negatives, strict=True)]
    assert float(losses.cosine_triplets(anchors, positives, negatives)) == pytest.approx(sum(expected) / 6)


def test_a_voice_is_matched_with_its_face_against_each_other_one() -> None:
    voices, faces = randn(5, 3, 8), randn(5, 3, 8)
    pairs = itertools.permutations(range(3), 2)
    expected = sum(sum(hinge(voices[k, i], faces[k, i], faces[k, j]) for k in range(5)) / 5 for i, j in pairs)
    assert float(losses.match_triplets(voices, faces)) == pytest.approx(expected)


def test_one_persons_voice_agrees_in_two_mixtures_against_the_other_voice_of_either() -> None:
    couples = randn(5, 2, 2, 8)
    rows = [
        hinge(couple[0, 0], couple[1, 0], couple[0, 1]) + hinge(couple[0, 0], couple[1, 0], couple[1, 1])
        for couple in couples
    ]
    assert float(losses.consistency_triplets(couples)) == pytest.approx(sum(rows) / 5)


def test_triplets_of_shifts_are_a_mean_of_hinges() -> None:
    film, aligned, shifted = randn(6, 12), randn(6, 12), randn(6, 12)
    rows = zip(film, aligned, shifted, strict=True)
    expected = [max(0.0, math.dist(f, a) - math.dist(f, s) + 2.0) for f, a, s in rows]
    assert float(losses.shift_triplets(film, aligned, shifted)) == pytest.approx(sum(expected) / 6, rel=1e-4)
