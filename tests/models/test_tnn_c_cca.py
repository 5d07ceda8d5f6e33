"""Oracles: closed-form cluster-CCA of the embeddings, and classes that curve through what the pairs of a clip share."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import ValidationError

from pipeline import linalg
from pipeline.model_parts.base import Pairs
from pipeline.models.tnn_c_cca import Model, Params
from tests.helpers.arcs import TEST, TRAIN, VALIDATION, cluster_correlations

Array = NDArray[Any]
VALUES: dict[str, Any] = {
    "inputs": "standardised", "whitening_ridge": 1.0,
    "triplets": "all", "margin": 0.4, "output_width": 8, "n_components": 2, "ridge": 1e-4, "n_hidden_layers": 1,
    "hidden_width": 32, "dropout": 0.0, "seeds": [0], "epochs": 12, "batch_size": 32, "learning_rate": 0.01,
    "weight_decay": 1e-4, "clip_norm": 1.0, "patience": 12,
}  # fmt: skip


def fitted(train: Pairs = TRAIN, **changes: Any) -> Model:  # noqa: ANN401 - values of any field
    model = Model(Params.model_validate(VALUES | changes), seed=0)
    model.fit(train, VALIDATION)
    return model


def test_training_finds_classes_whose_means_coincide() -> None:
    model = fitted()
    unseen = cluster_correlations(model.embed_audio(TEST.audio), model.embed_visual(TEST.visual), TEST.labels)
    assert cluster_correlations(*TRAIN)[0] < 0.2
    assert unseen[0] > 0.5


def test_the_hardest_triplets_cost_more_than_all() -> None:
    losses = {}
    for triplets in ("all", "hardest"):
        changes = {"triplets": triplets, "epochs": 1, "learning_rate": 1e-9}
        losses[triplets] = Model(Params.model_validate(VALUES | changes), seed=0).fit(TRAIN, VALIDATION)[0]["loss"]
    assert losses["hardest"] > losses["all"] + 0.2


def test_the_embedding_is_the_cluster_cca_of_the_outputs() -> None:
    model = fitted(epochs=1)
    again = linalg.cluster_cca(
        model.embed_audio(TRAIN.audio), model.embed_visual(TRAIN.visual), TRAIN.labels, TRAIN.labels, 2, ridge=0
    )
    np.testing.assert_allclose(np.abs(again.x_projection), np.eye(2), atol=2e-2)
    np.testing.assert_allclose(np.abs(again.y_projection), np.eye(2), atol=2e-2)


def test_components_beyond_the_classes_less_one_are_0() -> None:
    embedding = fitted(epochs=1, n_components=4).embed_visual(TEST.visual)
    assert embedding[:, :2].std(axis=0).min() > 0
    np.testing.assert_array_equal(embedding[:, 2:], 0)


@pytest.mark.parametrize("margin", [0, 2.5])
def test_a_margin_that_no_cosines_can_keep_is_refused(margin: float) -> None:
    with pytest.raises(ValidationError, match=r"margin\n.*(greater than 0|less than or equal to 2)"):
        Params.model_validate(VALUES | {"margin": margin})
