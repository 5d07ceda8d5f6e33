"""The losses of the ideas against naive loops over their formulas, and where each network puts them."""

import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from studies.ideas.losses import Proxies, contrastive_loss, proxy_logits
from tests.helpers.idea_networks import ONEHOT, VISUAL_WIDTH, batch, network_of

CLASSES = ONEHOT.argmax(dim=1).tolist()


def unit(row: Tensor) -> NDArray[np.float64]:
    values = row.detach().double().numpy()
    return np.asarray(values / np.linalg.norm(values))


def contrastive(audio: Tensor, visual: Tensor, temperature: float) -> float:
    rows = [unit(row) for row in (*audio, *visual)]
    classes = [*CLASSES, *CLASSES]
    of_anchors = []
    for i, anchor in enumerate(rows):
        others = [k for k in range(len(rows)) if k != i]
        total = sum(math.exp(anchor @ rows[k] / temperature) for k in others)
        positives = [k for k in others if classes[k] == classes[i]]
        terms = [-math.log(math.exp(anchor @ rows[k] / temperature) / total) for k in positives]
        of_anchors.append(sum(terms) / len(positives))
    return sum(of_anchors) / len(of_anchors)


def proxy(rows: Tensor, proxies: Tensor, scale: float) -> float:
    terms = []
    for row, label in zip(rows, CLASSES, strict=True):
        logits = [scale * unit(row) @ unit(of_class) for of_class in proxies]
        terms.append(-math.log(math.exp(logits[label]) / sum(map(math.exp, logits))))
    return sum(terms) / len(terms)


@pytest.mark.parametrize("temperature", [0.1, 2.0])
def test_the_contrastive_loss_is_its_formula_over_both_modalities(temperature: float) -> None:
    audio, visual = (torch.randn(len(ONEHOT), 4, generator=torch.Generator().manual_seed(seed)) for seed in (0, 1))
    found = contrastive_loss(audio, visual, ONEHOT, temperature).item()
    assert found == pytest.approx(contrastive(audio, visual, temperature), rel=1e-5)


def test_the_gradient_of_the_contrastive_loss_is_that_of_finite_differences() -> None:
    rows = torch.randn(2, len(ONEHOT), 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert torch.autograd.gradcheck(
        lambda both: contrastive_loss(both[0], both[1], ONEHOT.double(), 0.1), rows.requires_grad_()
    )


def test_rows_of_one_class_alone_cost_the_logarithm_of_how_many_the_others_are() -> None:
    rows, labels = torch.ones(5, 3), torch.eye(2)[[0] * 5]
    assert contrastive_loss(rows, rows, labels, 0.1).item() == pytest.approx(math.log(9))


def test_proxies_see_neither_how_long_a_row_is_nor_how_long_they_are() -> None:
    rows, proxies = torch.randn(6, 4), torch.randn(3, 4)
    torch.testing.assert_close(proxy_logits(7 * rows, proxies / 5, 10.0), proxy_logits(rows, proxies, 10.0))
    linear, rows = nn.Linear(4, 3).double(), rows.double()  # in float32 a cosine near 0 has few digits
    cosine = (unit(rows[1]) @ unit(linear.weight[2])).item()
    assert Proxies(linear, 2.0)(rows)[1, 2].item() == pytest.approx(2 * cosine)


@pytest.mark.parametrize(
    ("model", "weight"),
    [("dual_subspace", "lambda_corr"), ("dscmr", "lambda_likelihood"), ("acmr", "lambda_structure")],
)
def test_the_contrastive_loss_stands_where_the_loss_of_pairs_stood(model: str, weight: str) -> None:
    rest, whole = (network_of(model, idea, {weight: of}) for idea, of in (("none", 0.0), ("contrastive", 0.7)))
    audio, visual = batch()
    embedded = (whole.audio(audio), whole.visual(visual))
    embeddings = [rows[0] if isinstance(rows, tuple) else rows for rows in embedded]
    expected = rest.loss(audio, visual, ONEHOT).item() + 0.7 * contrastive(embeddings[0], embeddings[1], 0.1)
    assert whole.loss(audio, visual, ONEHOT).item() == pytest.approx(expected, rel=1e-4)


def test_proxies_are_the_classifier_of_the_implicit_branch() -> None:
    network = network_of("dual_subspace", "proxy", {"lambda_corr": 0.0, "lambda_constraint": 0.0, "lambda_disc": 1.0})
    audio, visual = batch()
    weights = network.get_parameter("classifiers.0.weight")
    expected = proxy(network.audio(audio)[1], weights, 10) + proxy(network.visual(visual)[1], weights, 10)
    assert network.loss(audio, visual, ONEHOT).item() == pytest.approx(expected, rel=1e-4)
    as_shipped = network_of("dual_subspace", "none", {}).get_parameter("classifiers.0.weight")
    torch.testing.assert_close(weights, as_shipped)


def test_proxies_stand_where_dscmr_had_the_distance_to_the_labels() -> None:
    network = network_of("dscmr", "proxy", {"lambda_likelihood": 0.0, "lambda_invariance": 0.0})
    audio, visual = batch()
    weights = network.get_parameter("classifier.weight")
    expected = proxy(network.audio(audio), weights, 10) + proxy(network.visual(visual), weights, 10)
    assert network.loss(audio, visual, ONEHOT).item() == pytest.approx(expected, rel=1e-4)


def test_proxies_are_the_label_predictor_of_acmr() -> None:
    with_labels, without = (network_of("acmr", "proxy", {"lambda_label": weight}) for weight in (1.0, 0.0))
    audio, visual = batch()
    weights = with_labels.get_parameter("label_predictor.weight")
    expected = proxy(with_labels.audio(audio), weights, 10) + proxy(with_labels.visual(visual), weights, 10)
    found = with_labels.loss(audio, visual, ONEHOT) - without.loss(audio, visual, ONEHOT)
    assert found.item() == pytest.approx(expected, rel=1e-4)


def test_proxies_are_the_last_layers_of_the_two_classifiers() -> None:
    network = network_of("label_probabilities", "proxy", {})
    _, visual = batch()
    *hidden, last = network.get_submodule("visual.layers").children()
    rows = nn.Sequential(*hidden)(visual)
    expected = proxy(rows, last.get_parameter("weight"), 10)
    found = nn.functional.cross_entropy(network.visual(visual), ONEHOT)
    assert visual.shape[1] == VISUAL_WIDTH
    assert found.item() == pytest.approx(expected, rel=1e-4)
