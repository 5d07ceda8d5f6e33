"""Oracles: closed-form CCA, which linear networks must reach, and a ring that no linear map can follow."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import ValidationError

from pipeline import linalg
from pipeline.model_parts.base import Pairs
from pipeline.models.dcca import Model, Params

Array = NDArray[Any]
VALUES: dict[str, Any] = {
    "inputs": "standardised", "whitening_ridge": 1.0,
    "loss_ridge": 1e-3, "output_width": 4, "n_components": 2, "ridge": 1e-4, "n_hidden_layers": 1, "hidden_width": 32,
    "dropout": 0.0, "seeds": [0], "epochs": 40, "batch_size": 400, "learning_rate": 0.01, "weight_decay": 1e-4,
    "clip_norm": 1.0, "patience": 40,
}  # fmt: skip


def pairs(n: int = 200, seed: int = 0) -> Pairs:
    """An angle, seen by audio as it is and by visual doubled; the class is its half."""
    rng = np.random.default_rng(seed)
    angle = rng.uniform(0, 2 * np.pi, n)
    audio = np.column_stack([3 * np.cos(angle), np.sin(angle), rng.standard_normal((n, 3))])
    visual = np.column_stack([np.cos(2 * angle), np.sin(2 * angle), rng.standard_normal((n, 2))]) + 5
    return Pairs(audio.astype(np.float32), visual.astype(np.float32), (np.sin(angle) > 0).astype(np.int64))


TRAIN, VALIDATION, TEST = pairs(), pairs(n=60, seed=1), pairs(n=100, seed=2)


def fitted(train: Pairs = TRAIN, **changes: Any) -> Model:  # noqa: ANN401 - values of any field
    model = Model(Params.model_validate(VALUES | changes), seed=0)
    model.fit(train, VALIDATION)
    return model


def correlations(model: Model, clips: Pairs) -> Array:
    """Of audio and visual, by component."""
    audio, visual = model.embed_audio(clips.audio), model.embed_visual(clips.visual)
    return np.array([np.corrcoef(a, v)[0, 1] for a, v in zip(audio.T, visual.T, strict=True)])


def test_linear_networks_that_keep_every_direction_have_the_correlations_of_linear_cca() -> None:
    model = fitted(n_hidden_layers=0, epochs=1, output_width=5, n_components=4)
    expected = linalg.cca(TRAIN.audio, TRAIN.visual, 4, ridge=1e-4).correlations
    np.testing.assert_allclose(correlations(model, TRAIN), expected, atol=5e-3)


def test_the_embedding_of_train_is_uncorrelated_and_of_unit_variance() -> None:
    audio = fitted(epochs=2).embed_audio(TRAIN.audio)
    np.testing.assert_allclose(np.cov(audio, rowvar=False, bias=True), np.eye(2), atol=1e-2)


def test_training_raises_the_correlation_of_unseen_clips_along_a_curve() -> None:
    assert linalg.cca(TRAIN.audio, TRAIN.visual, 1, ridge=1e-4).correlations[0] < 0.4
    model = Model(Params.model_validate(VALUES), seed=0)
    losses = [epoch["loss"] for epoch in model.fit(TRAIN, VALIDATION)]
    assert losses[-1] < losses[0] - 0.5
    assert correlations(model, TEST)[0] > 0.6


def test_train_labels_play_no_part() -> None:
    other = fitted(TRAIN._replace(labels=1 - TRAIN.labels), epochs=2)
    np.testing.assert_array_equal(other.embed_audio(TEST.audio), fitted(epochs=2).embed_audio(TEST.audio))


def test_more_components_than_outputs_are_refused() -> None:
    with pytest.raises(ValidationError, match="n_components=5; expected at most 4, output_width"):
        Params.model_validate(VALUES | {"n_components": 5})
