"""A VGGish whose layers have the names of the real ones, but are a few numbers wide: its files are quick to write."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.networks.vggish import published

State = dict[str, Tensor]
SHAPES = {4: (2, 3, 3, 3), 2: (4, 5)}  # by number of dimensions


def tiny_state(monkeypatch: pytest.MonkeyPatch) -> State:
    """Random weights of the tiny network, which for one test is the one that is expected."""
    layers = [(theirs, ours, SHAPES[len(shape)]) for theirs, ours, shape in published.LAYERS]
    monkeypatch.setattr(published, "LAYERS", tuple(layers))
    generator = torch.Generator().manual_seed(0)
    shapes = published.expected_shapes()
    return {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}


def variables(state: State) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """The same weights by TensorFlow's names and in its order of dimensions: in before out, and both last."""
    for theirs, ours, _ in published.LAYERS:
        yield f"vggish/{theirs}/weights", np.moveaxis(state[f"{ours}.weight"].numpy(), (1, 0), (-2, -1))
        yield f"vggish/{theirs}/biases", state[f"{ours}.bias"].numpy()


def no_random_state(seed: int) -> State:
    """Stands where random weights would be made and must not be."""
    raise AssertionError(seed)
