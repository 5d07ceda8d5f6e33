"""Oracles: scikit-learn's logistic regression on standardised features, and Bayes' rule where the classes are known."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics.pairwise import cosine_similarity
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from pipeline.errors import DataError
from pipeline.model_parts.base import Pairs
from pipeline.models.label_probabilities import Model, Params

Array = NDArray[Any]
VALUES: dict[str, Any] = {
    "inputs": "standardised", "whitening_ridge": 1.0,
    "classifier": "logistic", "l2_penalty": 0.5, "similarity": "dot", "n_hidden_layers": 1, "hidden_width": 32,
    "dropout": 0.0, "seeds": [0], "epochs": 10, "batch_size": 32, "learning_rate": 0.01, "weight_decay": 1e-4,
    "clip_norm": 1.0, "patience": 10,
}  # fmt: skip


def pairs(seed: int, n: int = 120, n_classes: int = 3) -> Pairs:
    """Classes of normal rows, audio 4 wide and visual 6, of unlike units."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(n) % n_classes
    centres = np.random.default_rng(9).standard_normal((n_classes, 10))
    features = (centres[labels] + rng.standard_normal((n, 10))) * np.geomspace(0.01, 100, 10)
    return Pairs(features[:, :4].astype(np.float32), features[:, 4:].astype(np.float32), labels)


TRAIN, VALIDATION, TEST = pairs(0), pairs(1, n=30), pairs(2, n=50)


def fitted(train: Pairs = TRAIN, **changes: Any) -> Model:  # noqa: ANN401 - values of any field
    model = Model(Params.model_validate(VALUES | changes), seed=0)
    model.fit(train, VALIDATION)
    return model


def by_sklearn(train: Array, labels: Array, test: Array) -> Array:
    """Probabilities of a logistic regression of the same penalty."""
    regression = make_pipeline(StandardScaler(), LogisticRegression(C=1 / 0.5, max_iter=1000, tol=1e-8))
    return np.asarray(regression.fit(train.astype(np.float64), labels).predict_proba(test.astype(np.float64)))


@pytest.mark.parametrize("n_classes", [2, 3])
def test_the_probabilities_are_those_of_scikit_learn(n_classes: int) -> None:
    train = pairs(0, n_classes=n_classes)
    model = fitted(train, similarity="cosine")
    expected = by_sklearn(train.audio, train.labels, TEST.audio), by_sklearn(train.visual, train.labels, TEST.visual)
    np.testing.assert_allclose(model.embed_audio(TEST.audio), expected[0], atol=2e-3)
    np.testing.assert_allclose(model.embed_visual(TEST.visual), expected[1], atol=2e-3)


def test_a_class_without_train_rows_has_probability_0_and_leaves_the_others_alone() -> None:
    gap = TRAIN._replace(labels=np.where(TRAIN.labels == 2, 4, TRAIN.labels))
    found = fitted(gap, similarity="cosine").embed_audio(TEST.audio)
    np.testing.assert_array_equal(found[:, [2, 3]], 0)
    np.testing.assert_allclose(found[:, [0, 1, 4]], fitted(similarity="cosine").embed_audio(TEST.audio), atol=1e-6)


def test_the_cosine_ranks_as_the_chance_that_both_draw_one_class() -> None:
    model, plain = fitted(), fitted(similarity="cosine")
    agreement = plain.embed_audio(TRAIN.audio) @ plain.embed_visual(TRAIN.visual).T
    cosines = cosine_similarity(model.embed_audio(TRAIN.audio), model.embed_visual(TRAIN.visual))
    np.testing.assert_allclose(agreement / cosines, agreement[0, 0] / cosines[0, 0], rtol=1e-4)


def test_the_common_norm_is_that_of_the_surest_train_row() -> None:
    plain = fitted(similarity="cosine")
    rows = np.vstack([plain.embed_audio(TRAIN.audio), plain.embed_visual(TRAIN.visual)])
    norms = np.linalg.norm(fitted().embed_audio(TEST.audio), axis=1)
    np.testing.assert_allclose(norms, np.linalg.norm(rows, axis=1).max(), rtol=1e-5)


def test_a_stronger_penalty_makes_the_classifiers_less_sure() -> None:
    entropies = []
    for l2_penalty in (0.1, 10.0, 1000.0):
        probabilities = fitted(l2_penalty=l2_penalty, similarity="cosine").embed_audio(TEST.audio)
        entropies.append(-(probabilities * np.log(probabilities)).sum(axis=1).mean())
    assert entropies[0] < entropies[1] < entropies[2] < np.log(3)


def test_one_modality_learns_nothing_from_the_other() -> None:
    noise = np.random.default_rng(3).standard_normal(TRAIN.visual.shape).astype(np.float32)
    alone = fitted(TRAIN._replace(visual=noise), similarity="cosine")
    np.testing.assert_array_equal(alone.embed_audio(TEST.audio), fitted(similarity="cosine").embed_audio(TEST.audio))


def test_the_perceptron_solves_what_no_line_can() -> None:
    def exclusive_or(seed: int, n: int = 200) -> Pairs:
        signs = np.random.default_rng(seed).choice([-1.0, 1.0], (n, 2))
        rows = (signs + 0.2 * np.random.default_rng(seed + 50).standard_normal((n, 2))).astype(np.float32)
        return Pairs(rows, rows[:, ::-1].copy(), (signs[:, 0] == signs[:, 1]).astype(np.int64))

    def accuracy(classifier: str) -> float:
        model = Model(Params.model_validate(VALUES | {"classifier": classifier, "similarity": "cosine"}), seed=0)
        model.fit(exclusive_or(0), exclusive_or(1, n=60))
        unseen = exclusive_or(2)
        return float((model.embed_audio(unseen.audio).argmax(axis=1) == unseen.labels).mean())

    assert accuracy("mlp") > 0.95
    assert accuracy("logistic") < 0.7


def test_one_class_alone_is_refused() -> None:
    with pytest.raises(DataError, match="train: one class, 0; expected at least 2"):
        fitted(TRAIN._replace(labels=np.zeros_like(TRAIN.labels)))
