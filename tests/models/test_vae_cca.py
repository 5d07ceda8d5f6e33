"""VAE-CCA against scikit-learn's CCA, and its losses written out."""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.cross_decomposition import CCA

from pipeline.errors import ParamsError
from pipeline.model_parts.base import Pairs
from pipeline.model_parts.training import seeded
from pipeline.models.vae_cca import Model, Params, VaeCcaNetwork
from pipeline.settings.params import load_params

VALUES: dict[str, Any] = {
    "inputs": "standardised", "whitening_ridge": 1.0,
    "seeds": [0], "epochs": 5, "batch_size": 32, "learning_rate": 0.01, "weight_decay": 0, "clip_norm": 1.0,
    "patience": 5, "kl_weight": 0.2, "lambda_correlation": 0.3, "lambda_category": 0.7, "latent_width": 4,
    "n_components": 2, "ridge": 1e-6, "n_hidden_layers": 1, "hidden_width": 6, "dropout": 0.0,
}  # fmt: skip
CPU = torch.device("cpu")


def pairs(seed: int, n: int = 60) -> Pairs:
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 3
    features = 2 * np.random.default_rng(0).standard_normal((3, 11))[labels] + rng.standard_normal((n, 11))
    return Pairs(features[:, :5].astype(np.float32), features[:, 5:].astype(np.float32), labels)


TRAIN = pairs(0)
ONEHOT = torch.eye(3)[torch.from_numpy(TRAIN.labels)]
TRAIN_MEANS = {rows.shape[1]: rows.mean(axis=0) for rows in (TRAIN.audio, TRAIN.visual)}
TRAIN_DEVIATIONS = {rows.shape[1]: rows.std(axis=0) for rows in (TRAIN.audio, TRAIN.visual)}


@cache
def fitted() -> VaeCcaNetwork:
    model = Model(Params.model_validate(VALUES), seed=0)
    model.fit(TRAIN, pairs(1, n=12))
    network = model._fitted()
    assert isinstance(network, VaeCcaNetwork)
    return network


def test_the_embedding_is_the_cca_of_the_kept_epoch_s_latent_means_by_scikit_learn() -> None:
    net = fitted()
    audio, visual = torch.from_numpy(TRAIN.audio), torch.from_numpy(TRAIN.visual)
    latents = [net.audio(audio)[0].detach().numpy(), net.visual(visual)[0].detach().numpy()]
    expected = CCA(n_components=2, max_iter=5000, tol=1e-12).fit_transform(*latents)
    embedded = net.embed_audio(audio).detach().numpy(), net.embed_visual(visual).detach().numpy()
    for ours, theirs in zip(embedded, expected, strict=True):
        np.testing.assert_allclose(np.abs(ours), np.abs(theirs / theirs.std(axis=0)), atol=5e-3)


def test_the_loss_is_the_sum_of_its_parts_written_out() -> None:
    net, (audio, visual) = fitted(), (torch.from_numpy(TRAIN.audio), torch.from_numpy(TRAIN.visual))
    with seeded(3, CPU):
        loss = net.loss(audio, visual, ONEHOT).item()
    expected, latents = 0.0, []
    with seeded(3, CPU), torch.no_grad():
        for encoder, decoder, rows in ((net.audio, net.audio_decoder, audio), (net.visual, net.visual_decoder, visual)):
            mean, log_variance = encoder(rows)
            m, s2 = mean.numpy(), np.exp(log_variance.numpy())
            decoded = decoder(mean + torch.exp(log_variance / 2) * torch.randn(mean.shape)).numpy()
            standard = (rows.numpy() - TRAIN_MEANS[rows.shape[1]]) / TRAIN_DEVIATIONS[rows.shape[1]]
            expected += ((decoded - standard) ** 2).mean()
            expected += 0.2 * (m**2 + s2 - np.log(s2) - 1).sum(axis=1).mean() / 2
            projected = m @ net.classifier.weight.numpy().T
            expected += 0.7 * np.linalg.norm(projected - ONEHOT.numpy(), axis=1).mean()
            latents.append(m)
    expected += 0.3 * np.linalg.norm(latents[0] - latents[1], axis=1).mean()
    assert loss == pytest.approx(expected, rel=1e-4)


def test_embedding_draws_no_random_number() -> None:
    audio = torch.from_numpy(TRAIN.audio)
    with seeded(0, CPU):
        first = fitted().embed_audio(audio)
    with seeded(1, CPU):
        torch.testing.assert_close(fitted().embed_audio(audio), first, rtol=0, atol=0)


def test_the_autoencoders_alone_leave_the_classifier_alone() -> None:
    with seeded(0, CPU):
        net = VaeCcaNetwork(5, 6, 3, Params.model_validate(VALUES | {"lambda_category": 0}))
    loss = net.loss(torch.from_numpy(TRAIN.audio), torch.from_numpy(TRAIN.visual), ONEHOT)
    assert not torch.autograd.grad(loss, net.classifier.weight)[0].any()


def test_more_components_than_latents_are_refused(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text(f"vae_cca: {VALUES | {'n_components': 5}}")
    with pytest.raises(ParamsError, match=r"n_components=5; expected at most 4, latent_width"):
        load_params("vae_cca", Params, tmp_path / "params.yaml")
