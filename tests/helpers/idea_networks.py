"""Small networks of the models that ideas are tried on, and a batch for them."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pipeline.model_parts.base import Pairs
from pipeline.model_parts.deep import DeepModel
from pipeline.model_parts.network import Network
from pipeline.model_parts.training import seeded
from studies.ideas.catalogue import fields_of, model_with

AUDIO_WIDTH, VISUAL_WIDTH, N_ROWS = 5, 6, 8
ONEHOT = torch.eye(3)[torch.arange(N_ROWS) % 3]
SMALL: dict[str, dict[str, Any]] = {
    "dual_subspace": {"hidden_width": 8, "explicit_width": 4, "implicit_width": 4, "fusion_components": 4},
    "dscmr": {"hidden_width": 8, "private_width": 8, "common_width": 4},
    "acmr": {"hidden_width": 8, "common_width": 4},
    "label_probabilities": {"hidden_width": 8},
}


def small_model(model: str, idea: str, changes: Mapping[str, Any]) -> DeepModel:
    """A model with an idea, of few weights and without dropout unless the changes have some; not fitted."""
    fields = fields_of(model, idea) | SMALL[model] | {"dropout": 0.0} | changes
    return model_with(model, idea, fields, 0)


def network_of(model: str, idea: str, changes: Mapping[str, Any]) -> Network:
    """The network of such a model in training mode, with the initial weights of seed 0."""
    made = small_model(model, idea, changes)
    layout: Any = made.network_class
    with seeded(0, torch.device("cpu")):
        network: Network = layout(AUDIO_WIDTH, VISUAL_WIDTH, 3, made._params)
    return network.train()


def batch() -> tuple[Tensor, Tensor]:
    """Audio and visual features of the clips whose labels are ``ONEHOT``."""
    generator = torch.Generator().manual_seed(0)
    return torch.randn(N_ROWS, AUDIO_WIDTH, generator=generator), torch.randn(N_ROWS, VISUAL_WIDTH, generator=generator)


def pairs(seed: int, n_rows: int = 24) -> Pairs:
    """Pairs of three classes to fit on."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n_rows) % 3
    centres = 2 * np.random.default_rng(9).standard_normal((3, AUDIO_WIDTH + VISUAL_WIDTH))
    rows = (centres[labels] + rng.standard_normal((n_rows, AUDIO_WIDTH + VISUAL_WIDTH))).astype(np.float32)
    return Pairs(rows[:, :AUDIO_WIDTH], rows[:, AUDIO_WIDTH:], labels)
