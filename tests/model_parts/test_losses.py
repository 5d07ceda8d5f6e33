"""The losses against naive loops, numpy and closed forms."""

from collections.abc import Callable
from typing import Literal

import numpy as np
import pytest
import torch
from scipy.special import softmax
from torch import Tensor

from pipeline.model_parts.losses import (
    agreement_loss,
    cca_loss,
    cluster_cca_loss,
    constraint_loss,
    cross_modal_triplet_loss,
    discriminative_loss,
    likelihood_loss,
    pairwise_correlation_loss,
    standard_normal_divergence,
)

LABELS_ONEHOT = torch.eye(3, dtype=torch.float64)[[0, 0, 1, 1, 2, 2, 0, 1]]
PROJECTION = torch.linspace(-1, 1, 12, dtype=torch.float64).reshape(3, 4)
BIAS = torch.tensor([0.5, -1.0, 2.0], dtype=torch.float64)
LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "pairwise": pairwise_correlation_loss,
    "likelihood": lambda audio, visual: likelihood_loss(audio, visual, LABELS_ONEHOT),
    "agreement": lambda audio, visual: agreement_loss(audio, visual, LABELS_ONEHOT),
    "cca": lambda audio, visual: cca_loss(audio, visual, n_components=2, ridge=1e-3),
    "discriminative": lambda audio, visual: discriminative_loss(audio, visual, LABELS_ONEHOT, PROJECTION),
    "discriminative_with_bias": lambda audio, visual: discriminative_loss(
        audio, visual, LABELS_ONEHOT, PROJECTION, BIAS
    ),
    "constraint": constraint_loss,
    "cluster_cca": lambda audio, visual: cluster_cca_loss(audio, visual, LABELS_ONEHOT, n_components=2, ridge=1e-3),
    "all_triplets": lambda audio, visual: cross_modal_triplet_loss(audio, visual, LABELS_ONEHOT, 0.4, "all"),
    "hardest_triplets": lambda audio, visual: cross_modal_triplet_loss(audio, visual, LABELS_ONEHOT, 0.4, "hardest"),
}
every_loss = pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES.keys())


def embeddings(seed: int, n_rows: int = 8, width: int = 4) -> Tensor:
    """Seeded normal rows in float64."""
    return torch.randn(n_rows, width, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def cosine(left: Tensor, right: Tensor) -> float:
    """Cosine of two vectors, by numpy."""
    a, b = left.numpy(), right.numpy()
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


@every_loss
def test_the_gradient_is_that_of_finite_differences(loss: Callable[[Tensor, Tensor], Tensor]) -> None:
    inputs = (embeddings(0).requires_grad_(), embeddings(1).requires_grad_())
    assert torch.autograd.gradcheck(loss, inputs)


@every_loss
def test_a_collapsed_batch_has_a_finite_loss_and_gradient(loss: Callable[[Tensor, Tensor], Tensor]) -> None:
    audio = torch.zeros(8, 4, dtype=torch.float64, requires_grad=True)
    visual = torch.zeros(8, 4, dtype=torch.float64, requires_grad=True)
    value = loss(audio, visual)
    gradients = torch.autograd.grad(value, (audio, visual))
    assert torch.isfinite(torch.stack([value.detach(), *(g.abs().max() for g in gradients)])).all()


@every_loss
def test_the_order_of_the_clips_does_not_count(loss: Callable[[Tensor, Tensor], Tensor]) -> None:
    swapped_in_class = [1, 0, 3, 2, 5, 4, 6, 7]
    audio, visual = embeddings(0), embeddings(1)
    torch.testing.assert_close(loss(audio[swapped_in_class], visual[swapped_in_class]), loss(audio, visual))


def test_pairwise_correlation_is_the_mean_distance_of_the_pairs() -> None:
    audio, visual = embeddings(0), embeddings(1)
    expected = np.mean([np.linalg.norm(a - v) for a, v in zip(audio.numpy(), visual.numpy(), strict=True)])
    assert pairwise_correlation_loss(audio, visual).item() == pytest.approx(expected)


def test_likelihood_agrees_with_a_loop_over_all_pairs() -> None:
    audio, visual = embeddings(0), embeddings(1)
    classes = LABELS_ONEHOT.argmax(dim=1).tolist()
    expected = 0.0
    for left, right in ((audio, visual), (audio, audio), (visual, visual)):
        for i in range(8):
            for j in range(8):
                t = cosine(left[i], right[j]) / 2
                expected += (np.log(1 + np.exp(t)) - (classes[i] == classes[j]) * t) / 64
    assert likelihood_loss(audio, visual, LABELS_ONEHOT).item() == pytest.approx(expected, rel=1e-6)


def test_agreement_agrees_with_a_loop_over_all_picks() -> None:
    audio, visual = embeddings(0), embeddings(1)
    p, q = softmax(audio.numpy(), axis=1), softmax(visual.numpy(), axis=1)
    classes = LABELS_ONEHOT.argmax(dim=1).tolist()
    total = 0.0
    for views in ((p, q), (q, p)):
        for i, query in enumerate(views[0]):
            agreement = [float(query @ row) for row in views[1]]
            own = [j for j in range(8) if classes[j] == classes[i]]
            total -= sum(np.log(agreement[j] / sum(agreement)) for j in own) / len(own) / 8 / 2
    assert agreement_loss(audio, visual, LABELS_ONEHOT).item() == pytest.approx(total)


@pytest.mark.parametrize("loss", [agreement_loss, likelihood_loss])
def test_a_clip_without_a_label_is_a_class_of_its_own(loss: Callable[[Tensor, Tensor, Tensor], Tensor]) -> None:
    audio, visual = embeddings(0), embeddings(1)
    some = LABELS_ONEHOT.clone()
    some[[1, 4]] = 0
    own = torch.cat([some, torch.zeros(8, 2)], dim=1)
    own[1, -2] = own[4, -1] = 1
    assert loss(audio, visual, some).item() == loss(audio, visual, own).item()
    assert loss(audio, visual, LABELS_ONEHOT[:, :0]).item() == loss(audio, visual, torch.eye(8)).item()


def test_discriminative_agrees_with_a_loop_over_clips() -> None:
    audio, visual = embeddings(0), embeddings(1)
    distances = [
        np.linalg.norm(PROJECTION.numpy() @ row - onehot)
        for rows in (audio.numpy(), visual.numpy())
        for row, onehot in zip(rows, LABELS_ONEHOT.numpy(), strict=True)
    ]
    loss = discriminative_loss(audio, visual, LABELS_ONEHOT, PROJECTION)
    assert loss.item() == pytest.approx(np.sum(distances) / 8)


def test_cca_of_an_affine_copy_counts_one_for_each_component() -> None:
    audio = embeddings(0, n_rows=50)
    visual = audio @ embeddings(1, n_rows=4) + 3
    assert cca_loss(audio, visual, n_components=3, ridge=1e-9).item() == pytest.approx(-3, abs=1e-5)


def test_cca_of_single_columns_is_their_pearson_correlation() -> None:
    audio, visual = embeddings(0, width=1), embeddings(1, width=1)
    expected = abs(np.corrcoef(audio[:, 0].numpy(), visual[:, 0].numpy())[0, 1])
    assert cca_loss(audio, visual, n_components=1, ridge=1e-9).item() == pytest.approx(-expected, abs=1e-6)


def test_cca_agrees_with_the_eigenvalues_of_the_ridged_covariances() -> None:
    audio, visual = embeddings(0, n_rows=30), embeddings(1, n_rows=30, width=3)
    a, v = (rows.numpy() - rows.numpy().mean(axis=0) for rows in (audio, visual))
    aa, vv = (rows.T @ rows / 30 for rows in (a, v))
    aa, vv = (c + 0.1 * np.trace(c) / len(c) * np.eye(len(c)) for c in (aa, vv))
    av = a.T @ v / 30
    squared_correlations = np.linalg.eigvals(np.linalg.solve(vv, av.T) @ np.linalg.solve(aa, av)).real
    expected = -np.sqrt(np.sort(squared_correlations)[::-1][:2]).sum()
    assert cca_loss(audio, visual, n_components=2, ridge=0.1).item() == pytest.approx(expected, abs=1e-6)


def test_cca_does_not_change_with_the_scale_of_an_embedding() -> None:
    audio, visual = embeddings(0), embeddings(1)
    scaled = cca_loss(1000 * audio, visual, n_components=2, ridge=0.1)
    torch.testing.assert_close(scaled, cca_loss(audio, visual, n_components=2, ridge=0.1))


def test_constraint_agrees_with_a_loop_over_entries() -> None:
    explicit, implicit = embeddings(0), embeddings(1, width=3)
    e, i = (rows.numpy() - rows.numpy().mean(axis=0) for rows in (explicit, implicit))
    e, i = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (e, i))
    expected = sum(np.mean(e[:, j] * i[:, k]) ** 2 for j in range(4) for k in range(3))
    assert constraint_loss(explicit, implicit).item() == pytest.approx(expected, rel=1e-6)


def test_constraint_of_a_batch_repeated_twice_is_the_same() -> None:
    explicit, implicit = embeddings(0), embeddings(1)
    twice = constraint_loss(explicit.repeat(2, 1), implicit.repeat(2, 1))
    torch.testing.assert_close(twice, constraint_loss(explicit, implicit))


def test_constraint_is_one_at_most_and_reached_by_equal_one_dimensional_subspaces() -> None:
    line = torch.tensor([[1.0], [-1.0], [2.0], [-2.0]]) * torch.tensor([[0.6, 0.8]])
    assert constraint_loss(line, line).item() == pytest.approx(1, rel=1e-6)


def test_constraint_of_uncorrelated_columns_is_zero() -> None:
    explicit = torch.tensor([[1.0], [1.0], [-1.0], [-1.0]])
    implicit = torch.tensor([[1.0], [-1.0], [1.0], [-1.0]])
    assert constraint_loss(explicit, implicit).item() == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("rows", [slice(0, 8), slice(0, 5)], ids=["all classes", "one class absent"])
def test_cluster_cca_is_cca_of_all_pairs_of_a_class_written_out(rows: slice) -> None:
    audio, visual, onehot = embeddings(0, width=2)[rows], embeddings(1, width=3)[rows], LABELS_ONEHOT[rows]
    labels = onehot.argmax(dim=1)
    if rows.stop == 5:
        onehot, labels = onehot * torch.tensor([1.0, 1.0, 0.0]), labels.clamp(max=1)
        onehot[4] = torch.tensor([0.0, 1.0, 0.0])
    i, j = torch.nonzero(labels[:, None] == labels[None, :], as_tuple=True)
    expected = cca_loss(audio[i], visual[j], n_components=2, ridge=1e-3)
    torch.testing.assert_close(cluster_cca_loss(audio, visual, onehot, n_components=2, ridge=1e-3), expected)


def test_cluster_cca_of_identical_classes_has_as_many_correlations_of_1_as_classes_less_one() -> None:
    rows = embeddings(0, n_rows=3)[LABELS_ONEHOT.argmax(dim=1)]
    found = cluster_cca_loss(rows, rows @ embeddings(1, n_rows=4), LABELS_ONEHOT, n_components=4, ridge=1e-9)
    assert found.item() == pytest.approx(-2, abs=1e-3)


def hinges(audio: Tensor, visual: Tensor, margin: float) -> list[list[float]]:
    """Of each audio anchor, the hinges of all its triplets, by loops."""
    labels = LABELS_ONEHOT.argmax(dim=1).tolist()
    similarities = [[cosine(a, v) for v in visual] for a in audio]
    return [
        [
            max(0, margin - row[j] + row[k])
            for j in range(8)
            for k in range(8)
            if labels[j] == labels[i] and labels[k] != labels[i]
        ]
        for i, row in enumerate(similarities)
    ]


def test_all_triplets_agree_with_loops_over_anchors_positives_and_negatives() -> None:
    audio, visual = embeddings(0), embeddings(1)
    both_ways = [np.mean(np.concatenate(hinges(*views, 0.4))) for views in ((audio, visual), (visual, audio))]
    found = cross_modal_triplet_loss(audio, visual, LABELS_ONEHOT, 0.4, "all")
    assert found.item() == pytest.approx(np.mean(both_ways), rel=1e-6)


def test_the_hardest_triplet_of_an_anchor_is_that_of_the_largest_hinge() -> None:
    audio, visual = embeddings(0), embeddings(1)
    both_ways = [np.mean([max(row) for row in hinges(*views, 0.4)]) for views in ((audio, visual), (visual, audio))]
    found = cross_modal_triplet_loss(audio, visual, LABELS_ONEHOT, 0.4, "hardest")
    assert found.item() == pytest.approx(np.mean(both_ways), rel=1e-6)


@pytest.mark.parametrize("triplets", ["all", "hardest"])
def test_triplets_of_one_class_cost_nothing_and_teach_nothing(triplets: Literal["all", "hardest"]) -> None:
    audio, visual = embeddings(0).requires_grad_(), embeddings(1)
    loss = cross_modal_triplet_loss(audio, visual, torch.ones(8, 1, dtype=torch.float64), 0.4, triplets)
    assert loss.item() == 0
    assert not torch.autograd.grad(loss, audio)[0].any()


@pytest.mark.parametrize("triplets", ["all", "hardest"])
def test_triplets_that_keep_the_margin_cost_nothing(triplets: Literal["all", "hardest"]) -> None:
    assert cross_modal_triplet_loss(LABELS_ONEHOT, LABELS_ONEHOT, LABELS_ONEHOT, 0.9, triplets).item() == 0
    assert cross_modal_triplet_loss(LABELS_ONEHOT, LABELS_ONEHOT, LABELS_ONEHOT, 1.1, triplets).item() > 0


def test_divergence_is_that_of_torch_s_own_distributions() -> None:
    mean, log_variance = embeddings(0), embeddings(1)
    normal = torch.distributions.Normal(mean, torch.exp(log_variance / 2))
    standard = torch.distributions.Normal(torch.zeros_like(mean), torch.ones_like(mean))
    expected = torch.distributions.kl_divergence(normal, standard).sum(dim=1).mean()
    torch.testing.assert_close(standard_normal_divergence(mean, log_variance), expected)


def test_divergence_of_the_standard_normal_is_zero_and_so_is_its_gradient() -> None:
    mean, log_variance = torch.zeros(2, 8, 4, requires_grad=True)
    divergence = standard_normal_divergence(mean, log_variance)
    gradients = torch.autograd.grad(divergence, (mean, log_variance))
    assert divergence.item() == 0
    assert not any(gradient.any() for gradient in gradients)
