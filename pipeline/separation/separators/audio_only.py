"""The baseline that sees nothing: a U-Net that makes a mask for each of the mixture's sources, in any order.

It has the U-Net of ``visualvoice`` and is trained for the best order of its outputs (Yu et al. 2017).
"""

from collections.abc import Sequence
from typing import ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.separation.heard import Facts
from pipeline.separation.material import Material, TrainingStream
from pipeline.separation.parts.base import TrainingHistory, View
from pipeline.separation.parts.checkpoint import NO_CHECKPOINT, Checkpoint
from pipeline.separation.parts.learning import (
    SpectrumParams,
    at_level,
    errors_by_order,
    fixed_batches,
    inputs_of,
    masked,
    on_device_of,
)
from pipeline.separation.parts.losses import least_over_orders
from pipeline.separation.parts.masks import complex_mask
from pipeline.separation.parts.saved import load_separator, put_weights, save_separator
from pipeline.separation.parts.training import fit_steps
from pipeline.separation.parts.unet import UNet, visualvoice_steps
from pipeline.separation.parts.windows import in_one_order, overlap_add, window_starts
from pipeline.settings.device import chosen_device
from pipeline.settings.paths import AnyPath


class AudioOnlyParams(SpectrumParams):
    """Section ``audio_only`` of params.yaml."""


Params = AudioOnlyParams


class AudioOnly:
    """The baseline; see the module."""

    uses_views: ClassVar[bool] = False
    needs: ClassVar[tuple[str, ...]] = ()
    fewest_views: ClassVar[int] = 0

    def __init__(self, params: AudioOnlyParams, seed: int) -> None:
        self.params, self.seed = params, seed
        self.facts: Facts | None = None
        self.network = UNet(2, 4, [])

    def fit(
        self, train: TrainingStream, validation: Material, checkpoint: Checkpoint = NO_CHECKPOINT
    ) -> TrainingHistory:
        """Return the history of learning from ``train``, one dict a look; ``validation`` chooses between them."""
        params = self.params
        self._make(train.params.n_sources, train.clips.facts)
        fixed = fixed_batches(validation, params.n_samples)

        def loss(rng: np.random.Generator) -> Tensor:
            return self._loss(train.batch(params.batch_size, params.n_samples, rng).sources)

        def validation_loss() -> float:
            return float(np.mean([self._loss(batch.sources).item() for batch in fixed]))

        return fit_steps(self.network, loss, validation_loss, params, self.seed, checkpoint)

    def separate(self, mixture: NDArray[np.float32], views: Sequence[View]) -> NDArray[np.float32]:
        """Return sounds (n_sources, n_samples) of a mixture (n_samples,), in an order of their own.

        The views (n_pictures, ...) are not looked at.
        """
        params = self.params
        starts = window_starts(len(mixture), params.n_samples, params.hop_samples)
        with torch.no_grad():
            pieces = np.stack([self._window(mixture[start : start + params.n_samples]) for start in starts])
        return overlap_add(in_one_order(pieces, starts), starts, len(mixture))

    def save(self, path: AnyPath) -> None:
        """Write the fitted separator to one safetensors file; equal ones give equal bytes."""
        save_separator(path, self.params, self.seed, self.facts, self.network)

    @classmethod
    def load(cls, path: AnyPath) -> Self:
        """Return the separator that ``save`` wrote."""
        params, seed, facts, arrays = load_separator(path, AudioOnlyParams)
        separator = cls(params, seed)
        separator._make(len(arrays["ups." + str(params.n_steps - 1) + ".0.weight"][0]) // 2, facts)
        put_weights(separator.network, arrays)
        return separator

    def _make(self, n_sources: int, facts: Facts) -> None:
        """A network of random weights for so many sources."""
        self.facts = facts
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            network = UNet(2, 2 * n_sources, visualvoice_steps(self.params.ngf, self.params.n_rows))
        self.network = network.to(chosen_device())

    def _masks(self, spectrum: Tensor) -> Tensor:
        """Complex masks (batch, n_sources, rows, columns) of mixtures' spectra (batch, rows + 1, columns)."""
        outputs = self.network(inputs_of(spectrum))  # (batch, 2 * n_sources, rows, columns)
        pairs = outputs.unflatten(1, (-1, 2))
        return complex_mask(pairs, self.params.mask_limit)

    def _loss(self, batch: NDArray[np.float32]) -> Tensor:
        """The loss of a batch of sources (batch, n_sources, n_samples), a scalar."""
        stft, sources = self.params.stft, on_device_of(self.network, batch)
        sources, _ = at_level(sources.sum(dim=1, keepdim=True), sources)
        spectra = stft.analysis(sources)[..., :-1, :]  # (batch, n_sources, rows, columns)
        whole = stft.analysis(sources.sum(dim=1))
        mixture, masks = whole[:, None, :-1], self._masks(whole)
        return least_over_orders(errors_by_order(masks, spectra, mixture, self.params)).mean()

    def _window(self, sound: NDArray[np.float32]) -> NDArray[np.float32]:
        """Sounds (n_sources, window's length) of a window of a mixture."""
        padded = on_device_of(self.network, np.pad(sound, (0, self.params.n_samples - len(sound))))[None]
        scaled, gain = at_level(padded, padded)
        spectrum = self.params.stft.analysis(scaled)
        estimates = masked(self._masks(spectrum)[0], spectrum, self.params.stft, self.params.n_samples)
        return np.asarray((estimates / gain).cpu().numpy(), np.float32)


Separator = AudioOnly
