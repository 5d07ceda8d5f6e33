"""The encoders' parts against numpy and closed forms."""

from typing import Literal

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.linalg import sqrtm
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.metrics.pairwise import rbf_kernel
from torch import nn

from pipeline.model_parts import row_blocks
from pipeline.model_parts.layers import (
    FeatureEncoder,
    FourierFeatures,
    GaussianEncoder,
    HiddenParams,
    InputParams,
    perceptron,
    sampled,
)
from pipeline.model_parts.training import seeded

CPU = torch.device("cpu")
STANDARDISED = InputParams(inputs="standardised", whitening_ridge=1.0)


def test_standardisation_is_that_of_the_train_rows_and_spares_constant_features() -> None:
    rows = np.random.default_rng(0).normal(5, 3, (40, 4)).astype(np.float32)
    rows[:, 2] = 7
    encoder = FeatureEncoder(4, STANDARDISED)
    encoder.prepare_by(torch.from_numpy(rows), torch.ones(40, 1))
    deviations = np.where(np.arange(4) == 2, 1, rows.std(axis=0, dtype=np.float64))
    expected = (rows[:5] - rows.mean(axis=0, dtype=np.float64)) / deviations
    np.testing.assert_allclose(encoder.prepared(torch.from_numpy(rows[:5])), expected, atol=1e-5)


def whitened(rows: NDArray[np.float32], labels: list[int], ridge: float) -> NDArray[np.float32]:
    encoder = FeatureEncoder(rows.shape[1], InputParams(inputs="whitened", whitening_ridge=ridge))
    encoder.prepare_by(torch.from_numpy(rows), torch.eye(3)[labels])
    return encoder.prepared(torch.from_numpy(rows)).numpy()


LABELS = [0, 1, 1] * 60  # of three classes the third has no row
MIXED_ROWS = np.random.default_rng(0).normal(np.array(LABELS)[:, None] * 5, [3, 1, 0.2, 1], (180, 4)).astype(np.float32)
MIXED_ROWS = MIXED_ROWS @ np.random.default_rng(1).normal(size=(4, 4)).astype(np.float32)


def test_whitened_features_vary_alike_within_classes_in_all_directions() -> None:
    rows = whitened(MIXED_ROWS, LABELS, ridge=1e-9)
    covariance = LinearDiscriminantAnalysis(store_covariance=True).fit(rows, LABELS).covariance_
    np.testing.assert_allclose(covariance / covariance[0, 0], np.eye(4), atol=1e-3)
    assert np.square(rows).mean() == pytest.approx(1, rel=1e-5)


def test_unit_rows_are_whitened_as_they_are_and_have_a_mean_square_of_1() -> None:
    encoder = FeatureEncoder(4, InputParams(inputs="unit", whitening_ridge=0.5))
    encoder.prepare_by(torch.from_numpy(MIXED_ROWS), torch.eye(3)[LABELS])
    centred = MIXED_ROWS - MIXED_ROWS.mean(axis=0, dtype=np.float64)
    covariance = LinearDiscriminantAnalysis(store_covariance=True).fit(MIXED_ROWS, LABELS).covariance_
    covariance += 0.5 * np.trace(covariance) / 4 * np.eye(4)
    expected = centred @ np.linalg.inv(sqrtm(covariance).real)
    expected *= 2 / np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(encoder.prepared(torch.from_numpy(MIXED_ROWS)), expected, atol=1e-4)


def test_a_large_ridge_leaves_the_features_standardised() -> None:
    standard = (MIXED_ROWS - MIXED_ROWS.mean(axis=0)) / MIXED_ROWS.std(axis=0)
    np.testing.assert_allclose(whitened(MIXED_ROWS, LABELS, 1e9), standard, atol=1e-4)


def test_constant_features_stay_finite_in_whitening() -> None:
    rows = MIXED_ROWS * np.array([1, 0, 1, 1], np.float32)
    np.testing.assert_allclose(whitened(rows, LABELS, 1.0)[:, 1], 0, atol=1e-12)
    np.testing.assert_array_equal(whitened(0 * rows, LABELS, 1.0), 0)


@pytest.mark.parametrize(("n_hidden_layers", "n_weights"), [(0, 4 * 3 + 3), (2, 4 * 5 + 5 * 5 + 5 * 3 + 2 * 15 + 3)])
def test_a_perceptron_has_its_blocks_and_a_linear_map(n_hidden_layers: int, n_weights: int) -> None:
    network = perceptron(4, 3, HiddenParams(n_hidden_layers=n_hidden_layers, hidden_width=5, dropout=0.1))
    assert sum(weight.numel() for weight in network.parameters()) == n_weights
    assert network(torch.zeros(7, 4)).shape == (7, 3)


def test_a_gaussian_encoder_reads_both_heads_from_one_body() -> None:
    encoder = GaussianEncoder(4, nn.Identity(), 4, 2, STANDARDISED)
    rows = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
    mean, log_variance = encoder(rows)
    for value, head in ((mean, encoder.latent_mean), (log_variance, encoder.latent_log_variance)):
        expected = rows.numpy() @ head.weight.detach().numpy().T + head.bias.detach().numpy()
        np.testing.assert_allclose(value.detach(), expected, atol=1e-6)


def test_draws_have_the_mean_and_the_variance_asked_for() -> None:
    mean, log_variance = torch.tensor([[1.0, -2.0]]), torch.tensor([[0.0, 2 * np.log(3.0)]])
    with seeded(0, CPU):
        draws = sampled(mean.expand(20_000, 2), log_variance.expand(20_000, 2))
    np.testing.assert_allclose(draws.mean(dim=0), [1, -2], atol=0.1)
    np.testing.assert_allclose(draws.std(dim=0), [1, 3], rtol=0.03)


def test_fourier_features_give_the_gaussian_kernel_of_scikit_learn() -> None:
    rows = np.random.default_rng(0).standard_normal((30, 8)).astype(np.float32)
    with seeded(0, torch.device("cpu")):
        features = FourierFeatures(8, 40_000)(torch.from_numpy(rows)).numpy()
    np.testing.assert_allclose(features @ features.T / 40_000, rbf_kernel(rows, gamma=1 / 16), atol=0.03)


@pytest.mark.parametrize("inputs", ["whitened", "unit"])
@pytest.mark.parametrize("n_labelled", [180, 70, 0])
def test_rows_a_few_at_a_time_are_prepared_as_all_at_once(
    inputs: Literal["whitened", "unit"], n_labelled: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    onehot = torch.eye(3)[LABELS] * (torch.arange(180) < n_labelled)[:, None]
    prepared = []
    for n_rows in (4096, 7):
        monkeypatch.setattr(row_blocks, "ROWS_AT_ONCE", n_rows)
        encoder = FeatureEncoder(4, InputParams(inputs=inputs, whitening_ridge=0.5))
        encoder.prepare_by(torch.from_numpy(MIXED_ROWS), onehot)
        prepared.append(encoder.prepared(torch.from_numpy(MIXED_ROWS)))
    torch.testing.assert_close(prepared[1], prepared[0], rtol=1e-5, atol=1e-6)
