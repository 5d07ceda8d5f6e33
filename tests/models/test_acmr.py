"""ACMR against naive loops, and the gradients that the adversary sends."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from pipeline.errors import ParamsError
from pipeline.model_parts.training import seeded
from pipeline.models.acmr import AcmrNetwork, Params, inter_modal_invariance_loss, reverse_gradient
from pipeline.settings.params import load_params

VALUES: dict[str, Any] = {
    "inputs": "standardised", "whitening_ridge": 1.0,
    "seeds": [0], "epochs": 10, "batch_size": 8, "learning_rate": 0.01, "weight_decay": 0, "clip_norm": 1.0,
    "patience": 5, "lambda_label": 0.5, "lambda_structure": 2.0, "lambda_adversarial": 0.1, "adversarial_epochs": 10,
    "negative_weight": 1.5,
    "margin": 1.0, "common_width": 5, "n_hidden_layers": 1, "hidden_width": 6, "dropout": 0.0,
}  # fmt: skip
CPU = torch.device("cpu")
GENERATOR = torch.Generator().manual_seed(0)
AUDIO, VISUAL = torch.randn(8, 4, generator=GENERATOR), torch.randn(8, 6, generator=GENERATOR)
CLASSES = torch.arange(8) % 3
ONEHOT = torch.eye(3)[CLASSES]


def network(**changes: float) -> AcmrNetwork:
    with seeded(0, CPU):
        return AcmrNetwork(4, 6, 3, Params.model_validate(VALUES | changes))


def embeddings(seed: int) -> Tensor:
    return torch.randn(8, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def test_the_invariance_agrees_with_a_loop_over_all_pairs() -> None:
    audio, visual = embeddings(0), embeddings(1)
    near, far = [], []
    for i, a in enumerate(audio.numpy()):
        for j, v in enumerate(visual.numpy()):
            distance = np.linalg.norm(a / np.linalg.norm(a) - v / np.linalg.norm(v))
            if CLASSES[i] == CLASSES[j]:
                near.append(distance)
            else:
                far.append(max(0, 1.2 - distance))
    loss = inter_modal_invariance_loss(audio, visual, ONEHOT.double(), margin=1.2, negative_weight=0.3)
    assert loss.item() == pytest.approx(np.mean(near) + 0.3 * np.mean(far), rel=1e-6)


def test_the_gradient_of_the_invariance_is_that_of_finite_differences() -> None:
    inputs = (embeddings(0).requires_grad_(), embeddings(1).requires_grad_())
    assert torch.autograd.gradcheck(
        lambda a, v: inter_modal_invariance_loss(a, v, ONEHOT.double(), margin=1.2, negative_weight=0.3), inputs
    )


def test_the_invariance_of_opposite_classes_that_each_coincide_is_zero_and_so_is_its_gradient() -> None:
    rows = torch.tensor([[1.0, 0.0], [-1.0, 0.0]])[[0, 1, 0, 1]].requires_grad_()
    labels_onehot = torch.eye(2)[[0, 1, 0, 1]]
    loss = inter_modal_invariance_loss(rows, 3 * rows.detach(), labels_onehot, margin=1.0, negative_weight=1.0)
    assert loss.item() == pytest.approx(0, abs=1e-3)
    assert not torch.autograd.grad(loss, rows)[0].any()


def test_a_batch_of_one_class_and_zero_rows_has_a_finite_loss_and_gradient() -> None:
    audio, visual = torch.zeros(2, 4, 3, requires_grad=True)
    loss = inter_modal_invariance_loss(audio, visual, torch.ones(4, 1), margin=1.0, negative_weight=1.0)
    gradients = torch.autograd.grad(loss, (audio, visual))
    assert torch.isfinite(torch.stack([loss.detach(), *(gradient.abs().max() for gradient in gradients)])).all()


def test_a_reversed_gradient_leaves_the_values_and_turns_the_slope() -> None:
    rows = embeddings(0).requires_grad_()
    passed = reverse_gradient(rows, 0.25)
    assert torch.equal(passed, rows)
    torch.testing.assert_close(torch.autograd.grad(passed.square().sum(), rows)[0], -0.25 * 2 * rows.detach())


def test_the_weight_of_the_reversal_grows_as_the_logistic_schedule() -> None:
    net = network()
    weights = []
    for epoch in range(10):
        weights.append(net.reversal_weight())
        assert weights[epoch] == pytest.approx(0.1 * (2 / (1 + np.exp(-10 * epoch / 10)) - 1))
        net.finish_epoch(AUDIO, VISUAL)
    assert weights[0] == 0


def test_an_adversary_of_weight_zero_learns_and_teaches_the_encoders_nothing() -> None:
    net = network(lambda_adversarial=0)
    net.n_epochs_done = 9
    net.modality_loss(net.audio(AUDIO), net.visual(VISUAL)).backward()  # type: ignore[no-untyped-call]  # torch leaves it unannotated
    assert all(weight.grad is not None and weight.grad.any() for weight in net.modality_classifier.parameters())
    encoder_gradients = [weight.grad for weight in (*net.audio.parameters(), *net.visual.parameters())]
    assert not any(gradient.any() for gradient in encoder_gradients if gradient is not None)


@pytest.mark.parametrize(("part", "direction"), [("audio", 1), ("visual", 1), ("modality_classifier", -1)])
def test_a_step_of_an_encoder_raises_the_modality_loss_and_one_of_its_classifier_lowers_it(
    part: str, direction: int
) -> None:
    net = network(lambda_adversarial=1.0)
    net.n_epochs_done = 9
    before = net.modality_loss(net.audio(AUDIO), net.visual(VISUAL))
    weights = list(net.get_submodule(part).parameters())
    gradients = torch.autograd.grad(before, weights)
    with torch.no_grad():
        for weight, gradient in zip(weights, gradients, strict=True):
            weight -= 0.01 * gradient
    after = net.modality_loss(net.audio(AUDIO), net.visual(VISUAL))
    assert direction * (after - before).item() > 0


def test_the_modality_loss_is_the_cross_entropy_of_telling_audio_from_visual() -> None:
    net = network()
    a, v = net.audio(AUDIO), net.visual(VISUAL)
    of_audio, of_visual = (net.modality_classifier(rows).softmax(dim=1).detach().numpy() for rows in (a, v))
    expected = -np.log([*of_audio[:, 0], *of_visual[:, 1]]).mean()
    assert net.modality_loss(a, v).item() == pytest.approx(expected, rel=1e-5)


def test_the_loss_is_the_weighted_sum_of_its_parts() -> None:
    net = network()
    a, v = net.audio(AUDIO), net.visual(VISUAL)
    label = 0.0
    for rows in (a, v):
        log_probabilities = net.label_predictor(rows).double().log_softmax(dim=1).detach().numpy()
        label -= log_probabilities[np.arange(8), CLASSES.numpy()].mean()
    structure = inter_modal_invariance_loss(a, v, ONEHOT, 1.0, 1.5).item()
    expected = 0.5 * label + 2.0 * structure + net.modality_loss(a, v).item()
    assert net.loss(AUDIO, VISUAL, ONEHOT).item() == pytest.approx(expected, rel=1e-5)


def test_a_margin_that_no_distance_of_unit_vectors_reaches_is_refused(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text(f"acmr: {VALUES | {'margin': 2.5}}")
    with pytest.raises(ParamsError, match=r"acmr\.margin: .*less than or equal to 2"):
        load_params("acmr", Params, tmp_path / "params.yaml")
