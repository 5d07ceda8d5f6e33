"""Oracles: scikit-learn's iterative CCA, and data made of a known shared variable."""

import numpy as np
import pytest
from pydantic import ValidationError
from sklearn.cross_decomposition import CCA

from pipeline.model_parts.base import Pairs
from pipeline.models.cca import Model, Params


def pairs(n: int = 300, seed: int = 0) -> Pairs:
    """Two modalities that share two variables, each under noise of its own."""
    mixing = np.random.default_rng(0)
    to_audio, to_visual = mixing.standard_normal((2, 4)), mixing.standard_normal((2, 6))
    rng = np.random.default_rng(seed)
    shared = rng.standard_normal((n, 2))
    audio = shared @ to_audio + 0.1 * rng.standard_normal((n, 4)) + 2
    visual = shared @ to_visual + 0.1 * rng.standard_normal((n, 6)) - 1
    return Pairs(audio.astype(np.float32), visual.astype(np.float32), np.zeros(n, dtype=np.int64))


def fitted(n_components: int = 2, ridge: float = 0.0, train: Pairs | None = None) -> Model:
    model = Model(Params(n_components=n_components, ridge=ridge), seed=0)
    model.fit(train or pairs(), pairs(n=10, seed=9))
    return model


def test_embeddings_agree_with_scikit_learn_up_to_sign() -> None:
    train, unseen = pairs(), pairs(n=20, seed=1)
    theirs = CCA(n_components=2, max_iter=5000, tol=1e-12).fit(train.audio, train.visual)
    expected = theirs.transform(unseen.audio) / theirs.transform(train.audio).std(axis=0)
    np.testing.assert_allclose(np.abs(fitted().embed_audio(unseen.audio)), np.abs(expected), atol=1e-3)


def test_both_modalities_of_an_unseen_clip_lie_close() -> None:
    unseen = pairs(n=200, seed=1)
    audio, visual = fitted().embed_audio(unseen.audio), fitted().embed_visual(unseen.visual)
    for k in range(2):
        assert np.corrcoef(audio[:, k], visual[:, k])[0, 1] > 0.9


def test_every_component_weighs_the_same() -> None:
    deviations = fitted(n_components=4).embed_audio(pairs().audio).std(axis=0)
    np.testing.assert_allclose(deviations, 1, atol=1e-4)


def test_components_are_capped_at_the_narrower_modality() -> None:
    assert fitted(n_components=10).embed_visual(pairs().visual).shape == (300, 4)


def test_labels_play_no_part() -> None:
    relabelled = pairs()._replace(labels=np.arange(300) % 7)
    expected = fitted().embed_audio(pairs().audio)
    np.testing.assert_array_equal(fitted(train=relabelled).embed_audio(pairs().audio), expected)


@pytest.mark.parametrize(("n_components", "ridge"), [(0, 0.1), (2, -0.1)])
def test_params_out_of_range_are_refused(n_components: int, ridge: float) -> None:
    with pytest.raises(ValidationError, match="greater than"):
        Params(n_components=n_components, ridge=ridge)
