"""The forms of ACMR and TNN-C-CCA against naive loops, the shapes of their authors' layers, and a closed form."""

from typing import Any

import numpy as np
import pytest
import scipy.linalg
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from pipeline.model_parts.network import Network
from pipeline.model_parts.training import seeded
from studies.authors import FORMS, authors_model
from studies.authors_forms import (
    AuthorsAcmrNetwork,
    AuthorsAcmrParams,
    AuthorsTnnNetwork,
    AuthorsTnnParams,
    batch_triplet_loss,
    linear_layers,
    nearest_of_another_class,
    squared_triplet_loss,
)
from tests.helpers.arcs import TRAIN, VALIDATION

Array = NDArray[Any]
CLASSES = torch.arange(8) % 3
ONEHOT = torch.eye(3)[CLASSES]


def rows(seed: int, width: int = 4) -> Tensor:
    return torch.randn(8, width, generator=torch.Generator().manual_seed(seed))


def acmr(trained: str) -> AuthorsAcmrNetwork:
    with seeded(0, torch.device("cpu")):
        return AuthorsAcmrNetwork(5, 6, 3, AuthorsAcmrParams.model_validate(FORMS["acmr"] | {"trained": trained}))


def gradients(network: Network, losing: Tensor) -> dict[str, Tensor]:
    network.zero_grad()
    losing.backward()  # type: ignore[no-untyped-call]  # torch leaves it unannotated
    return {name: value.grad.clone() for name, value in network.named_parameters() if value.grad is not None}


def test_the_triplets_of_acmr_share_one_hinge_a_direction() -> None:
    a, v, v_far, a_far = (rows(seed).numpy() for seed in range(4))
    expected = 0.0
    for anchors, own, other in ((a, v, v_far), (v, a, a_far)):
        near = sum(((anchors[i] - own[i]) ** 2).sum() / 2 for i in range(8))
        far = sum(((anchors[i] - other[i]) ** 2).sum() / 2 for i in range(8))
        expected += max(0.0, 0.1 + 5 * near - far)
    assert expected > 0
    found = batch_triplet_loss(*(torch.from_numpy(x) for x in (a, v, v_far, a_far)), margin=0.1, alpha=5)
    assert found.item() == pytest.approx(expected, rel=1e-5)


def test_the_triplets_of_acmr_cost_nothing_where_own_pairs_coincide() -> None:
    a = rows(0)
    assert batch_triplet_loss(a, a, -a, -a, margin=0.1, alpha=5).item() == 0


def test_a_negative_is_the_most_alike_of_another_class() -> None:
    features = rows(0)
    nearest = nearest_of_another_class(features, ONEHOT)
    for i, found in enumerate(nearest.tolist()):
        others = [j for j in range(8) if CLASSES[j] != CLASSES[i]]
        cosines = [functional.cosine_similarity(features[i], features[j], dim=0).item() for j in others]
        assert found == others[int(np.argmax(cosines))]


def test_the_triplets_of_tnn_c_cca_agree_with_a_loop() -> None:
    a, v = rows(0).numpy(), rows(1).numpy()
    costs = [
        max(0.0, 0.3 + ((a[i] - v[j]) ** 2).sum() - ((a[i] - v[k]) ** 2).sum())
        for i in range(8)
        for j in range(8)
        for k in range(8)
        if j != i and CLASSES[j] == CLASSES[i] != CLASSES[k]
    ]
    found = squared_triplet_loss(torch.from_numpy(a), torch.from_numpy(v), ONEHOT, margin=0.3)
    assert found.item() == pytest.approx(np.mean(costs), rel=1e-5)


def test_a_batch_of_one_class_has_no_triplet() -> None:
    assert squared_triplet_loss(rows(0), rows(1), torch.ones(8, 1), margin=0.3).item() == 0


def test_acmr_has_the_layers_of_its_authors_code() -> None:
    network = acmr("all")
    shapes = [tuple(layer.weight.shape) for layer in linear_layers(network)]
    audio, visual = [(40, 5), (100, 40), (40, 100)], [(512, 6), (100, 512), (40, 100)]
    assert shapes == [*audio, *visual, (3, 40), (20, 40), (10, 20), (2, 10)]
    below = rows(0, 5)
    for layer in linear_layers(network.audio):
        below = torch.tanh(below @ layer.weight.T)  # biases begin at 0
    torch.testing.assert_close(network.audio.train()(rows(0, 5)), below)


def test_the_loss_of_acmr_is_the_weighted_sum() -> None:
    network = acmr("all").train()
    audio, visual = rows(0, 5), rows(1, 6)
    a, v = network.audio(audio), network.visual(visual)
    label = sum(functional.cross_entropy(network.label_predictor(x), CLASSES) for x in (a, v))
    far = v[nearest_of_another_class(audio, ONEHOT)], a[nearest_of_another_class(visual, ONEHOT)]
    modality = sum(
        -functional.log_softmax(network.modality_classifier(x), dim=1)[:, i].mean() for i, x in enumerate((a, v))
    )
    expected = 100 * label + batch_triplet_loss(a, v, *far, 0.1, 5) + modality
    torch.testing.assert_close(network.loss(audio, visual, ONEHOT), expected)


def test_the_steps_that_the_code_takes_move_projectors_and_modality_classifier_alone() -> None:
    moved = gradients(network := acmr("as_run").train(), network.loss(rows(0, 5), rows(1, 6), ONEHOT))
    assert {name.split(".")[0] for name in moved} == {"audio", "visual", "modality_classifier"}


@pytest.mark.parametrize(("trained", "felt"), [("all", True), ("as_run", False)])
def test_the_adversary_is_felt_by_the_projectors_of_the_total_loss_alone(trained: str, felt: bool) -> None:
    network = acmr(trained).train()
    early = gradients(network, network.loss(rows(0, 5), rows(1, 6), ONEHOT))
    network.n_epochs_done = 40
    late = gradients(network, network.loss(rows(0, 5), rows(1, 6), ONEHOT))
    assert torch.equal(early["audio.layers.0.weight"], late["audio.layers.0.weight"]) is not felt
    name = "modality_classifier.0.weight"
    assert torch.equal(early[name], late[name])


def test_tnn_c_cca_has_the_layers_of_its_authors_code() -> None:
    with seeded(0, torch.device("cpu")):
        network = AuthorsTnnNetwork(5, 6, 3, AuthorsTnnParams.model_validate(FORMS["tnn_c_cca"]))
    shapes = [tuple(layer.weight.shape) for layer in linear_layers(network)]
    assert shapes == [(100, 5), (100, 100), (100, 100), (10, 100), (100, 6), (100, 100), (100, 100), (10, 100)]
    below = rows(0, 5)
    for layer in linear_layers(network.audio):
        below = torch.tanh(below @ layer.weight.T)
    torch.testing.assert_close(network.audio.eval()(rows(0, 5)), torch.sigmoid(below))


def directions(x: Array, y: Array, ridge: float) -> Array:
    """Of x, the first two of a CCA of paired rows, by an eigenvalue problem; each to be multiplied by 1 or -1."""
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    xx, yy = (z.T @ z / len(z) + ridge * np.eye(z.shape[1]) for z in (x, y))
    xy = x.T @ y / len(x)
    return np.asarray(scipy.linalg.eigh(xy @ np.linalg.solve(yy, xy.T), xx)[1][:, :-3:-1])


@pytest.mark.parametrize("model", ["tnn_c_cca", "tnn_c_cca-as-run"])
def test_the_embedding_is_the_cca_of_the_pairs_that_are_named(model: str) -> None:
    fitted = authors_model(model, seed=0, epochs=5)
    fitted.fit(TRAIN, VALIDATION)
    network = fitted._network
    assert network is not None
    with torch.no_grad():
        audio = network.audio(torch.from_numpy(TRAIN.audio)).double().numpy()
        visual = network.visual(torch.from_numpy(TRAIN.visual)).double().numpy()
    left, right = np.nonzero(TRAIN.labels[:, None] == TRAIN.labels) if model == "tnn_c_cca" else 2 * [np.arange(210)]
    expected = (audio - audio.mean(axis=0)) @ directions(audio[left], visual[right], ridge=1e-4)
    found = fitted.embed_audio(TRAIN.audio)
    np.testing.assert_allclose(np.abs(found[:, :2]), np.abs(expected), atol=1e-3)
    if model == "tnn_c_cca":
        np.testing.assert_array_equal(found[:, 2:], 0)  # three classes
