import numpy as np
import pytest
import torch
from scipy import signal

from pipeline.separation.parts.spectra import LogWarp, Stft

STFTS = [Stft(256, 200, 80), Stft(512, 400, 160), Stft(1022, 1022, 256)]


@pytest.mark.parametrize("stft", STFTS)
@pytest.mark.parametrize("n_samples", [4000, 4001, 4079, 65535])
def test_the_way_there_and_back_gives_the_sound_in_its_length(stft: Stft, n_samples: int) -> None:
    sound = torch.randn(2, 3, n_samples, generator=torch.Generator().manual_seed(0))
    back = stft.synthesis(stft.analysis(sound), n_samples)
    assert back.shape == sound.shape
    torch.testing.assert_close(back, sound, atol=1e-5, rtol=0)


def test_the_published_windows_have_256_columns_of_257_and_512_rows() -> None:
    assert Stft(512, 400, 160).analysis(torch.zeros(40800)).shape == (257, 256)
    assert Stft(1022, 1022, 256).analysis(torch.zeros(65280)).shape == (512, 256)
    assert Stft(512, 400, 160).n_samples(256) == 40800


def test_a_spectrogram_is_that_of_scipy() -> None:
    sound = np.random.default_rng(0).normal(size=4000)
    window = np.pad(signal.get_window("hann", 200), 28)
    of_scipy = signal.ShortTimeFFT(window, 80, 8000, mfft=256, phase_shift=None).stft(sound)
    mine = Stft(256, 200, 80).analysis(torch.from_numpy(sound)).numpy()
    middle = slice(5, 45)  # of the columns that no end is in
    places = [np.abs(np.abs(mine[:, 5]) - np.abs(of_scipy[:, k])).max() for k in range(20)]
    shift = int(np.argmin(places)) - 5
    np.testing.assert_allclose(np.abs(mine[:, middle]), np.abs(of_scipy[:, 5 + shift : 45 + shift]), atol=1e-9)


def test_a_smooth_mask_survives_the_warp_and_back() -> None:
    rows = torch.linspace(0, 1, 512)[:, None]
    mask = 0.5 + 0.4 * torch.sin(6 * rows + torch.linspace(0, 3, 100)[None])
    back = LogWarp(256).unwarp(LogWarp(256).warp(mask), 512)
    assert (back - mask).abs().max() < 0.02


def test_the_warp_keeps_the_ends_and_gives_low_rows_more() -> None:
    rows = torch.arange(512.0)[:, None].expand(512, 3)
    warped = LogWarp(256).warp(rows)[:, 0]
    assert warped[0] == pytest.approx(0, abs=1e-3)
    assert warped[-1] == pytest.approx(511, abs=1e-2)
    place = np.linspace(-1, 1, 256)
    np.testing.assert_allclose(warped, 255.5 * ((21 ** ((place + 1) / 2) - 11) / 10 + 1), atol=1e-2)
