"""The training loop: what it learns, which epoch it keeps, and that a seed fixes it all."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from threadpoolctl import threadpool_info
from torch import Tensor, nn

from pipeline.errors import DataError, ParamsError
from pipeline.model_parts.base import Pairs, model_module, model_names
from pipeline.model_parts.training import AdamW, TrainingParams, _in_words, fit, minibatches, seeded, train_step
from pipeline.settings.params import load_params, model_sections

PARAMS = TrainingParams(epochs=200, batch_size=16, learning_rate=0.02, weight_decay=0.0, clip_norm=10.0, patience=300)
CPU = torch.device("cpu")


def line(n_rows: int = 40) -> tuple[Tensor, Tensor]:
    """Inputs x (n, 2) and their noiseless targets 3 x_0 - 2 x_1 + 1, (n, 1)."""
    x = torch.randn(n_rows, 2, generator=torch.Generator().manual_seed(0))
    return x, x @ torch.tensor([[3.0], [-2.0]]) + 1


def regression(seed: int = 0, dropout: float = 0.0) -> tuple[nn.Sequential, Callable[[Tensor, Tensor], Tensor]]:
    """A linear network with initial weights of ``seed``, and its squared error."""
    with seeded(seed, CPU):
        network = nn.Sequential(nn.Dropout(dropout), nn.Linear(2, 1))
    return network, lambda x, y: (network(x) - y).square().mean()


def test_a_line_is_learnt_to_its_coefficients() -> None:
    network, loss = regression()
    x, y = line()
    fit(network, loss, (x, y), lambda: -loss(x, y).item(), PARAMS, seed=0)
    torch.testing.assert_close(network.get_parameter("1.weight"), torch.tensor([[3.0, -2.0]]), atol=1e-2, rtol=0)


def test_the_best_epoch_is_restored_and_training_stops_after_patience() -> None:
    network, loss = regression()
    weights: list[Tensor] = []
    scores = iter([0.1, 0.5, 0.5, 0.2, 0.3, 0.9])

    def score() -> float:
        weights.append(network.get_parameter("1.weight").clone())
        return next(scores)

    history = fit(network, loss, line(), score, PARAMS.model_copy(update={"patience": 3}), seed=0)
    assert [epoch["validation_map"] for epoch in history] == [0.1, 0.5, 0.5, 0.2, 0.3]
    torch.testing.assert_close(network.get_parameter("1.weight"), weights[1], rtol=0, atol=0)


def test_without_patience_all_epochs_are_trained_and_the_last_is_kept() -> None:
    network, loss = regression()
    weights: list[Tensor] = []

    def falling_score() -> float:
        weights.append(network.get_parameter("1.weight").clone())
        return -len(weights)

    params = PARAMS.model_copy(update={"patience": None, "epochs": 5})
    assert len(fit(network, loss, line(), falling_score, params, seed=0)) == 5
    torch.testing.assert_close(network.get_parameter("1.weight"), weights[-1], rtol=0, atol=0)


def test_the_score_is_taken_in_eval_mode_and_the_network_is_left_in_it() -> None:
    network, loss = regression(dropout=0.5)
    in_training: list[bool] = []

    def score() -> float:
        in_training.append(network.training)
        return 0.0

    fit(network, loss, line(), score, PARAMS.model_copy(update={"epochs": 2}), seed=0)
    assert [*in_training, network.training] == [False, False, False]


def test_history_has_the_mean_loss_of_the_rows() -> None:
    network, _ = regression()
    rows = torch.arange(10.0)[:, None].expand(10, 2)
    params = PARAMS.model_copy(update={"epochs": 1, "batch_size": 4})
    history = fit(network, lambda x: x.mean() + 0 * network(x).sum(), (rows,), lambda: 0.0, params, seed=0)
    assert history == [{"epoch": 0, "loss": pytest.approx(4.5), "validation_map": 0.0}]


def test_a_training_shows_epoch_loss_validation_map_and_device(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AVR_PROGRESS", "bar")
    monkeypatch.delenv("DVC_STAGE", raising=False)
    network, loss = regression()
    history = fit(network, loss, line(), lambda: 0.25, PARAMS.model_copy(update={"epochs": 3}), seed=7)
    title, *_, last = capsys.readouterr().err.splitlines()
    assert title == "train, seed 7 on cpu"
    assert "| 3/3 [" in last
    assert last.endswith(f"loss {history[-1]['loss']:.3f}, validation MAP 0.250]")
    assert len(last) <= 80


@pytest.mark.parametrize("other_seed", [0, 1])
def test_the_seed_fixes_order_and_dropout(other_seed: int) -> None:
    learnt = []
    for seed in (0, other_seed):
        network, loss = regression(dropout=0.3)
        fit(network, loss, line(), lambda: 0.0, PARAMS.model_copy(update={"epochs": 3, "patience": 3}), seed)
        learnt.append(network.get_parameter("1.weight").detach().clone())
        torch.rand(1)
    assert torch.equal(learnt[0], learnt[1]) == (other_seed == 0)


@pytest.mark.parametrize("factor", [0.01, 100.0])
def test_the_steps_are_those_of_torchs_class_after_its_clipping(factor: float) -> None:
    learnt, params = [], PARAMS.model_copy(update={"weight_decay": 0.1})
    for is_ours in (True, False):
        network, loss = regression()
        weights = [*network.parameters(), nn.Parameter(torch.ones(1))]  # the last one never has a gradient
        theirs = torch.optim.AdamW(weights, params.learning_rate, weight_decay=0.1, fused=True)
        optimizer = AdamW(weights, params) if is_ours else theirs
        for _ in range(5):
            optimizer.zero_grad()
            (factor * loss(*line())).backward()  # type: ignore[no-untyped-call]  # torch leaves it unannotated
            if not is_ours:
                nn.utils.clip_grad_norm_(weights, params.clip_norm)
            optimizer.step()
        learnt.append(torch.cat([weight.detach().flatten() for weight in weights]))
    assert torch.equal(*learnt)


@pytest.mark.slow
def test_training_does_not_import_torchs_compiler() -> None:
    code = (
        "import sys; from tests.model_parts import test_training as t; t.test_a_line_is_learnt_to_its_coefficients(); "
        "print('torch._dynamo' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(__file__).parents[2])
    assert done.stdout.strip() == "False", done.stderr


def test_training_leaves_the_callers_random_numbers_alone() -> None:
    network, loss = regression(dropout=0.3)
    before = torch.random.get_rng_state()
    fit(network, loss, line(), lambda: 0.0, PARAMS.model_copy(update={"epochs": 1}), seed=0)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_the_gradient_is_clipped_over_all_weights() -> None:
    network, loss = regression()
    x, y = line()
    fit(network, lambda a, b: 1e6 * loss(a, b), (x, y), lambda: 0.0, PARAMS.model_copy(update={"epochs": 1}), seed=0)
    gradients = torch.cat([weight.grad.flatten() for weight in network.parameters() if weight.grad is not None])
    assert torch.linalg.vector_norm(gradients).item() == pytest.approx(10.0, rel=1e-4)


@pytest.mark.parametrize(("n_rows", "batch_size"), [(2, 4), (5, 4), (9, 4), (100, 7)])
def test_minibatches_hold_every_row_once_and_none_is_a_stub(n_rows: int, batch_size: int) -> None:
    batches = minibatches(n_rows, batch_size, torch.Generator().manual_seed(0), CPU)
    assert sorted(torch.cat(batches).tolist()) == list(range(n_rows))
    assert all(2 <= len(batch) <= batch_size for batch in batches)


def test_minibatches_come_in_another_order_each_epoch() -> None:
    generator = torch.Generator().manual_seed(0)
    assert not torch.equal(minibatches(50, 50, generator, CPU)[0], minibatches(50, 50, generator, CPU)[0])


def test_a_loss_that_is_not_finite_stops_training_and_names_the_epoch() -> None:
    network, loss = regression()
    x, y = line()
    with pytest.raises(DataError, match=r"epoch 0: loss is nan; expected a finite loss"):
        fit(network, lambda a, b: loss(a, b) * float("nan"), (x, y), lambda: 0.0, PARAMS, seed=0)


def test_what_diverging_weights_break_names_the_epoch_and_says_what_to_do() -> None:
    network, loss = regression()

    def of_factor(x: Tensor, y: Tensor) -> Tensor:
        return loss(x, y) + torch.linalg.cholesky(torch.full((1, 1), torch.nan)).sum()

    def refused() -> float:
        raise DataError("query: row 0 has NaN")

    for broken, score in ((of_factor, lambda: 0.0), (loss, refused)):
        with pytest.raises(DataError, match=r"epoch 0: .*where the training diverges, lower learning_rate"):
            fit(network, broken, line(), score, PARAMS, seed=0)


def test_one_train_row_is_refused() -> None:
    network, loss = regression()
    with pytest.raises(DataError, match=r"train: 1 rows; expected at least 2"):
        fit(network, loss, line(1), lambda: 0.0, PARAMS, seed=0)


def test_a_batch_size_that_would_leave_stubs_is_refused(tmp_path: Path) -> None:
    section = "training: {epochs: 1, batch_size: 3, learning_rate: 1, weight_decay: 0, clip_norm: 1, patience: 1}"
    (tmp_path / "params.yaml").write_text(section)
    with pytest.raises(ParamsError, match=r"training\.batch_size: .*greater than or equal to 4"):
        load_params("training", TrainingParams, tmp_path / "params.yaml")


def test_training_takes_one_thread_and_gives_the_others_back() -> None:
    before = torch.get_num_threads()
    during = []
    network, loss = regression()

    def score() -> float:
        during.append((torch.get_num_threads(), {pool["num_threads"] for pool in threadpool_info()}))
        return 0.0

    fit(network, loss, line(), score, PARAMS.model_copy(update={"epochs": 1}), seed=0)
    assert during == [(1, {1})]
    assert torch.get_num_threads() == before


def test_a_large_validation_split_is_sampled_where_it_chooses_no_epoch() -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(1200) % 4
    features = (rng.standard_normal((4, 8))[labels] + rng.standard_normal((1200, 8))).astype(np.float32)
    clips = Pairs(features[:, :3], features[:, 3:], labels)
    module, maps = model_module("dscmr"), []
    for patience in (None, 1):
        params = load_params("baselines.dscmr", module.Params).model_copy(update={"epochs": 1, "patience": patience})
        (epoch,) = module.Model(params, 0).fit(Pairs(*(column[:40] for column in clips)), clips)
        maps.append(epoch["validation_map"])
    assert 0 < abs(maps[0] - maps[1]) < 0.02


NETWORKS = [name for name in model_names() if hasattr(model_module(name).Model, "network_class")]
WAITING = ("c_dcca", "dcca", "label_probabilities")  # for eigenvalues; the last is fitted by scikit-learn


@pytest.mark.gpu
@pytest.mark.skipif(
    not torch.cuda.is_available() and os.environ.get("FAIL_WITHOUT_GPU") != "1", reason="needs a CUDA device"
)
def test_a_gpu_is_called_by_its_number_and_name() -> None:
    expected = f"cuda:0 ({torch.cuda.get_device_name(0)})"
    assert [_in_words(torch.device(name)) for name in ("cuda", "cuda:0")] == [expected, expected]


@pytest.mark.parametrize("name", NETWORKS)
def test_a_step_asks_for_no_value(name: str) -> None:
    """Tensors of the device ``meta`` have none, and refuse what would make the host wait for a GPU's."""
    module = model_module(name)
    params = load_params(model_sections()[name], module.Params)
    network = module.Model.network_class(6, 9, 4, params).train().to("meta")
    batch = [torch.empty(10, width, device="meta") for width in (6, 9, 4)]
    assert train_step(network.loss, batch, AdamW(network.parameters(), params)).is_meta


@pytest.mark.gpu
@pytest.mark.skipif(
    not torch.cuda.is_available() and os.environ.get("FAIL_WITHOUT_GPU") != "1", reason="needs a CUDA device"
)
@pytest.mark.parametrize("name", [name for name in NETWORKS if name not in WAITING])
def test_a_step_on_a_gpu_waits_for_nothing(name: str) -> None:
    module = model_module(name)
    network = module.Model.network_class(6, 9, 4, load_params(model_sections()[name], module.Params)).cuda()
    draws = torch.Generator().manual_seed(0)
    labels = torch.eye(4)[torch.arange(40) % 4].cuda()
    features = torch.randn(40, 6, generator=draws).cuda(), torch.randn(40, 9, generator=draws).cuda()
    train = *network.prepare(*features, labels), labels
    network.train()
    optimizer, batches = AdamW(network.parameters(), PARAMS), minibatches(40, 10, draws, labels.device)
    train_step(network.loss, train, optimizer)  # what is set up once may wait
    torch.cuda.set_sync_debug_mode("error")
    try:
        losses = [train_step(network.loss, [tensor[rows] for tensor in train], optimizer) for rows in batches]
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert torch.stack(losses).isfinite().all()
