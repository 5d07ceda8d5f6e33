"""Oracles: plain CCA on the pairs of each class written out, and classes hidden under what the pairs share."""

import numpy as np
from sklearn.metrics import average_precision_score

from pipeline.model_parts.base import Pairs
from pipeline.models import c_cca, cca
from tests.helpers.cosines import exact_cosines


def pairs(n: int = 60, seed: int = 0) -> Pairs:
    """Three classes, and two stronger variables that only the two modalities of one clip share."""
    directions = np.random.default_rng(0)
    centres, clip_axes = directions.standard_normal((3, 9)), 3 * directions.standard_normal((2, 9))
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 3
    features = centres[labels] + rng.standard_normal((n, 2)) @ clip_axes + 0.3 * rng.standard_normal((n, 9))
    return Pairs(features[:, :4].astype(np.float32), features[:, 4:].astype(np.float32), labels)


def fitted(model: cca.Model, train: Pairs) -> cca.Model:
    model.fit(train, pairs(n=6, seed=9))
    return model


def audio_to_visual_map(model: cca.Model, clips: Pairs) -> float:
    cosines = exact_cosines(model.embed_audio(clips.audio), model.embed_visual(clips.visual))
    return float(
        np.mean([average_precision_score(clips.labels == clips.labels[i], row) for i, row in enumerate(cosines)])
    )


def test_it_is_the_cca_of_all_pairs_of_a_class() -> None:
    train = pairs()
    i, j = np.nonzero(train.labels[:, None] == train.labels[None, :])
    written_out = Pairs(train.audio[i], train.visual[j], train.labels[i])
    plain = fitted(cca.Model(cca.Params(n_components=2, ridge=0.01), seed=0), written_out)
    cluster = fitted(c_cca.Model(c_cca.Params(n_components=2, ridge=0.01), seed=0), train)
    np.testing.assert_allclose(cluster.embed_audio(train.audio), plain.embed_audio(train.audio), atol=1e-5)
    np.testing.assert_allclose(cluster.embed_visual(train.visual), plain.embed_visual(train.visual), atol=1e-5)


def test_components_are_capped_at_the_classes_less_one() -> None:
    model = fitted(c_cca.Model(c_cca.Params(n_components=4, ridge=0.01), seed=0), pairs())
    assert model.embed_audio(pairs().audio).shape == (60, 2)


def test_which_clips_of_a_class_pair_plays_no_part() -> None:
    train = pairs()
    rotated = np.roll(np.arange(60), 3)  # three classes in turn: each row meets another of its class
    params = c_cca.Params(n_components=2, ridge=0.01)
    expected = fitted(c_cca.Model(params, seed=0), train).embed_audio(train.audio)
    others = fitted(c_cca.Model(params, seed=0), train._replace(visual=train.visual[rotated]))
    np.testing.assert_allclose(others.embed_audio(train.audio), expected, atol=1e-5)


def test_it_finds_classes_that_plain_cca_overlooks() -> None:
    train, unseen = pairs(n=300), pairs(n=60, seed=1)
    plain = fitted(cca.Model(cca.Params(n_components=2, ridge=0.01), seed=0), train)
    cluster = fitted(c_cca.Model(c_cca.Params(n_components=2, ridge=0.01), seed=0), train)
    assert audio_to_visual_map(cluster, unseen) > audio_to_visual_map(plain, unseen) + 0.1
