"""The baseline that sees nothing: a U-Net that makes a mask for each of the mixture's sources, in any order.

It has the U-Net of ``visualvoice`` and is trained for the best order of its outputs (Yu et al. 2017).
"""

from collections.abc import Sequence
from typing import ClassVar, Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.separation.material import Facts, Material, TrainingStream
from pipeline.separation.parts.base import TrainingHistory, View
from pipeline.separation.parts.learning import SpectrumParams, at_level, fixed_batches, inputs_of, masked
from pipeline.separation.parts.losses import least_over_orders, mask_errors, signal_errors, spectrum_errors
from pipeline.separation.parts.masks import bin_weights, complex_mask, ideal_complex_mask
from pipeline.separation.parts.saved import load_separator, save_separator
from pipeline.separation.parts.training import fit_steps
from pipeline.separation.parts.unet import UNet, visualvoice_steps
from pipeline.separation.parts.windows import in_one_order, overlap_add, window_starts
from pipeline.settings.paths import AnyPath


class AudioOnlyParams(SpectrumParams):
    """Section ``audio_only`` of params.yaml.

    Attributes:
        loss: ``signal``: the error's energy in dB; ``spectrum``: of the compressed estimate; ``mask``: of the mask, as
            published for VisualVoice.
    """

    loss: Literal["signal", "spectrum", "mask"]


Params = AudioOnlyParams


class AudioOnly:
    """The baseline; see the module."""

    uses_views: ClassVar[bool] = False

    def __init__(self, params: AudioOnlyParams, seed: int) -> None:
        self.params, self.seed = params, seed
        self.facts: Facts | None = None
        self.network = UNet(2, 4, [])

    def fit(self, train: TrainingStream, validation: Material) -> TrainingHistory:
        """Return the history of learning from ``train``, one dict a look; ``validation`` chooses between them."""
        params, rng = self.params, np.random.default_rng(self.seed)
        self._make(train.params.n_sources, train.clips.facts)
        fixed = fixed_batches(validation, params.n_samples)

        def loss() -> Tensor:
            batch = train.batch(params.batch_size, params.n_samples, rng)
            return self._loss(torch.from_numpy(batch.sources))

        def validation_loss() -> float:
            return float(np.mean([self._loss(torch.from_numpy(batch.sources)).item() for batch in fixed]))

        return fit_steps(self.network, loss, validation_loss, params, self.seed)

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
        separator.network.load_state_dict({name: torch.from_numpy(array) for name, array in arrays.items()})
        separator.network.eval()
        return separator

    def _make(self, n_sources: int, facts: Facts) -> None:
        """A network of random weights for so many sources."""
        self.facts = facts
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            self.network = UNet(2, 2 * n_sources, visualvoice_steps(self.params.ngf, self.params.n_rows))

    def _masks(self, spectrum: Tensor) -> Tensor:
        """Complex masks (batch, n_sources, rows, columns) of mixtures' spectra (batch, rows + 1, columns)."""
        outputs = self.network(inputs_of(spectrum))  # (batch, 2 * n_sources, rows, columns)
        pairs = outputs.unflatten(1, (-1, 2))
        return complex_mask(pairs, self.params.mask_limit)

    def _loss(self, sources: Tensor) -> Tensor:
        """The loss of a batch of sources (batch, n_sources, n_samples), a scalar."""
        stft = self.params.stft
        sources, _ = at_level(sources.sum(dim=1, keepdim=True), sources)
        spectra = stft.analysis(sources)[..., :-1, :]  # (batch, n_sources, rows, columns)
        whole = stft.analysis(sources.sum(dim=1))
        mixture, masks = whole[:, None, :-1], self._masks(whole)
        if self.params.loss == "mask":
            targets = ideal_complex_mask(spectra, mixture, self.params.mask_limit)
            errors = mask_errors(masks[:, :, None], targets[:, None], bin_weights(mixture)[:, None])
        elif self.params.loss == "spectrum":
            errors = spectrum_errors((masks * mixture)[:, :, None], spectra[:, None])
        else:
            errors = signal_errors((masks * mixture)[:, :, None], spectra[:, None], mixture[:, None])
        return least_over_orders(errors).mean()

    def _window(self, sound: NDArray[np.float32]) -> NDArray[np.float32]:
        """Sounds (n_sources, window's length) of a window of a mixture."""
        padded = torch.from_numpy(np.pad(sound, (0, self.params.n_samples - len(sound))))[None]
        scaled, gain = at_level(padded, padded)
        spectrum = self.params.stft.analysis(scaled)
        estimates = masked(self._masks(spectrum)[0], spectrum, self.params.stft, self.params.n_samples)
        return np.asarray((estimates / gain).numpy(), np.float32)


Separator = AudioOnly
