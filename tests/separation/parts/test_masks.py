import numpy as np
import pytest
import torch

from pipeline.separation.parts import masks
from pipeline.separation.parts.spectra import Stft

STFT = Stft(256, 200, 80)
RNG = np.random.default_rng(0)
SOURCES = torch.from_numpy(RNG.normal(size=(2, 4000)))
SPECTRA = STFT.analysis(SOURCES)
MIXTURE = SPECTRA.sum(dim=0)


def test_the_ideal_complex_mask_gives_the_source() -> None:
    estimates = masks.ideal_complex_mask(SPECTRA, MIXTURE) * MIXTURE
    torch.testing.assert_close(STFT.synthesis(estimates, 4000), SOURCES, atol=1e-4, rtol=0)


def test_a_clipped_complex_mask_is_the_quotient_within_its_limits() -> None:
    mask = masks.ideal_complex_mask(SPECTRA, MIXTURE, 2.0).numpy()
    quotient = (SPECTRA / MIXTURE).numpy()
    np.testing.assert_allclose(mask.real, quotient.real.clip(-2, 2), atol=1e-9)
    np.testing.assert_allclose(mask.imag, quotient.imag.clip(-2, 2), atol=1e-9)


def test_ideal_masks_share_every_bin_among_the_sources() -> None:
    for mask in (
        masks.ideal_binary_mask(SPECTRA),
        masks.ideal_ratio_mask(SPECTRA),
        masks.ideal_complex_mask(SPECTRA, MIXTURE),
    ):
        torch.testing.assert_close(mask.sum(dim=0).abs(), torch.ones_like(MIXTURE.abs()), atol=1e-6, rtol=0)


def test_the_binary_mask_is_that_of_the_loudest() -> None:
    magnitudes = SPECTRA.abs().numpy()
    expected = (magnitudes == magnitudes.max(axis=0)).astype(float)
    np.testing.assert_array_equal(masks.ideal_binary_mask(SPECTRA).numpy(), expected)


def test_both_half_masks_can_be_true_and_both_can_be_false() -> None:
    cancel = torch.tensor([1 + 0j, -0.9 + 0j])  # their sum is small: both are louder than half of it
    assert masks.half_mask(cancel, cancel.sum()).tolist() == [1.0, 1.0]
    three = torch.full((3,), 1 + 0j)
    assert masks.half_mask(three, three.sum()).tolist() == [0.0, 0.0, 0.0]


def test_a_predicted_mask_is_bounded_and_complex() -> None:
    outputs = torch.tensor([[[[100.0]], [[-0.1]]]])
    (mask,) = masks.complex_mask(outputs, 5.0).flatten().tolist()
    assert mask.real == pytest.approx(5.0)
    assert mask.imag == pytest.approx(5 * np.tanh(-0.1))


def test_weights_of_bins_grow_slowly_within_bounds() -> None:
    weights = masks.bin_weights(torch.tensor([0j, 1 + 0j, 3j, 1e9 + 0j]))
    np.testing.assert_allclose(weights, [1e-3, np.log(2), np.log(4), 10.0], rtol=1e-6)
