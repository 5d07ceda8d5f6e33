"""What separators share that work on windows of spectrograms: their sizes, their level, their inputs and outputs."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, PositiveFloat, PositiveInt, model_validator
from torch import Tensor, nn

from pipeline.separation.heard import NO_PICTURES
from pipeline.separation.material import Material, TrainingBatch
from pipeline.separation.mixtures import Mixture
from pipeline.separation.parts.losses import mask_errors, signal_errors, spectrum_errors
from pipeline.separation.parts.masks import bin_weights, ideal_complex_mask
from pipeline.separation.parts.spectra import Stft
from pipeline.separation.parts.training import StepsParams

LEVEL = 0.1 / 2**0.5  # RMS of every window of a mixture: that of two sources of RMS 0.1, halved
_SILENT = 1e-8  # RMS below which a window is left as it is
CHUNK = 8  # mixtures whose validation loss is computed at a time


class WindowParams(StepsParams):
    """What the params of every separator hold that works on windows of spectrograms.

    Attributes:
        fft, window, hop: of the short-time Fourier transform, in samples.
        columns: of a window's spectrogram, a multiple of 4.
        ngf: channels of the U-Net's first step; 64 as published.
        overlap: of windows when a mixture is separated, as a fraction of their length.
    """

    fft: PositiveInt
    window: PositiveInt
    hop: PositiveInt
    columns: Annotated[int, Field(ge=8, multiple_of=4)]
    ngf: PositiveInt
    overlap: Annotated[float, Field(ge=0, lt=1)]

    @model_validator(mode="after")
    def _window_fits(self) -> Self:
        if not self.hop <= self.window <= self.fft:
            raise ValueError(f"hop={self.hop}, window={self.window}, fft={self.fft}; expected hop <= window <= fft")
        return self

    @property
    def stft(self) -> Stft:
        """The transform."""
        return Stft(self.fft, self.window, self.hop)

    @property
    def n_samples(self) -> int:
        """Length of a window of sound."""
        return self.stft.n_samples(self.columns)

    @property
    def hop_samples(self) -> int:
        """From one window to the next when a mixture is separated."""
        return max(1, round(self.n_samples * (1 - self.overlap)))


class SpectrumParams(WindowParams):
    """What the params of a separator hold that makes complex masks.

    Attributes:
        mask_limit: largest magnitude of both parts of a mask; 5 as published.
        loss: ``signal``: the error's energy in dB; ``spectrum``: of the compressed estimate; ``mask``: of the mask, as
            published for VisualVoice.
    """

    mask_limit: PositiveFloat
    loss: Literal["signal", "spectrum", "mask"]

    @model_validator(mode="after")
    def _rows_are_halved(self) -> Self:
        if self.fft & (self.fft - 1) or self.fft < 16:
            raise ValueError(f"fft={self.fft}; expected a power of two from 16")
        return self

    @property
    def n_rows(self) -> int:
        """Rows that the network sees: all but the highest."""
        return self.fft // 2

    @property
    def n_steps(self) -> int:
        """Steps of the U-Net."""
        return self.n_rows.bit_length() - 1


def on_device_of(network: nn.Module, array: NDArray[Any]) -> Tensor:
    """Return an array as a tensor of its shape on the device of a network's weights."""
    return torch.from_numpy(np.ascontiguousarray(array)).to(next(network.parameters()).device)


def at_level(mixture: Tensor, sounds: Tensor) -> tuple[Tensor, Tensor]:
    """Return sounds scaled as their mixture is to the level of training, and the gain (..., 1).

    Args:
        mixture: (..., n_samples); a silent one keeps its level.
        sounds: (..., n_samples), of a shape that broadcasts with it.

    Example:
        >>> _, gain = at_level(torch.full((1, 100), 0.5), torch.ones(1, 100))
        >>> round(float(0.5 * gain), 4)
        0.0707
    """
    level = mixture.square().mean(dim=-1, keepdim=True).sqrt()
    gain = torch.where(level > _SILENT, LEVEL / level.clamp_min(_SILENT), torch.ones_like(level))
    return sounds * gain, gain


def errors_of(masks: Tensor, spectra: Tensor, mixture: Tensor, params: SpectrumParams) -> Tensor:
    """Return what ``params.loss`` says of complex masks of a mixture, (...).

    Args:
        masks: (..., rows, columns).
        spectra: of the sources, of a shape that broadcasts with the masks.
        mixture: likewise.
        params: of the separator.
    """
    if params.loss == "mask":
        targets = ideal_complex_mask(spectra, mixture, params.mask_limit)
        return mask_errors(masks, targets, bin_weights(mixture))
    if params.loss == "spectrum":
        return spectrum_errors(masks * mixture, spectra)
    return signal_errors(masks * mixture, spectra, mixture)


def errors_by_order(masks: Tensor, spectra: Tensor, mixture: Tensor, params: SpectrumParams) -> Tensor:
    """Return the errors (batch, n, n) of mask i for source j.

    Args:
        masks: (batch, n, rows, columns).
        spectra: of the sources, likewise.
        mixture: (batch, 1, rows, columns).
        params: of the separator.
    """
    return errors_of(masks[:, :, None], spectra[:, None], mixture[:, None], params)


def inputs_of(spectrum: Tensor) -> Tensor:
    """Return what the network sees of mixtures' spectra (batch, rows + 1, columns): (batch, 2, rows, columns)."""
    parts = torch.view_as_real(spectrum[:, :-1]).permute(0, 3, 1, 2)
    return parts.contiguous(memory_format=torch.channels_last)  # in which a CPU convolves faster


def masked(masks: Tensor, spectrum: Tensor, stft: Stft, n_samples: int) -> Tensor:
    """Return sounds (n, n_samples) of complex masks (n, rows, columns) on a spectrum (1, rows + 1, columns).

    The highest row, which has no mask, is left silent.
    """
    estimates = torch.nn.functional.pad(torch.view_as_real(masks * spectrum[:, :-1]), (0, 0, 0, 0, 0, 1))
    return stft.synthesis(torch.view_as_complex(estimates), n_samples)


def fixed_batches(material: Material, n_samples: int) -> list[TrainingBatch]:
    """Return the first window of every mixture as batches of at most 8, sources (batch, n_sources, n_samples) each."""
    mixtures = material.mixtures
    return [_batch(material, mixtures[k : k + CHUNK], n_samples) for k in range(0, len(mixtures), CHUNK)]


def _batch(material: Material, mixtures: Sequence[Mixture], n_samples: int) -> TrainingBatch:
    """The beginnings of some mixtures, padded with silence where they are short."""
    clips, rows = material.clips, []
    seconds = n_samples / clips.facts.rate
    n_pictures, n_frames = clips.n_pictures(seconds), clips.n_frames(seconds)
    for mixture in mixtures:
        cut = clips.references(mixture)[:, :n_samples]
        parts = [(part.clip_id, part.start_seconds) for part in mixture.segments]
        faces = [clips.faces(name)[0] if clips.facts.face_size else NO_PICTURES for name, _ in parts]
        rows.append(
            (
                np.pad(cut, ((0, 0), (0, n_samples - cut.shape[1]))),
                np.stack([clips.mouth(*part, n_pictures) for part in parts]),
                np.stack(faces),
                np.stack([clips.frames(*part, n_frames) for part in parts]),
                np.array([name for name, _ in parts]),
                np.array([start for _, start in parts]),
            )
        )
    return TrainingBatch(*(np.stack(column) for column in zip(*rows, strict=True)))
