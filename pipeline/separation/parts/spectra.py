"""Spectrograms whose inverse has the length of the sound, and the warp of their rows to a logarithmic scale."""

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

_WARP_BASE = 21.0  # ratio of the row spacings at both ends, as in the Sound-of-Pixels family


class Stft(NamedTuple):
    """A short-time Fourier transform with a Hann window, centred: column j is about sample j * hop.

    Attributes:
        fft: length of the transform in samples; it has fft // 2 + 1 rows.
        window: length of the window in samples, at most fft.
        hop: samples from one column to the next.

    Example:
        >>> stft, sound = Stft(256, 200, 80), torch.ones(2, 1000)
        >>> stft.analysis(sound).shape
        torch.Size([2, 129, 14])
        >>> stft.synthesis(stft.analysis(sound), 1000).shape
        torch.Size([2, 1000])
    """

    fft: int
    window: int
    hop: int

    def n_columns(self, n_samples: int) -> int:
        """Return how many columns a sound has: one a hop, and one more."""
        return 1 + math.ceil(n_samples / self.hop)

    def n_samples(self, n_columns: int) -> int:
        """Return the length of the longest sound that has so many columns."""
        return (n_columns - 1) * self.hop

    def analysis(self, sound: Tensor) -> Tensor:
        """Return the complex spectrogram (..., fft // 2 + 1, n_columns) of sounds (..., n_samples)."""
        n_missing = -sound.shape[-1] % self.hop
        padded = functional.pad(sound.reshape(-1, sound.shape[-1]), (0, n_missing))
        spectrum = torch.stft(
            padded, self.fft, self.hop, self.window, self._hann(sound), pad_mode="constant", return_complex=True
        )
        return spectrum.reshape(*sound.shape[:-1], *spectrum.shape[-2:])

    def synthesis(self, spectrum: Tensor, n_samples: int) -> Tensor:
        """Return the sounds (..., n_samples) of complex spectrograms (..., fft // 2 + 1, n_columns)."""
        flat = spectrum.reshape(-1, *spectrum.shape[-2:])
        length = self.n_samples(spectrum.shape[-1])
        sound = torch.istft(flat, self.fft, self.hop, self.window, self._hann(flat.real), length=length)
        return sound[:, :n_samples].reshape(*spectrum.shape[:-2], n_samples)

    def _hann(self, like: Tensor) -> Tensor:
        """The window (window,) in the type and on the device of a tensor."""
        return torch.hann_window(self.window, dtype=like.dtype, device=like.device)


class LogWarp(NamedTuple):
    """Rows of a spectrogram at logarithmic steps, where low tones get more of them, and the way back.

    Attributes:
        rows: of the warped spectrogram.

    References:
        Zhao et al. (2018), The Sound of Pixels, ECCV.

    Example:
        >>> LogWarp(128).warp(torch.rand(2, 512, 20)).shape
        torch.Size([2, 128, 20])
    """

    rows: int

    def warp(self, spectrum: Tensor) -> Tensor:
        """Return (..., rows, n_columns) of real values (..., n_rows, n_columns) at linear steps."""
        place = torch.linspace(-1, 1, self.rows, dtype=spectrum.dtype, device=spectrum.device)
        half = (_WARP_BASE - 1) / 2
        return _at(spectrum, (_WARP_BASE ** ((place + 1) / 2) - half - 1) / half)

    def unwarp(self, warped: Tensor, n_rows: int) -> Tensor:
        """Return (..., n_rows, n_columns) at linear steps of real values (..., rows, n_columns)."""
        place = torch.linspace(-1, 1, n_rows, dtype=warped.dtype, device=warped.device)
        half = (_WARP_BASE - 1) / 2
        return _at(warped, 2 * torch.log(half * place + half + 1) / math.log(_WARP_BASE) - 1)


def _at(values: Tensor, places: Tensor) -> Tensor:
    """Rows of (..., n_rows, n_columns) at places (n,) between -1, the first row, and 1, the last one."""
    columns = torch.linspace(-1, 1, values.shape[-1], dtype=values.dtype, device=values.device)
    flat = values.reshape(-1, 1, *values.shape[-2:])
    grid = torch.stack(torch.meshgrid(columns, places, indexing="xy"), dim=-1)  # (n, n_columns, 2)
    grid = grid.expand(len(flat), *grid.shape)
    sampled = functional.grid_sample(flat, grid, padding_mode="border", align_corners=True)
    return sampled.reshape(*values.shape[:-2], len(places), values.shape[-1])
