"""What every model makes of clips without labels, by what it says that it learns from."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import DataError
from pipeline.model_parts.base import Model, Pairs
from pipeline.settings.params import load_params
from tests.helpers.every_model import (
    EVERY_INPUT,
    FITTED,
    MODALITIES,
    PARAMS_FILE,
    TEST,
    TRAIN,
    VALIDATION,
    Array,
    each_model,
    embed,
    features,
    fitted,
    module_of,
    unfitted,
)


def without_labels(clips: Pairs, is_bare: Array) -> Pairs:
    """The clips, of which some have no label."""
    return Pairs(clips.audio, clips.visual, np.where(is_bare, -1, clips.labels))


BARE = without_labels(TRAIN, np.ones(80, bool))
BARE_VALIDATION = without_labels(VALIDATION, np.ones(20, bool))
FEW = without_labels(TRAIN, np.arange(80) >= 20)  # four of each class have one


def of(*kinds: str, names: Sequence[str] = FITTED) -> pytest.MarkDecorator:
    """The models that learn from what is said; there are some of every kind."""
    chosen = [name for name in names if module_of(name).Model.learns_from in kinds]
    assert chosen
    return pytest.mark.parametrize("name", chosen)


@cache
def fitted_without_labels(name: str) -> Model:
    """A model of pairs alone, fitted once a process; nothing may change it."""
    model = unfitted(name)
    model.fit(BARE, BARE_VALIDATION)
    return model


def cosines(one: Array, other: Array) -> Array:
    one, other = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (one, other))
    return np.asarray(one @ other.T)


@each_model
def test_a_model_says_what_it_learns_from(name: str) -> None:
    assert module_of(name).Model.learns_from in ("pairs", "labels", "both")


@of("labels")
def test_without_labels_a_model_of_labels_is_refused(name: str) -> None:
    with pytest.raises(DataError, match="train: none of 80 clips has a label; expected some"):
        unfitted(name).fit(BARE, BARE)


@of("pairs", "both", names=EVERY_INPUT)
def test_without_labels_any_other_model_ties_each_clip_to_its_partner(name: str) -> None:
    model = fitted_without_labels(name)
    audio, visual = (embed(model, modality, features(TRAIN, modality)) for modality in MODALITIES)
    assert np.isfinite(audio).all()
    near = cosines(audio, visual)
    ranks = (near >= np.diag(near)[:, None]).sum(axis=1)
    assert np.mean(1 / ranks) > 0.12  # chance is 0.062


@of("pairs")
def test_a_model_of_pairs_learns_the_same_with_and_without_labels(name: str) -> None:
    model = unfitted(name)
    model.fit(BARE, VALIDATION)
    for modality in MODALITIES:
        expected = embed(fitted(name), modality, features(TEST, modality))
        np.testing.assert_array_equal(embed(model, modality, features(TEST, modality)), expected)


@of("labels")
def test_a_model_of_labels_learns_from_the_clips_that_have_one_as_if_there_were_no_others(name: str) -> None:
    some, alone = unfitted(name), unfitted(name)
    some.fit(FEW, VALIDATION)
    alone.fit(Pairs(TRAIN.audio[:20], TRAIN.visual[:20], TRAIN.labels[:20]), VALIDATION)
    for modality in MODALITIES:
        embedded = (embed(model, modality, features(TEST, modality)) for model in (some, alone))
        np.testing.assert_array_equal(*embedded)


@of("both")
def test_a_few_labels_are_enough_to_find_classes(name: str) -> None:
    few, bare = unfitted(name), unfitted(name)
    few.fit(FEW, VALIDATION)
    bare.fit(BARE, VALIDATION)
    scores = []
    for model in (few, bare):
        audio, visual = (embed(model, modality, features(TEST, modality)) for modality in MODALITIES)
        nearest = TEST.labels[cosines(audio, visual).argmax(axis=1)]
        scores.append((nearest == TEST.labels).mean())
    assert scores[0] >= max(0.4, scores[1])  # chance is 0.2


@of("pairs", "both")
def test_saved_without_labels_it_embeds_as_before(name: str, tmp_path: Path) -> None:
    model = fitted_without_labels(name)
    model.save(tmp_path / "model.safetensors")
    again = module_of(name).Model.load(tmp_path / "model.safetensors")
    for modality in MODALITIES:
        expected = embed(model, modality, features(TEST, modality))
        np.testing.assert_array_equal(embed(again, modality, features(TEST, modality)), expected)


def with_params(**changes: object) -> Model:
    """The dual subspaces with other parameters, not fitted."""
    module = module_of("dual_subspace")
    params = load_params("model", module.Params, PARAMS_FILE).model_copy(update={"epochs": 20, **changes})
    model: Model = module.Model(params, 0)
    return model


@pytest.mark.parametrize("changes", [{"fusion": "cluster_cca"}, {"lambda_corr": 0.0}])
def test_what_needs_labels_of_the_dual_subspaces_is_refused_without_any(changes: dict[str, object]) -> None:
    with pytest.raises(DataError, match="train: no clip has a label, and nothing to learn is left, or to fuse by"):
        with_params(**changes).fit(BARE, BARE)


def test_cluster_cca_fuses_by_the_clips_that_have_a_label() -> None:
    model = with_params(fusion="cluster_cca")
    model.fit(FEW, VALIDATION)
    audio, visual = model.embed_audio(TEST.audio), model.embed_visual(TEST.visual)
    assert (TEST.labels[cosines(audio, visual).argmax(axis=1)] == TEST.labels).mean() > 0.6  # chance is 0.2


def test_a_batch_without_a_label_teaches_nothing_where_labels_are_all_that_is_learnt_from() -> None:
    model = with_params(lambda_corr=0.0, lambda_constraint=0.0, batch_size=4, epochs=3)
    model.fit(without_labels(TRAIN, np.arange(80) >= 10), VALIDATION)
    assert np.isfinite(model.embed_audio(TEST.audio)).all()
