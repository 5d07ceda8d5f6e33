"""Small trainings of separators for tests."""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from pipeline.separation.parts.checkpoint import NO_CHECKPOINT, Checkpoint
from pipeline.separation.parts.training import StepsParams, fit_steps


def params(**changes: float | str) -> StepsParams:
    usual: dict[str, Any] = {
        "seeds": [0],
        "steps": 200,
        "batch_size": 2,
        "optimizer": "adamw",
        "learning_rate": 0.05,
        "kernel_rate": 0.05,
        "weight_decay": 0.0,
        "clip_norm": 1.0,
    }
    usual |= {"n_batches": 1, "precision": "float32"}
    return StepsParams.model_validate(usual | changes)


class Noisy(nn.Module):
    """A small network with a convolution, dropout and running means, as separators have."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        hidden = [nn.Unflatten(1, (1, 4)), nn.Conv1d(1, 2, 3, padding=1), nn.Flatten(), nn.BatchNorm1d(8), nn.ReLU()]
        self.layers = nn.Sequential(*hidden, nn.Dropout(0.5), nn.Linear(8, 1))

    def loss(self, rng: np.random.Generator) -> Tensor:
        data = torch.from_numpy(rng.normal(size=(6, 4)).astype(np.float32))
        return nn.functional.mse_loss(self.layers(data), data.sum(dim=1, keepdim=True))


class KilledError(Exception):
    pass


def trained(
    steps: int = 20, killed_at: int | None = None, checkpoint: Checkpoint = NO_CHECKPOINT, **changes: float | str
) -> tuple[Noisy, Any]:
    network, seen = Noisy(), []

    def loss(rng: np.random.Generator) -> Tensor:
        seen.append(1)
        if len(seen) == killed_at:
            raise KilledError
        return network.loss(rng)

    history = fit_steps(network, loss, lambda: float(len(seen) % 3), params(steps=steps, **changes), 0, checkpoint)
    return network, history


def weights_of(network: nn.Module) -> list[Any]:
    return [value.tolist() for value in network.state_dict().values()]
