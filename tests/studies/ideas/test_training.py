"""Mixed pairs and averaged weights against closed forms, on the networks that they change."""

from typing import Any

import numpy as np
import pytest
import torch
from scipy.special import log_softmax
from torch import Tensor

from pipeline.model_parts import training as steps
from pipeline.model_parts.training import seeded
from studies.ideas.catalogue import MODELS
from studies.ideas.training import AVERAGE_DECAY, WeightAverage, mixed
from tests.helpers.idea_networks import ONEHOT, batch, network_of, pairs, small_model

each_model = pytest.mark.parametrize("model", MODELS)
CPU = torch.device("cpu")


def draw(monkeypatch: pytest.MonkeyPatch, weight: float, partners: Tensor | None = None) -> None:
    """Make the weight and, unless they are drawn as always, the partners known."""
    monkeypatch.setattr(torch.distributions.Beta, "sample", lambda self: torch.tensor(weight, dtype=torch.float64))
    if partners is not None:
        monkeypatch.setattr(torch, "randperm", lambda n: partners)


@each_model
def test_mixing_with_weight_one_is_no_mixing(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plain, mixing = (network_of(model, idea, {}) for idea in ("none", "mixup"))
    draw(monkeypatch, 1.0)
    torch.testing.assert_close(mixing.loss(*batch(), ONEHOT), plain.loss(*batch(), ONEHOT))


@each_model
def test_mixing_with_weight_zero_is_a_batch_in_another_order(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plain, mixing = (network_of(model, idea, {}) for idea in ("none", "mixup"))
    draw(monkeypatch, 0.0)
    torch.testing.assert_close(mixing.loss(*batch(), ONEHOT), plain.loss(*batch(), ONEHOT))


def test_of_a_cross_entropy_the_loss_is_that_of_mixed_labels(monkeypatch: pytest.MonkeyPatch) -> None:
    network, partners = network_of("label_probabilities", "mixup", {}), torch.tensor([3, 1, 0, 7, 2, 6, 5, 4])
    draw(monkeypatch, 0.3, partners)
    targets = (0.3 * ONEHOT + 0.7 * ONEHOT[partners]).numpy()
    expected = 0.0
    for encoder, rows in zip((network.audio, network.visual), batch(), strict=True):
        logits = encoder(0.3 * rows + 0.7 * rows[partners]).detach().numpy()
        expected -= (targets * log_softmax(logits, axis=1)).sum(axis=1).mean()
    assert network.loss(*batch(), ONEHOT).item() == pytest.approx(expected, rel=1e-5)


def test_both_losses_of_a_batch_are_of_one_draw_of_dropout(monkeypatch: pytest.MonkeyPatch) -> None:
    network = network_of("dscmr", "mixup", {"dropout": 0.5})
    audio, visual = (rows[:1].expand(8, -1) for rows in batch())
    found = []
    for weight in (0.0, 0.4, 1.0):
        draw(monkeypatch, weight)
        with seeded(1, CPU):
            found.append(network.loss(audio, visual, ONEHOT[[0] * 8]).item())
    assert found == pytest.approx([found[0]] * 3)


def test_a_row_lies_between_itself_and_its_partner() -> None:
    rows = torch.tensor([[0.0, 0.0], [1.0, 4.0]])
    assert mixed(rows, torch.tensor([1, 0]), 0.75).tolist() == [[0.25, 1.0], [0.75, 3.0]]


def closed_form(after_steps: list[Any], decay: float) -> Any:  # noqa: ANN401 - numbers or arrays
    n_steps = len(after_steps)
    total = sum(decay ** (n_steps - t) * value for t, value in enumerate(after_steps, start=1))
    return (1 - decay) * total / (1 - decay**n_steps)


def test_the_average_is_its_closed_form_and_forgets_where_it_started() -> None:
    weights = torch.tensor([1e6, -1e6], dtype=torch.float64)
    average, after_steps = WeightAverage([weights], 0.9), []
    for step in range(1, 8):
        weights.copy_(torch.tensor([step, step**2]))
        average.add([weights])
        after_steps.append(weights.numpy().copy())
    np.testing.assert_allclose(average.means[0].numpy(), closed_form(after_steps, 0.9))


def test_weights_that_stay_are_their_own_average() -> None:
    weights = torch.randn(5, dtype=torch.float64)
    average = WeightAverage([weights], 0.99)
    for _ in range(3):
        average.add([weights])
    torch.testing.assert_close(average.means[0], weights)


@each_model
def test_a_fit_ends_with_the_average_of_what_the_training_without_it_goes_through(
    model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = steps.AdamW.step
    paths: dict[str, list[list[Any]]] = {"none": [], "average": []}
    fitted = {}
    for idea, path in paths.items():

        def recorded(self: steps.AdamW, path: list[list[Any]] = path) -> None:
            step(self)
            path.append([state[0].detach().numpy().copy() for state in self._states])

        monkeypatch.setattr(steps.AdamW, "step", recorded)
        fitted[idea] = small_model(model, idea, {"epochs": 3, "batch_size": 8, "dropout": 0.3})
        fitted[idea].fit(pairs(0), pairs(1))
    assert len(paths["none"]) == 9
    for number, weight in enumerate(fitted["average"]._fitted().parameters()):
        without, with_it = ([weights[number] for weights in paths[idea]] for idea in ("none", "average"))
        np.testing.assert_array_equal(with_it, without)
        np.testing.assert_allclose(weight.detach().numpy(), closed_form(without, AVERAGE_DECAY), atol=1e-6)
