"""Oracles: linear CCA, the dual problem with scikit-learn's centred kernels, and a ring that no line can follow."""

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from pydantic import ValidationError
from scipy.linalg import eigh
from sklearn.metrics.pairwise import cosine_similarity, rbf_kernel
from sklearn.preprocessing import KernelCenterer, StandardScaler

from pipeline import linalg
from pipeline.errors import DataError
from pipeline.model_parts.base import Pairs
from pipeline.model_parts.layers import FeatureEncoder
from pipeline.models.kcca import KernelMap, Model, Params, fit_kernel_map

Array = NDArray[Any]
VALUES: dict[str, Any] = {
    "inputs": "standardised", "whitening_ridge": 1.0, "kernel": "rbf", "width_factor": 1.0, "n_landmarks": None,
    "n_components": 2, "ridge": 1.0, "seeds": [0],
}  # fmt: skip


def params(**changes: Any) -> Params:  # noqa: ANN401 - values of any field
    return Params.model_validate(VALUES | changes)


def fitted(train: Pairs, **changes: Any) -> Model:  # noqa: ANN401 - values of any field
    model = Model(params(**changes), seed=0)
    assert model.fit(train, train) == []
    return model


def pairs(n: int = 60, seed: int = 0) -> Pairs:
    """An angle, seen by audio as it is and by visual doubled, each among noise."""
    rng = np.random.default_rng(seed)
    angle = rng.uniform(0, 2 * np.pi, n)
    audio = np.column_stack([3 * np.cos(angle), np.sin(angle), rng.standard_normal(n)])
    visual = np.column_stack([np.cos(2 * angle), np.sin(2 * angle), rng.standard_normal((2, n)).T]) + 5
    noise = 0.05 * rng.standard_normal((n, 7))
    return Pairs(*(np.split((np.hstack([audio, visual]) + noise).astype(np.float32), [3], axis=1)), np.arange(n) % 2)


def median_gamma(standard: Array) -> float:
    """The rbf's gamma by a loop over all pairs."""
    distances = [np.linalg.norm(a - b) for i, a in enumerate(standard) for b in standard[:i]]
    return float(0.5 / np.median(distances) ** 2)


def dual_variates(audio_kernel: Array, visual_kernel: Array, ridge: float, n: int) -> tuple[Array, Array, Array]:
    """First variates of both sides and all correlations, from centred kernels: the generalised eigenproblem."""
    constraints = []
    for kernel in (audio_kernel, visual_kernel):
        n_directions = np.linalg.matrix_rank(kernel)
        constraints.append(kernel @ kernel / n + ridge * np.trace(kernel) / n / n_directions * kernel)
    cross, zero = audio_kernel @ visual_kernel / n, np.zeros((n, n))
    slack = 1e-9 * np.eye(2 * n)
    right = np.block([[constraints[0], zero], [zero, constraints[1]]]) + slack
    values, vectors = eigh(np.block([[zero, cross], [cross.T, zero]]), right)
    weights = vectors[:, -1] * np.sqrt(2)
    return audio_kernel @ weights[:n], visual_kernel @ weights[n:], values[::-1]


def test_with_linear_kernels_it_is_cca_of_the_standardised_features() -> None:
    train = pairs()
    model = fitted(train, kernel="linear", ridge=0.1)
    standard = [StandardScaler().fit_transform(view.astype(np.float64)) for view in train[:2]]
    expected = linalg.cca(*standard, n_components=2, ridge=0.1)
    similarity = model.embed_audio(train.audio) @ model.embed_visual(train.visual).T  # signs are free
    np.testing.assert_allclose(
        similarity, expected.x_variates(standard[0]) @ expected.y_variates(standard[1]).T, atol=1e-4
    )


def test_exact_variates_solve_the_dual_problem_of_centred_kernels() -> None:
    train = pairs(n=25)
    standard = [StandardScaler().fit_transform(view.astype(np.float64)) for view in train[:2]]
    kernels = [KernelCenterer().fit_transform(rbf_kernel(view, gamma=median_gamma(view))) for view in standard]
    # An uncentred kernel matrix has one direction more than the centred one: 25, not 24.
    audio, visual, correlations = dual_variates(*kernels, ridge=5.0 * 24 / 25, n=25)
    model = fitted(train, ridge=5.0, n_components=1)
    found = model.embed_audio(train.audio)[:, 0], model.embed_visual(train.visual)[:, 0]
    assert 0.2 < correlations[0] < 1
    assert found[0] @ found[1] == pytest.approx(audio @ visual, rel=1e-4)
    np.testing.assert_allclose(found[0] * np.sign(found[0] @ audio), audio, atol=1e-4)


def test_coordinates_have_the_dot_products_of_the_kernel() -> None:
    train, unseen = pairs(n=40), pairs(n=10, seed=1)
    kernel_map = fit_kernel_map(train.audio, train.labels, params(), "audio")
    scaler = StandardScaler().fit(train.audio.astype(np.float64))
    train_rows, unseen_rows = (scaler.transform(clips.audio.astype(np.float64)) for clips in (train, unseen))
    expected = rbf_kernel(unseen_rows, train_rows, gamma=median_gamma(train_rows))
    found = kernel_map(unseen.audio, "rbf") @ kernel_map(train.audio, "rbf").T
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_whitened_inputs_are_compared_by_the_inverse_covariance_within_the_classes() -> None:
    train = pairs(n=40)
    kernel_map = fit_kernel_map(train.audio, train.labels, params(inputs="whitened", kernel="linear"), "audio")
    standard = StandardScaler().fit_transform(train.audio.astype(np.float64))
    within = sum(np.cov(standard[train.labels == c], rowvar=False, bias=True) for c in (0, 1)) / 2  # 20 rows each
    ridged = within + params().whitening_ridge * np.diag(within).mean() * np.eye(3)
    expected = standard @ np.linalg.inv(ridged) @ standard.T
    found = kernel_map(train.audio, "linear") @ kernel_map(train.audio, "linear").T
    np.testing.assert_allclose(found, expected / np.trace(expected) * standard.size, atol=1e-6)


def test_unit_inputs_are_those_of_the_encoders_of_all_other_models() -> None:
    train, unseen = pairs(n=40), pairs(n=10, seed=1)
    kernel_map = fit_kernel_map(train.audio, train.labels, params(inputs="unit", kernel="cosine"), "audio")
    encoder = FeatureEncoder(3, params(inputs="unit"))
    encoder.prepare_by(torch.from_numpy(train.audio).double(), torch.eye(2)[train.labels])
    views = [encoder.prepared(torch.from_numpy(clips.audio)).numpy() for clips in (unseen, train)]
    found = kernel_map(unseen.audio, "cosine") @ kernel_map(train.audio, "cosine").T
    np.testing.assert_allclose(found, cosine_similarity(*views), atol=1e-5)


def test_landmarks_give_the_best_kernel_that_their_columns_allow() -> None:
    train = pairs(n=40)
    few: KernelMap = fit_kernel_map(train.audio, train.labels, params(n_landmarks=12), "audio")
    found = few(train.audio, "rbf") @ few(train.audio, "rbf").T
    kernel = rbf_kernel(StandardScaler().fit_transform(train.audio.astype(np.float64)), gamma=few.gamma.item())
    np.testing.assert_allclose(found, kernel[:, :12] @ np.linalg.pinv(kernel[:12, :12]) @ kernel[:12], atol=1e-6)


def test_as_many_landmarks_as_train_rows_are_exact() -> None:
    train, unseen = pairs(), pairs(seed=1)
    exact, landmarks = fitted(train), fitted(train, n_landmarks=len(train.labels))
    np.testing.assert_array_equal(landmarks.embed_audio(unseen.audio), exact.embed_audio(unseen.audio))


def test_more_landmarks_come_nearer_to_the_exact_similarities() -> None:
    train, unseen = pairs(n=80), pairs(seed=1)

    def similarities(n_landmarks: int | None) -> Array:
        model = fitted(train, n_landmarks=n_landmarks)
        return cosine_similarity(model.embed_audio(unseen.audio), model.embed_visual(unseen.visual))

    exact = similarities(None)
    errors = [np.abs(similarities(n) - exact).mean() for n in (5, 20, 70)]
    assert errors[0] > errors[1] > errors[2]


def test_the_seed_draws_the_landmarks_of_both_modalities() -> None:
    train, models = pairs(), [Model(params(n_landmarks=10), seed) for seed in (0, 1)]
    for model in models:
        model.fit(train, train)
    first, second = (model._check_fitted() for model in models)
    assert not np.allclose(first[0].landmarks, second[0].landmarks)
    assert not np.allclose(first[1].landmarks, second[1].landmarks)


def test_it_follows_a_ring_that_linear_cca_overlooks() -> None:
    train, unseen = pairs(n=200), pairs(seed=1)

    def first_correlation(kernel: str) -> float:
        model = fitted(train, kernel=kernel, ridge=1.0)
        return float(np.corrcoef(model.embed_audio(unseen.audio)[:, 0], model.embed_visual(unseen.visual)[:, 0])[0, 1])

    assert first_correlation("rbf") > 0.8
    assert first_correlation("linear") < 0.5


def test_the_cosine_kernel_overlooks_how_far_a_row_is_from_the_mean() -> None:
    train = pairs()
    model = fitted(train, kernel="cosine")
    mean = train.audio.mean(axis=0)
    farther = (mean + 3 * (train.audio - mean)).astype(np.float32)
    np.testing.assert_allclose(model.embed_audio(farther), model.embed_audio(train.audio), atol=1e-3)


def test_there_are_no_more_components_than_the_smaller_feature_space_has_directions() -> None:
    assert fitted(pairs(), kernel="linear", n_components=9).embed_visual(pairs().visual).shape == (60, 3)


def test_train_rows_that_are_all_alike_are_refused() -> None:
    train = pairs()
    with pytest.raises(DataError, match="train visual: most rows are alike; expected a median distance above 0"):
        fitted(train._replace(visual=np.ones_like(train.visual)))


def test_train_rows_that_a_far_one_makes_look_close_are_not_alike() -> None:
    train = pairs()
    train.audio[0] *= 1e4
    assert np.isfinite(fitted(train).embed_audio(train.audio)).all()


def test_a_ridge_of_nothing_is_refused_because_kernels_fit_anything() -> None:
    with pytest.raises(ValidationError, match=r"ridge\n.*greater than 0"):
        params(ridge=0)


@pytest.mark.parametrize("width_factor", [1e-320, 1e-7, 1e7])
def test_a_width_that_leaves_the_kernel_nothing_to_tell_apart_is_refused(width_factor: float) -> None:
    with pytest.raises(ValidationError, match=r"width_factor\n.*(greater|less) than or equal to"):
        params(width_factor=width_factor)


@pytest.mark.parametrize("width_factor", [1e-6, 1e6])
def test_the_widest_and_the_narrowest_kernel_give_finite_embeddings(width_factor: float) -> None:
    model = fitted(pairs(), width_factor=width_factor)
    assert np.isfinite(model.embed_audio(pairs(seed=1).audio)).all()


def test_without_landmarks_the_seed_changes_nothing_but_signs_and_rounding() -> None:
    train, models = pairs(), [Model(params(), seed) for seed in (0, 1)]
    for model in models:
        model.fit(train, train)
    one, other = (model.embed_audio(train.audio) @ model.embed_visual(train.visual).T for model in models)
    np.testing.assert_allclose(one, other, atol=1e-5)


def test_a_seed_that_stands_twice_is_refused() -> None:
    with pytest.raises(ValidationError, match="expected each seed once"):
        params(seeds=[0, 0])
