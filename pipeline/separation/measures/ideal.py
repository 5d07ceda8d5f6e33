"""What masks could reach at best: estimates made with the true sources at hand."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.separation.parts.masks import ideal_binary_mask, ideal_complex_mask, ideal_ratio_mask
from pipeline.separation.parts.spectra import Stft

MASK_LIMIT = 5.0  # of the ideal complex mask, as of those that networks learn
IDEAL_MASKS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "ideal_binary_mask": lambda sources, _: ideal_binary_mask(sources),
    "ideal_ratio_mask": lambda sources, _: ideal_ratio_mask(sources),
    "ideal_complex_mask": lambda sources, mixture: ideal_complex_mask(sources, mixture, MASK_LIMIT),
}


def ideal_estimates(references: NDArray[np.float32], stft: Stft) -> dict[str, NDArray[np.float32]]:
    """Return by the name of each ideal mask the sounds (n_sources, n_samples) that it makes of a mixture.

    Args:
        references: (n_sources, n_samples), whose sum is the mixture.
        stft: in which masks are made.
    """
    sources = stft.analysis(torch.from_numpy(references).double())
    mixture = sources.sum(dim=0)
    n_samples = references.shape[1]
    return {
        name: stft.synthesis(mask_of(sources, mixture) * mixture, n_samples).float().numpy()
        for name, mask_of in IDEAL_MASKS.items()
    }
