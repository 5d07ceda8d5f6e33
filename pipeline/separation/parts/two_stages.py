"""The networks of AMnet: AME, the appearance stage and the motion stage, from mixtures and what is seen to masks."""

from collections.abc import Sequence
from typing import Annotated, NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, model_validator
from torch import Tensor, nn

from pipeline.separation.parts.ame import Ame
from pipeline.separation.parts.appearance import Appearance
from pipeline.separation.parts.learning import WindowParams, at_level, on_device_of
from pipeline.separation.parts.losses import binary_mask_errors
from pipeline.separation.parts.masks import bin_weights, ideal_binary_mask
from pipeline.separation.parts.motion import MotionFilm
from pipeline.separation.parts.residues import Fusion, Residues, reallocated
from pipeline.separation.parts.spectra import LogWarp
from pipeline.separation.parts.trunks import Size, normalised_picture

_FLOOR = 1e-2  # added to magnitudes before their logarithm


class AmnetParams(WindowParams):
    """Section ``amnet`` of params.yaml.

    Attributes:
        rows: of the spectrogram at logarithmic steps, a power of two.
        channels: kinds of things that pictures show and maps are made of; the number of classes as published.
        trunk: of all that looks, of AME, and of the maps: ``small`` or ``published``.
        fusion: of sound and motion: ``aligned`` in time, or ``attention``, as published.
        ame_margin: by how much the aligned sound is to be nearer to a film than one of another time.
        ame_shift_seconds: how far away that time is.
        ame_steps: of AME's training; 0: its random networks are used.
        appearance_steps: of the appearance stage's training; ``steps`` are those of the motion stage.
        appearance_learning_rate: of that training.
    """

    rows: Annotated[int, Field(ge=8)]
    channels: PositiveInt
    trunk: Size
    fusion: Fusion
    ame_margin: PositiveFloat
    ame_shift_seconds: tuple[PositiveFloat, PositiveFloat]
    ame_steps: NonNegativeInt
    appearance_steps: PositiveInt
    appearance_learning_rate: PositiveFloat

    @model_validator(mode="after")
    def _sizes_fit(self) -> Self:
        if self.rows & (self.rows - 1):
            raise ValueError(f"rows={self.rows}; expected a power of two from 8")
        if self.ame_shift_seconds[0] > self.ame_shift_seconds[1]:
            raise ValueError(f"ame_shift_seconds={list(self.ame_shift_seconds)}; expected the lower one first")
        return self


class Heard(NamedTuple):
    """Windows of mixtures: magnitudes at logarithmic steps, of the mixtures and of their sources.

    Attributes:
        mixture: (batch, rows, columns).
        sources: (batch, n_sources, rows, columns).
    """

    mixture: Tensor
    sources: Tensor


class Seen(NamedTuple):
    """What is seen of the sources of windows of mixtures.

    Attributes:
        pictures: uint8 (batch, n_sources, size, size, 3), one of each.
        tokens: (batch, n_sources, n_times, motion_width), how they move.
    """

    pictures: NDArray[np.uint8]
    tokens: Tensor


class Logits(NamedTuple):
    """What both stages say of every bin, (batch, n_sources, rows, columns) each; the sigmoid of it is a mask."""

    appearance: Tensor
    motion: Tensor


class TwoStages(nn.Module):
    """AME and both stages.

    Args:
        params: section ``amnet``.
    """

    def __init__(self, params: AmnetParams) -> None:
        super().__init__()
        self.params = params
        self.ame = Ame(params.trunk)
        self.appearance = Appearance(params.trunk, params.channels, params.ngf, params.rows)
        width = self.ame.motion.trunk.width
        self.residues = Residues(params.fusion, params.ngf, params.rows, width)
        self.token_mean: Tensor
        self.token_spread: Tensor
        self.register_buffer("token_mean", torch.zeros(width))
        self.register_buffer("token_spread", torch.ones(width))

    def heard(self, sources: NDArray[np.float32]) -> Heard:
        """Return what is heard of windows of sources (batch, n_sources, n_samples), at the level of training."""
        waves = on_device_of(self, sources)
        scaled, _ = at_level(waves.sum(dim=1, keepdim=True), waves)
        warp, stft = LogWarp(self.params.rows), self.params.stft
        return Heard(warp.warp(stft.analysis(scaled.sum(dim=1)).abs()), warp.warp(stft.analysis(scaled).abs()))

    def by_appearance(self, mixture: Tensor, pictures: NDArray[np.uint8]) -> Tensor:
        """Return the logits of the first stage, (batch, n_sources, rows, columns).

        Args:
            mixture: magnitudes (batch, rows, columns).
            pictures: (batch, n_sources, size, size, 3).
        """
        flat = normalised_picture(on_device_of(self, pictures).flatten(0, 1))
        logits: Tensor = self.appearance(_logarithm(mixture), flat.reshape(*pictures.shape[:2], *flat.shape[1:]))
        return logits

    def by_motion(self, mixture: Tensor, logits: Tensor, tokens: Tensor, seconds: float) -> Tensor:
        """Return the logits of the second stage, (batch, n_sources, rows, columns).

        Args:
            mixture: magnitudes (batch, rows, columns).
            logits: of the first stage.
            tokens: (batch, n_sources, n_times, motion_width).
            seconds: length of the window.
        """
        estimates = _logarithm(torch.sigmoid(logits) * mixture[:, None])
        motion = (tokens - self.token_mean) / self.token_spread
        return reallocated(logits, self.residues(estimates, motion, seconds))

    def logits(self, magnitude: Tensor, seen: Seen, seconds: float) -> Logits:
        """Return what both stages say of magnitudes (batch, rows, columns) of windows of so many seconds."""
        first = self.by_appearance(magnitude, seen.pictures)
        return Logits(first, self.by_motion(magnitude, first, seen.tokens, seconds))


def mask_loss(heard: Heard, logits: Tensor) -> Tensor:
    """Return the loss of masks, a scalar: their weighted cross-entropy with 1 where a source is the loudest.

    Args:
        heard: windows of mixtures.
        logits: (batch, n_sources, rows, columns).
    """
    targets = ideal_binary_mask(heard.sources.transpose(0, 1)).transpose(0, 1)
    return binary_mask_errors(logits, targets, bin_weights(heard.mixture)[:, None]).mean()


def seen_at(
    frames: Sequence[NDArray[np.uint8]], films: Sequence[MotionFilm], start_seconds: float, seconds: float
) -> Seen:
    """Return what is seen of the sources of one window: the picture in its middle, and how they move.

    Args:
        frames: of each source, (n_frames, size, size, 3).
        films: of each source.
        start_seconds: where the window begins.
        seconds: its length.
    """
    middle = start_seconds + seconds / 2
    places = [min(int(middle * len(own) / film.seconds), len(own) - 1) for own, film in zip(frames, films, strict=True)]
    pictures = np.stack([own[place] for own, place in zip(frames, places, strict=True)])
    return Seen(pictures[None], torch.stack([film.cut(start_seconds, seconds) for film in films])[None])


def _logarithm(magnitudes: Tensor) -> Tensor:
    """Magnitudes on the scale that networks see."""
    return torch.log(magnitudes + _FLOOR)
