"""Oracles: closed-form cluster-CCA, and classes that curve through what the pairs of a clip share."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.model_parts.base import Pairs
from pipeline.models.c_dcca import Model, Params
from tests.helpers.arcs import TEST, TRAIN, VALIDATION, cluster_correlations

Array = NDArray[Any]
VALUES: dict[str, Any] = {
    "inputs": "standardised", "whitening_ridge": 1.0,
    "loss_ridge": 1e-3, "output_width": 4, "n_components": 2, "ridge": 1e-4, "n_hidden_layers": 1, "hidden_width": 32,
    "dropout": 0.0, "seeds": [0], "epochs": 30, "batch_size": 400, "learning_rate": 0.01, "weight_decay": 1e-4,
    "clip_norm": 1.0, "patience": 30,
}  # fmt: skip


def fitted(train: Pairs = TRAIN, **changes: Any) -> Model:  # noqa: ANN401 - values of any field
    model = Model(Params.model_validate(VALUES | changes), seed=0)
    model.fit(train, VALIDATION)
    return model


def test_linear_networks_that_keep_every_direction_have_the_correlations_of_cluster_cca() -> None:
    model = fitted(n_hidden_layers=0, epochs=1, output_width=5)
    found = cluster_correlations(model.embed_audio(TRAIN.audio), model.embed_visual(TRAIN.visual), TRAIN.labels)
    np.testing.assert_allclose(found, cluster_correlations(*TRAIN), atol=5e-3)


def test_training_finds_classes_whose_means_coincide() -> None:
    model = fitted()
    unseen = cluster_correlations(model.embed_audio(TEST.audio), model.embed_visual(TEST.visual), TEST.labels)
    assert cluster_correlations(*TRAIN)[0] < 0.2
    assert unseen[0] > 0.5


def test_which_clips_of_a_class_pair_plays_no_part() -> None:
    another = np.roll(np.arange(len(TRAIN.labels)), 3)  # three classes in turn: each row meets another of its class
    repaired = fitted(TRAIN._replace(visual=TRAIN.visual[another]), epochs=2)
    np.testing.assert_allclose(
        repaired.embed_audio(TEST.audio), fitted(epochs=2).embed_audio(TEST.audio), rtol=1e-2, atol=1e-2
    )


def test_components_beyond_the_classes_less_one_are_0() -> None:
    embedding = fitted(epochs=1, n_components=4).embed_visual(TEST.visual)
    assert embedding[:, :2].std(axis=0).min() > 0
    np.testing.assert_array_equal(embedding[:, 2:], 0)
