"""MS-VAE: its distance against the matrix form, its losses written out, and what its shared decoder generates."""

from typing import Any

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm
from torch import Tensor

from pipeline.errors import DataError
from pipeline.model_parts.base import Pairs
from pipeline.model_parts.training import seeded
from pipeline.models.ms_vae import Model, MsVaeNetwork, Params, wasserstein_distance

VALUES: dict[str, Any] = {
    "inputs": "standardised", "whitening_ridge": 1.0,
    "seeds": [0], "epochs": 5, "batch_size": 8, "learning_rate": 0.01, "weight_decay": 0, "clip_norm": 1.0,
    "patience": 5, "audio_widths": [7, 6], "visual_widths": [9], "decoder_widths": [8, 8], "latent_width": 3,
    "lambda_latent": 0.4, "first_kl_weight": 0.3, "n_first_epochs": 2, "kl_weight": 0.05,
}  # fmt: skip
CPU = torch.device("cpu")
GENERATOR = torch.Generator().manual_seed(0)
AUDIO, VISUAL = torch.randn(8, 4, generator=GENERATOR), torch.randn(8, 6, generator=GENERATOR)
ONEHOT = torch.eye(2)[torch.arange(8) % 2]


def network(**changes: Any) -> MsVaeNetwork:  # noqa: ANN401 - values of any field
    with seeded(0, CPU):
        return MsVaeNetwork(4, 6, 2, Params.model_validate(VALUES | changes))


def gaussians() -> list[Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(5, 3, dtype=torch.float64, generator=generator) for _ in range(4)]


def test_the_wasserstein_distance_is_that_of_the_covariance_matrices() -> None:
    mean, log_variance, other_mean, other_log_variance = gaussians()
    expected = []
    for i in range(5):
        c, d = np.diag(np.exp(log_variance[i].numpy())), np.diag(np.exp(other_log_variance[i].numpy()))
        root = sqrtm(c)
        bures = np.trace(c + d - 2 * sqrtm(root @ d @ root)).real
        expected.append(np.sqrt(((mean[i] - other_mean[i]).numpy() ** 2).sum() + bures))
    distance = wasserstein_distance(mean, log_variance, other_mean, other_log_variance)
    assert distance.item() == pytest.approx(np.mean(expected), rel=1e-9)


def test_the_gradient_of_the_distance_is_that_of_finite_differences() -> None:
    assert torch.autograd.gradcheck(wasserstein_distance, tuple(value.requires_grad_() for value in gaussians()))


def test_equal_distributions_have_distance_zero_and_a_gradient_of_zero() -> None:
    mean, log_variance = (value.requires_grad_() for value in gaussians()[:2])
    distance = wasserstein_distance(mean, log_variance, mean.detach(), log_variance.detach())
    assert distance.item() == 0
    assert not any(gradient.any() for gradient in torch.autograd.grad(distance, (mean, log_variance)))


@pytest.mark.parametrize(("n_epochs_done", "kl_weight"), [(1, 0.3), (2, 0.05)])
def test_the_loss_of_both_directions_is_the_one_written_out(n_epochs_done: int, kl_weight: float) -> None:
    net = network()
    for _ in range(n_epochs_done):
        net.finish_epoch(AUDIO, VISUAL)
    with seeded(3, CPU):
        loss = net.loss(AUDIO, VISUAL, ONEHOT).item()
    pair, expected, distributions = torch.cat([VISUAL, AUDIO], dim=1).numpy(), 0.0, []
    with seeded(3, CPU), torch.no_grad():
        for encoder, rows in ((net.audio, AUDIO), (net.visual, VISUAL)):
            mean, log_variance = encoder(rows)
            generated = net.decoder(mean + torch.exp(log_variance / 2) * torch.randn(8, 3)).numpy()
            m, s = mean.numpy(), np.exp(log_variance.numpy() / 2)
            divergence = (m**2 + s**2 - np.log(s**2) - 1).sum(axis=1).mean() / 2
            expected += ((generated - pair) ** 2).mean() + kl_weight * divergence
            distributions.append(np.hstack([m, s]))
    expected += 0.4 * 2 * np.linalg.norm(distributions[0] - distributions[1], axis=1).mean()
    assert loss == pytest.approx(expected, rel=1e-5)


def test_labels_play_no_part() -> None:
    net, losses = network(), []
    for onehot in (ONEHOT, ONEHOT.flip(dims=(1,))):
        with seeded(3, CPU):
            losses.append(net.loss(AUDIO, VISUAL, onehot).item())
    assert losses[0] == losses[1]


def test_the_layers_are_those_of_the_widths() -> None:
    shapes = [tuple(weight.shape) for name, weight in network().named_parameters() if name.endswith("weight")]
    audio, visual = [(7, 4), (6, 7), (3, 6), (3, 6)], [(9, 6), (3, 9), (3, 9)]
    assert shapes == [*audio, *visual, (8, 3), (8, 8), (10, 8)]


def test_latents_and_generated_pair_count_the_same_in_the_cosine() -> None:
    net = network()
    embedding = net.embed_audio(AUDIO).detach()
    np.testing.assert_allclose(np.linalg.norm(embedding[:, :3], axis=1), 1, rtol=1e-5)
    generated = net.decoder(net.audio(AUDIO)[0]).detach().numpy()
    np.testing.assert_allclose(
        embedding[:, 3:], generated / np.linalg.norm(generated, axis=1, keepdims=True), atol=1e-5
    )


def test_the_parts_of_its_own_distance_are_those_of_the_embedding_before_they_are_brought_to_unit_length() -> None:
    model = Model(Params.model_validate(VALUES), 0)
    pairs = Pairs(AUDIO.numpy(), VISUAL.numpy(), np.arange(8) % 2)
    model.fit(pairs, pairs)
    for parts, embedding in (
        (model.own_parts("audio", pairs.audio), model.embed_audio(pairs.audio)),
        (model.own_parts("visual", pairs.visual), model.embed_visual(pairs.visual)),
    ):
        assert [part.shape for part in parts] == [(8, 3), (8, 10)]
        unit = np.hstack([part / np.linalg.norm(part, axis=1, keepdims=True) for part in parts])
        np.testing.assert_allclose(unit, embedding, atol=1e-5)
    with pytest.raises(DataError, match=r"audio: shape \(8, 6\); expected \(n, 4\)"):
        model.own_parts("audio", pairs.visual)
