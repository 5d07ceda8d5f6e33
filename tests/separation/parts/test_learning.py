import numpy as np
import pytest
import torch

from pipeline.separation.parts.learning import LEVEL, at_level, inputs_of, masked
from pipeline.separation.parts.spectra import Stft

STFT = Stft(256, 200, 80)


def test_mixtures_are_brought_to_one_level_and_silence_stays() -> None:
    mixtures = torch.cat(
        [torch.randn(2, 1, 4000) * torch.tensor([0.001, 30.0])[:, None, None], torch.zeros(1, 1, 4000)]
    )
    scaled, gain = at_level(mixtures, mixtures)
    np.testing.assert_allclose(scaled.square().mean(dim=-1).sqrt().flatten(), [LEVEL, LEVEL, 0], rtol=1e-5)
    torch.testing.assert_close(scaled / gain, mixtures)


def test_the_level_is_that_of_two_halved_sources() -> None:
    sources = torch.randn(2, 200_000, generator=torch.Generator().manual_seed(0))
    sources *= 0.1 / sources.square().mean(dim=1, keepdim=True).sqrt()
    assert float((sources.sum(dim=0) / 2).square().mean().sqrt()) == pytest.approx(LEVEL, rel=0.01)


def test_a_mask_of_ones_gives_the_sound_without_its_highest_row() -> None:
    sound = torch.sin(torch.arange(4000) * 0.3)[None]
    spectrum = STFT.analysis(sound)
    masks = torch.ones(2, 128, spectrum.shape[-1], dtype=torch.complex64)
    torch.testing.assert_close(masked(masks, spectrum, STFT, 4000), sound.expand(2, -1), atol=1e-3, rtol=0)
    highest = torch.zeros_like(spectrum)
    highest[:, -1] = 1
    assert masked(masks, highest, STFT, 4000).abs().max() == 0


def test_the_network_sees_real_and_imaginary_part() -> None:
    spectrum = torch.complex(torch.full((1, 129, 4), 2.0), torch.full((1, 129, 4), 3.0))
    inputs = inputs_of(spectrum)
    assert inputs.shape == (1, 2, 128, 4)
    assert inputs[0, :, 0, 0].tolist() == [2.0, 3.0]
