"""Temperatures and the fitted fusion against softmax by hand and cases whose share is known."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression
from sklearn.metrics.pairwise import cosine_similarity

from pipeline.errors import ParamsError
from studies.ideas import catalogue
from studies.ideas.forms import fitted_share
from tests.helpers.idea_networks import ONEHOT, batch, network_of, pairs, small_model

LABELS = np.arange(30) % 3
each_temperature = pytest.mark.parametrize(("idea", "temperature"), [("temperature_0.5", 0.5), ("temperature_2", 2.0)])


def similarities(signal: float, seed: int) -> NDArray[np.float64]:
    noise = np.random.default_rng(seed).standard_normal((30, 30))
    return np.asarray(signal * (LABELS[:, None] == LABELS) + noise)


@each_temperature
def test_probabilities_are_those_of_logits_over_the_temperature(idea: str, temperature: float) -> None:
    network = network_of("label_probabilities", idea, {}).eval()
    audio, visual = batch()
    expected = [
        softmax(rows.detach().numpy() / temperature, axis=1) for rows in (network.audio(audio), network.visual(visual))
    ]
    np.testing.assert_allclose(network.embed_audio(audio).detach(), expected[0], rtol=1e-5)
    np.testing.assert_allclose(network.embed_visual(visual).detach(), expected[1], rtol=1e-5)


@each_temperature
def test_the_similarity_of_the_dual_model_is_that_of_states_and_classes_over_the_temperature(
    idea: str, temperature: float
) -> None:
    network = network_of("dual_subspace", idea, {"explicit_share": 0.3}).eval()
    classes = network.get_parameter("classifiers.0.weight").detach().numpy()
    probabilities = []
    with torch.inference_mode():
        for encoder, rows in zip((network.audio, network.visual), batch(), strict=True):
            explicit, implicit = (branch.numpy() for branch in encoder(rows))
            probabilities.append([softmax(x / temperature, axis=1) for x in (explicit, implicit @ classes.T)])
        embedded = [network.embed_audio(batch()[0]), network.embed_visual(batch()[1])]
    agreement = [a @ v.T for a, v in zip(*probabilities, strict=True)]
    expected = 0.3 * agreement[0] + 0.7 * agreement[1]
    np.testing.assert_allclose(cosine_similarity(*embedded), expected, rtol=1e-4)


@pytest.mark.parametrize("model", ["dual_subspace", "label_probabilities"])
def test_a_temperature_changes_nothing_of_the_training(model: str) -> None:
    losses = [network_of(model, idea, {}).loss(*batch(), ONEHOT).item() for idea in ("none", *catalogue.TEMPERATURES)]
    assert losses == [losses[0]] * 3


def test_the_share_is_a_half_where_both_say_one_thing() -> None:
    once = similarities(2.0, 0)
    assert fitted_share(once, once, LABELS, 0.1) == pytest.approx(0.5, abs=1e-3)


def test_the_share_follows_what_tells_the_classes_apart() -> None:
    assert fitted_share(similarities(2.0, 0), similarities(0.0, 1), LABELS, 0.1) > 0.9
    assert fitted_share(similarities(0.0, 0), similarities(2.0, 1), LABELS, 0.1) < 0.1
    assert fitted_share(similarities(-2.0, 0), similarities(2.0, 1), LABELS, 0.1) == 0


def test_the_share_stays_where_nothing_tells_the_classes_apart() -> None:
    assert fitted_share(similarities(-2.0, 0), similarities(-2.0, 1), LABELS, 0.3) == 0.3
    assert fitted_share(similarities(2.0, 0), similarities(2.0, 1), np.zeros(30, np.int64), 0.3) == 0.3


def test_the_share_of_a_fit_is_that_of_the_subspaces_similarities_of_other_clips() -> None:
    train, changes = pairs(0), {"epochs": 4, "batch_size": 8}
    found = []
    for share in (1.0, 0.0):
        plain = small_model("dual_subspace", "none", changes | {"explicit_share": share})
        plain.fit(train, pairs(1))
        cosines = cosine_similarity(plain.embed_audio(train.audio), plain.embed_visual(train.visual))
        found.append([cosines[i, j] for i in range(24) for j in range(24) if i != j])
    same = [train.labels[i] == train.labels[j] for i in range(24) for j in range(24) if i != j]
    weights = np.maximum(LogisticRegression().fit(np.transpose(found), same).coef_[0], 0)
    fused = small_model("dual_subspace", "fusion", changes)
    fused.fit(train, pairs(1))
    assert fused._fitted().params.explicit_share == pytest.approx(weights[0] / weights.sum(), abs=1e-3)


def test_what_is_no_model_or_idea_is_named() -> None:
    with pytest.raises(ParamsError, match="model 'cca'; expected one of dual_subspace, dscmr"):
        catalogue.check(["cca"], [])
    with pytest.raises(ParamsError, match="idea 'luck'; expected one of contrastive, proxy"):
        catalogue.check(["dscmr"], ["luck"])


def test_every_idea_is_for_the_models_that_have_what_it_changes() -> None:
    assert catalogue.ideas_for("dscmr", catalogue.IDEAS) == ["contrastive", "proxy", "mixup", "average"]
    assert "contrastive" not in catalogue.ideas_for("label_probabilities", catalogue.IDEAS)
    assert [model for model in catalogue.MODELS if "fusion" in catalogue.ideas_for(model, catalogue.IDEAS)] == [
        "dual_subspace"
    ]
