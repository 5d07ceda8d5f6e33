"""DSCMR against its losses written out in numpy."""

from typing import Any

import numpy as np
import pytest
import torch

from pipeline.model_parts.training import AdamW, seeded, train_step
from pipeline.models.dscmr import DscmrNetwork, Params

VALUES: dict[str, Any] = {
    "inputs": "standardised", "whitening_ridge": 1.0,
    "seeds": [0], "epochs": 5, "batch_size": 8, "learning_rate": 0.01, "weight_decay": 0, "clip_norm": 1.0,
    "patience": 5, "lambda_likelihood": 0.3, "lambda_invariance": 0.7, "private_width": 5, "common_width": 3,
    "classifier_bias": False, "adam_beta1": 0.9, "n_hidden_layers": 1, "hidden_width": 6, "dropout": 0.0,
}  # fmt: skip
CPU = torch.device("cpu")
GENERATOR = torch.Generator().manual_seed(0)
AUDIO, VISUAL = torch.randn(8, 4, generator=GENERATOR), torch.randn(8, 6, generator=GENERATOR)
CLASSES = np.arange(8) % 3
ONEHOT = torch.eye(3)[torch.from_numpy(CLASSES)]


def network(**changes: float) -> DscmrNetwork:
    with seeded(0, CPU):
        return DscmrNetwork(4, 6, 3, Params.model_validate(VALUES | changes))


@pytest.mark.parametrize("has_bias", [False, True])
def test_the_loss_is_the_sum_of_the_paper_s_three_written_out(has_bias: bool) -> None:
    net = network(classifier_bias=has_bias)
    a, v = net.embed_audio(AUDIO).detach().numpy(), net.embed_visual(VISUAL).detach().numpy()
    p = net.classifier.weight.detach().numpy()
    b = net.classifier.bias.detach().numpy() if has_bias else np.zeros(3)
    assert b.any() == has_bias
    labels = [np.linalg.norm(p @ rows[i] + b - ONEHOT[i].numpy()) for rows in (a, v) for i in range(8)]
    likelihood = 0.0
    for left, right in ((a, v), (a, a), (v, v)):
        t = left @ right.T / np.linalg.norm(left, axis=1)[:, None] / np.linalg.norm(right, axis=1) / 2
        likelihood += (np.log1p(np.exp(t)) - (CLASSES[:, None] == CLASSES) * t).mean()
    invariance = np.linalg.norm(a - v, axis=1).mean()
    expected = np.sum(labels) / 8 + 0.3 * likelihood + 0.7 * invariance
    assert net.loss(AUDIO, VISUAL, ONEHOT).item() == pytest.approx(expected, rel=1e-5)


def test_both_modalities_share_their_last_layer_and_nothing_else() -> None:
    net = network()
    audio, visual = ({id(weight) for weight in encoder.parameters()} for encoder in (net.audio, net.visual))
    assert audio & visual == {id(weight) for weight in net.audio.shared.parameters()}


@pytest.mark.parametrize("has_bias", [False, True])
def test_the_label_space_alone_teaches_both_encoders_and_the_classifier(has_bias: bool) -> None:
    net = network(lambda_likelihood=0, lambda_invariance=0, classifier_bias=has_bias)
    gradients = torch.autograd.grad(net.loss(AUDIO, VISUAL, ONEHOT), list(net.parameters()))
    assert all(gradient.any() for gradient in gradients)


def test_the_common_space_losses_leave_the_classifier_alone() -> None:
    slopes = []
    for weight in (0.0, 5.0):
        net = network(lambda_likelihood=weight, lambda_invariance=weight)
        slopes.append(torch.autograd.grad(net.loss(AUDIO, VISUAL, ONEHOT), net.classifier.weight)[0])
    torch.testing.assert_close(slopes[0], slopes[1])


def test_its_steps_are_those_of_torchs_adam_with_its_beta1() -> None:
    changes = {"adam_beta1": 0.5, "clip_norm": 1e9}
    ours, theirs = network(**changes), network(**changes)
    params = Params.model_validate(VALUES | changes)
    adam = torch.optim.Adam(theirs.parameters(), params.learning_rate, betas=(0.5, 0.999))
    optimizer = AdamW(ours.parameters(), params)
    for _ in range(5):
        train_step(ours.loss, (AUDIO, VISUAL, ONEHOT), optimizer)
        adam.zero_grad()
        theirs.loss(AUDIO, VISUAL, ONEHOT).backward()  # type: ignore[no-untyped-call]  # torch leaves it unannotated
        adam.step()
    for weight, expected in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(weight, expected)
