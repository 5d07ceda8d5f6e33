"""AMnet (Zhu & Rahtu 2022): what is heard is separated by what is seen, then by what moves.

Three trainings follow each other. AME learns which films and sounds are of one time. The appearance stage learns a mask
from one picture of each source. The motion stage, which sees both of these as they are, learns what of one source's
estimate belongs to another, by how they move.
"""

from collections.abc import Callable, Sequence
from typing import ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.errors import DataError
from pipeline.separation.heard import Facts
from pipeline.separation.material import Material, TrainingStream
from pipeline.separation.parts.amnet_training import AmnetTraining
from pipeline.separation.parts.base import TrainingHistory, View
from pipeline.separation.parts.checkpoint import NO_CHECKPOINT, Checkpoint
from pipeline.separation.parts.learning import at_level, on_device_of
from pipeline.separation.parts.motion import film_of
from pipeline.separation.parts.saved import load_separator, put_weights, save_separator
from pipeline.separation.parts.spectra import LogWarp
from pipeline.separation.parts.two_stages import AmnetParams, Logits, Seen, TwoStages, seen_at
from pipeline.separation.parts.windows import overlap_add, window_starts
from pipeline.settings.device import chosen_device
from pipeline.settings.paths import AnyPath

Params = AmnetParams
MaskOf = Callable[[Logits], Tensor]
"""Masks (batch, n_sources, rows, columns) in [0, 1] of what both stages say."""


class Amnet:
    """The model; see the module."""

    uses_views: ClassVar[bool] = True
    needs: ClassVar[tuple[str, ...]] = ("frames",)
    fewest_views: ClassVar[int] = 2  # residues go from one source to another
    ways: ClassVar[tuple[str, ...]] = ("appearance", "thresholded")

    def __init__(self, params: AmnetParams, seed: int) -> None:
        self.params, self.seed = params, seed
        self.facts: Facts | None = None
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.networks = TwoStages(params)

    def fit(
        self, train: TrainingStream, validation: Material, checkpoint: Checkpoint = NO_CHECKPOINT
    ) -> TrainingHistory:
        """Return the history of three trainings after each other; ``validation`` chooses between their steps."""
        self.facts = train.clips.facts
        self.networks.to(chosen_device())
        return AmnetTraining(self.networks, train, validation, self.seed, checkpoint).run()

    def separate(self, mixture: NDArray[np.float32], views: Sequence[View]) -> NDArray[np.float32]:
        """Return the sound of each view, (n_views, n_samples), of a mixture (n_samples,)."""
        return self._separated(mixture, views, lambda logits: torch.sigmoid(logits.motion))

    def separate_by(self, way: str, mixture: NDArray[np.float32], views: Sequence[View]) -> NDArray[np.float32]:
        """Return sounds (n_views, n_samples) of the appearance stage alone, or by masks of 0 and 1, as published."""
        mask_of: dict[str, MaskOf] = {
            "appearance": lambda logits: torch.sigmoid(logits.appearance),
            "thresholded": lambda logits: (logits.motion > 0).float(),
        }
        return self._separated(mixture, views, mask_of[way])

    def heat(self, mixture: NDArray[np.float32], views: Sequence[View]) -> NDArray[np.float32]:
        """Return (n_views, n_frames, height, width), at least 0: where in each film something moves as it sounds."""
        return np.stack([self.networks.ame.heat(mixture, view.frames) for view in views])

    def distances(self, sounds: NDArray[np.float32], frames: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return (n,) how far sounds (n, n_samples) are from films (n, n_frames, size, size, 3) in time."""
        return self.networks.ame.distances(sounds, frames)

    def save(self, path: AnyPath) -> None:
        """Write the fitted separator to one safetensors file; equal ones give equal bytes."""
        save_separator(path, self.params, self.seed, self.facts, self.networks)

    @classmethod
    def load(cls, path: AnyPath) -> Self:
        """Return the separator that ``save`` wrote."""
        params, seed, facts, arrays = load_separator(path, AmnetParams)
        separator = cls(params, seed)
        separator.facts = facts
        put_weights(separator.networks, arrays)
        return separator

    def _separated(self, mixture: NDArray[np.float32], views: Sequence[View], mask_of: MaskOf) -> NDArray[np.float32]:
        """Sounds (n_views, n_samples), window by window."""
        if self.facts is None:
            raise DataError("amnet: not fitted; expected `fit` or `load` before `separate`")
        params, rate = self.params, self.facts.rate
        frames, length = [view.frames for view in views], params.n_samples
        starts = window_starts(len(mixture), length, params.hop_samples)
        with torch.no_grad():
            films = [film_of(self.networks.ame.motion, own, self.facts.frames_fps) for own in frames]
            pieces = [
                self._window(
                    mixture[start : start + length], seen_at(frames, films, start / rate, length / rate), mask_of
                )
                for start in starts
            ]
        return overlap_add(np.stack(pieces), starts, len(mixture))

    def _window(self, sound: NDArray[np.float32], seen: Seen, mask_of: MaskOf) -> NDArray[np.float32]:
        """Sounds (n_views, window's length) of a window of a mixture."""
        params = self.params
        whole = on_device_of(self.networks, np.pad(sound, (0, params.n_samples - len(sound))))[None]
        scaled, gain = at_level(whole, whole)
        spectrum = params.stft.analysis(scaled)  # (1, n_rows, columns)
        warp, seconds = LogWarp(params.rows), params.n_samples / self.facts.rate if self.facts else 0.0
        logits = self.networks.logits(warp.warp(spectrum.abs()), seen, seconds)
        masks = warp.unwarp(mask_of(logits)[0], spectrum.shape[-2])
        estimates = params.stft.synthesis(masks * spectrum, params.n_samples) / gain
        return np.asarray(estimates.cpu().numpy(), np.float32)


Separator = Amnet
