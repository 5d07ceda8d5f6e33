import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pipeline.errors import DivergenceError
from pipeline.separation.parts.training import _factor, _optimizers, fit_steps
from pipeline.separation.parts.unet import UNet, visualvoice_steps
from tests.helpers.project import ROOT
from tests.helpers.separator_training import params


def line_of(data: Tensor) -> tuple[nn.Linear, Tensor]:
    return nn.Linear(3, 1), (data @ torch.tensor([1.0, -2.0, 0.5]) + 0.3)[:, None]


def test_a_line_is_learnt_and_the_history_has_ten_looks() -> None:
    data = torch.randn(64, 3, generator=torch.Generator().manual_seed(0))
    network, target = line_of(data)

    def loss(_: np.random.Generator) -> Tensor:
        return nn.functional.mse_loss(network(data), target)

    history = fit_steps(network, loss, lambda: loss(np.random.default_rng()).item(), params(), 0)
    assert [look["step"] for look in history] == [20 * k for k in range(1, 11)]
    assert history[-1]["validation_loss"] < 1e-3 < history[0]["loss"]
    assert not network.training


def test_the_weights_of_the_best_look_are_kept() -> None:
    network = nn.Linear(1, 1)
    seen: list[float] = []

    def validation_loss() -> float:
        seen.append(network.weight.item())
        return abs(len(seen) - 3)  # the third look is the best one

    fit_steps(network, lambda _: network(torch.ones(1, 1)).sum(), validation_loss, params(steps=50), 0)
    assert network.weight.item() == seen[2] != seen[-1]


def test_a_loss_that_is_no_number_stops_with_what_to_do() -> None:
    network = nn.Linear(1, 1)
    with pytest.raises(DivergenceError, match="step 1: loss is nan; expected a finite loss: lower learning_rate"):
        fit_steps(network, lambda _: network(torch.full((1, 1), math.nan)).sum(), lambda: 0.0, params(), 0)


def test_the_rate_rises_and_falls() -> None:
    rates = [_factor(step, 400) for step in range(400)]
    assert rates[0] < rates[10] < rates[20] <= 1
    assert max(rates) == rates[19]
    assert rates[200] == pytest.approx(0.5)
    assert rates[-1] < 1e-3


def test_the_gradient_of_a_step_is_the_mean_of_its_batches() -> None:
    weight, data = nn.Linear(1, 1, bias=False), iter([1.0, 3.0])
    start = weight.weight.item()
    changed = params(steps=1, n_batches=2, clip_norm=1e9)
    seen: list[float] = []
    weight.weight.register_hook(lambda gradient: seen.append(gradient.item()))
    fit_steps(weight, lambda _: weight(torch.tensor([[next(data)]])).sum(), lambda: 0.0, changed, 0)
    assert seen == [0.5, 1.5]  # halves of 1 and 3: their sum is the mean
    assert weight.weight.item() == pytest.approx(start - 0.05 / 20, abs=1e-6)  # the first of the rising steps of AdamW


def test_muon_moves_the_convolutions_within_and_adamw_all_else() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = UNet(2, 2, visualvoice_steps(4, 16))
    names = {id(weights): name for name, weights in network.named_parameters()}
    adamw, muon = _optimizers(network, params(optimizer="muon"))
    moved_by_muon = {names[id(weights)] for group in muon.param_groups for weights in group["params"]}
    moved_by_adamw = {names[id(weights)] for group in adamw.param_groups for weights in group["params"]}
    last = f"ups.{len(network.ups) - 1}.0.weight"
    assert moved_by_muon == {name for name, weights in network.named_parameters() if weights.ndim == 4} - {last}
    assert moved_by_adamw == set(names.values()) - moved_by_muon
    assert [type(optimizer) for optimizer in _optimizers(network, params(optimizer="adamw"))] == [torch.optim.AdamW]


def test_bfloat16_is_that_of_the_products_and_the_weights_stay_in_float32() -> None:
    network, kinds = nn.Linear(2, 1), []

    def loss(_: np.random.Generator) -> Tensor:
        outputs = network(torch.ones(1, 2))
        kinds.append(outputs.dtype)
        return outputs.float().square().sum()

    fit_steps(network, loss, lambda: 0.0, params(steps=1, precision="bfloat16"), 0)
    assert kinds == [torch.bfloat16]
    assert network.weight.dtype == torch.float32


RANKS = """
import json
import sys

import torch

from pipeline.model_parts import distributed
from tests.helpers.separator_training import Noisy, params
from pipeline.separation.parts.training import fit_steps

with distributed.joined():
    network = Noisy()
    n_batches = 2 // distributed.n_ranks()
    fit_steps(network, network.loss, lambda: 0.0, params(steps=5, n_batches=n_batches), 0)
    with open(sys.argv[1] + str(distributed.rank()), "w") as file:
        json.dump([value.tolist() for value in network.parameters()], file)
"""


@pytest.mark.slow
def test_two_ranks_take_the_steps_of_one_that_has_twice_the_batches(tmp_path: Path) -> None:
    script = tmp_path / "ranks.py"
    script.write_text(RANKS)
    run = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node"]
    environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "AVR_DEVICE": "cpu", "OMP_NUM_THREADS": "1"}
    for n in (1, 2):
        done = subprocess.run([*run, str(n), script, tmp_path / f"of{n}-"], env=environment, capture_output=True)
        assert done.returncode == 0, done.stderr.decode()
    alone, first, second = (
        np.concatenate([np.ravel(value) for value in json.loads((tmp_path / name).read_text())])
        for name in ("of1-0", "of2-0", "of2-1")
    )
    np.testing.assert_array_equal(first, second)
    np.testing.assert_allclose(first, alone, atol=1e-5)
