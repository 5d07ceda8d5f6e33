"""Masks of a mixture's spectrogram: what a network predicts, and the ideal ones, which know the sources."""

import torch
from torch import Tensor

_TINY = 1e-30
_LEAST_WEIGHT, _MOST_WEIGHT = 1e-3, 10.0


def complex_mask(outputs: Tensor, limit: float) -> Tensor:
    """Return the complex masks (..., n_rows, n_columns) of a network's outputs (..., 2, n_rows, n_columns).

    Args:
        outputs: of any size; real and imaginary part.
        limit: largest magnitude of either part of a mask.
    """
    bounded = limit * torch.tanh(outputs.float() if outputs.dtype == torch.bfloat16 else outputs)
    return torch.complex(bounded[..., 0, :, :], bounded[..., 1, :, :])


def ideal_complex_mask(sources: Tensor, mixture: Tensor, limit: float | None = None) -> Tensor:
    """Return the complex masks whose product with the mixture is each source: (n_sources, n_rows, n_columns).

    Args:
        sources: complex (..., n_rows, n_columns).
        mixture: complex, of a shape that broadcasts with the sources.
        limit: to clip both parts of the mask to, as a network's masks are; None: as they are.

    Example:
        >>> ideal_complex_mask(torch.tensor([[2j]]), torch.tensor([[4 + 0j]]))
        tensor([[0.+0.5000j]])
    """
    mask = sources * mixture.conj() / (mixture.abs() ** 2 + _TINY)
    if limit is None:
        return mask
    return torch.complex(mask.real.clamp(-limit, limit), mask.imag.clamp(-limit, limit))


def ideal_ratio_mask(sources: Tensor) -> Tensor:
    """Return the share of each source in the sum of all magnitudes: (n_sources, n_rows, n_columns) in [0, 1].

    Args:
        sources: complex (n_sources, n_rows, n_columns).
    """
    magnitudes = sources.abs()
    return magnitudes / (magnitudes.sum(dim=0, keepdim=True) + _TINY)


def ideal_binary_mask(sources: Tensor) -> Tensor:
    """Return 1 where a source is the loudest one and 0 elsewhere: (n_sources, n_rows, n_columns), a partition.

    Args:
        sources: complex (n_sources, n_rows, n_columns).
    """
    magnitudes = sources.abs()
    loudest = magnitudes.argmax(dim=0, keepdim=True)
    return torch.zeros_like(magnitudes).scatter_(0, loudest, 1.0)


def half_mask(source: Tensor, mixture: Tensor) -> Tensor:
    """Return 1 where a source is louder than half of the mixture: real (..., n_rows, n_columns), the published target.

    For two sources it is no partition: by their phases both may be it, or neither.

    References:
        Zhao et al. (2018), The Sound of Pixels, ECCV.
    """
    return (source.abs() > 0.5 * mixture.abs()).to(source.real.dtype)


def bin_weights(mixture: Tensor) -> Tensor:
    """Return what each bin counts in a loss, (..., n_rows, n_columns): the logarithm of its magnitude, within bounds.

    Args:
        mixture: complex (..., n_rows, n_columns).
    """
    return torch.log1p(mixture.abs()).clamp(_LEAST_WEIGHT, _MOST_WEIGHT)
