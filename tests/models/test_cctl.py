"""CCTL against loops that make every triplet."""

from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from pipeline.model_parts.training import seeded
from pipeline.models.cctl import CctlNetwork, Params, complete_cross_triplet_loss

VALUES: dict[str, Any] = {
    "inputs": "standardised", "whitening_ridge": 1.0,
    "seeds": [0], "epochs": 5, "batch_size": 8, "learning_rate": 0.01, "weight_decay": 0, "clip_norm": 1.0,
    "patience": 5, "lambda_triplet": 0.7, "margin": 0.5, "n_hidden_layers": 1, "hidden_width": 6, "dropout": 0.0,
}  # fmt: skip
CPU = torch.device("cpu")
CLASSES = [0, 1, 0, 2, 1, 0, 2]
ONEHOT = torch.eye(3, dtype=torch.float64)[CLASSES]


def embeddings(seed: int) -> Tensor:
    return torch.randn(7, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("margin", [0.01, 0.5, 10.0])
def test_the_loss_is_the_mean_over_every_triplet_that_meets_both_modalities(margin: float) -> None:
    rows = [(modality, i, row) for modality in (0, 1) for i, row in enumerate(embeddings(modality).numpy())]
    hinges = []
    for anchor, positive, negative in product(rows, repeat=3):
        is_triplet = CLASSES[anchor[1]] == CLASSES[positive[1]] != CLASSES[negative[1]]
        is_itself = anchor[:2] == positive[:2]
        if is_triplet and not is_itself and len({anchor[0], positive[0], negative[0]}) == 2:
            nearness = np.linalg.norm(anchor[2] - positive[2]) - np.linalg.norm(anchor[2] - negative[2])
            hinges.append(max(0.0, margin + nearness))
    loss = complete_cross_triplet_loss(embeddings(0), embeddings(1), ONEHOT, margin)
    assert loss.item() == pytest.approx(np.mean(hinges), rel=1e-9)


def test_the_gradient_is_that_of_finite_differences() -> None:
    inputs = (embeddings(0).requires_grad_(), embeddings(1).requires_grad_())
    assert torch.autograd.gradcheck(lambda a, v: complete_cross_triplet_loss(a, v, ONEHOT, 0.5), inputs)


def test_one_hot_labels_cost_nothing_up_to_their_distance_and_teach_nothing() -> None:
    perfect = ONEHOT.clone().requires_grad_()
    loss = complete_cross_triplet_loss(perfect, ONEHOT, ONEHOT, margin=1.41)
    assert loss.item() == 0
    assert not torch.autograd.grad(loss, perfect)[0].any()


def test_a_collapsed_batch_costs_the_margin_with_a_finite_gradient() -> None:
    audio, visual = torch.zeros(2, 7, 3, dtype=torch.float64, requires_grad=True)
    loss = complete_cross_triplet_loss(audio, visual, ONEHOT, margin=0.5)
    assert loss.item() == pytest.approx(0.5)
    assert all(torch.isfinite(gradient).all() for gradient in torch.autograd.grad(loss, (audio, visual)))


def test_a_batch_of_one_class_has_no_triplet_and_costs_nothing() -> None:
    one_class = torch.ones(7, 1, dtype=torch.float64)
    assert complete_cross_triplet_loss(embeddings(0), embeddings(1), one_class, margin=0.5).item() == 0


def test_the_two_modalities_count_the_same() -> None:
    one_way = complete_cross_triplet_loss(embeddings(0), embeddings(1), ONEHOT, margin=0.5)
    torch.testing.assert_close(complete_cross_triplet_loss(embeddings(1), embeddings(0), ONEHOT, margin=0.5), one_way)


def test_the_training_loss_adds_the_distance_to_the_labels() -> None:
    with seeded(0, CPU):
        net = CctlNetwork(3, 3, 3, Params.model_validate(VALUES))
    audio, visual, onehot = embeddings(0).float(), embeddings(1).float(), ONEHOT.float()
    a, v = net.embed_audio(audio).detach(), net.embed_visual(visual).detach()
    distances = [np.linalg.norm(rows[i].numpy() - onehot[i].numpy()) for rows in (a, v) for i in range(7)]
    expected = np.sum(distances) / 7 + 0.7 * complete_cross_triplet_loss(a, v, onehot, 0.5).item()
    assert net.loss(audio, visual, onehot).item() == pytest.approx(expected, rel=1e-5)
