import math

import pytest
import torch
from torch import Tensor, nn

from pipeline.errors import DivergenceError
from pipeline.separation.parts.training import StepsParams, _factor, fit_steps


def params(**changes: float) -> StepsParams:
    usual = {"seeds": [0], "steps": 200, "batch_size": 2, "learning_rate": 0.05, "weight_decay": 0.0, "clip_norm": 1.0}
    return StepsParams.model_validate(usual | changes)


def line_of(data: Tensor) -> tuple[nn.Linear, Tensor]:
    return nn.Linear(3, 1), (data @ torch.tensor([1.0, -2.0, 0.5]) + 0.3)[:, None]


def test_a_line_is_learnt_and_the_history_has_ten_looks() -> None:
    data = torch.randn(64, 3, generator=torch.Generator().manual_seed(0))
    network, target = line_of(data)

    def loss() -> Tensor:
        return nn.functional.mse_loss(network(data), target)

    history = fit_steps(network, loss, lambda: loss().item(), params(), 0)
    assert [look["step"] for look in history] == [20 * k for k in range(1, 11)]
    assert history[-1]["validation_loss"] < 1e-3 < history[0]["loss"]
    assert not network.training


def test_the_weights_of_the_best_look_are_kept() -> None:
    network = nn.Linear(1, 1)
    seen: list[float] = []

    def validation_loss() -> float:
        seen.append(network.weight.item())
        return abs(len(seen) - 3)  # the third look is the best one

    fit_steps(network, lambda: network(torch.ones(1, 1)).sum(), validation_loss, params(steps=50), 0)
    assert network.weight.item() == seen[2] != seen[-1]


def test_a_loss_that_is_no_number_stops_with_what_to_do() -> None:
    network = nn.Linear(1, 1)
    with pytest.raises(DivergenceError, match="step 1: loss is nan; expected a finite loss: lower learning_rate"):
        fit_steps(network, lambda: network(torch.full((1, 1), math.nan)).sum(), lambda: 0.0, params(), 0)


def test_the_rate_rises_and_falls() -> None:
    rates = [_factor(step, 400) for step in range(400)]
    assert rates[0] < rates[10] < rates[20] <= 1
    assert max(rates) == rates[19]
    assert rates[200] == pytest.approx(0.5)
    assert rates[-1] < 1e-3
