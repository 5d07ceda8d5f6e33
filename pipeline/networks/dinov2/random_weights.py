"""Seeded random weights of DINOv2's transformer that keep what tells two pictures apart."""

import math

import torch
from torch import Tensor

from pipeline.networks.dinov2.published import expected_shapes
from pipeline.settings.device import one_thread


def random_state(seed: int) -> dict[str, Tensor]:
    """Return seeded random weights.

    Matrices and filters keep the variance of what they read; scales are 1 and biases 0, so that each block adds as
    much as it was given. Places of patches are a tenth as strong as the patches.

    Args:
        seed: any number from 0 up; it fixes every weight, whatever the number of threads.

    Returns:
        Tensors by name, of the shapes of `published.expected_shapes`.
    """
    generator = torch.Generator().manual_seed(seed)
    with one_thread():
        return {name: _drawn(name, shape, generator) for name, shape in expected_shapes().items()}


def _drawn(name: str, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """One tensor."""
    if name in ("cls_token", "pos_embed"):
        return 0.1 * torch.randn(shape, generator=generator)
    if name.endswith("bias"):
        return torch.zeros(shape)
    if len(shape) == 1:
        return torch.ones(shape)
    return torch.randn(shape, generator=generator) / math.sqrt(math.prod(shape[1:]))
