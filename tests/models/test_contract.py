"""What holds for every file of pipeline/models, found by itself, with its params as they stand in params.yaml."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open

from pipeline.errors import DataError, ParamsError
from pipeline.model_parts.base import Pairs, model_module, model_names
from pipeline.settings.params import StageParams, model_sections
from tests.helpers.every_model import (
    MODALITIES,
    PARAMS_FILE,
    TEST,
    TRAIN,
    VALIDATION,
    Array,
    each_modality,
    each_model,
    each_model_and_input,
    embed,
    features,
    fit_of,
    fitted,
    module_of,
    unfitted,
)
from tests.helpers.project import ROOT


@each_model
def test_every_model_has_its_section_in_params(name: str) -> None:
    assert name in model_sections(PARAMS_FILE)


@each_model_and_input
def test_embeddings_of_both_modalities_are_finite_float32_rows_of_one_width(name: str) -> None:
    audio, visual = (embed(fitted(name), modality, features(TEST, modality)) for modality in MODALITIES)
    assert audio.shape == visual.shape == (40, audio.shape[1])
    assert audio.dtype == visual.dtype == np.float32
    assert np.isfinite(audio).all()
    assert np.isfinite(visual).all()


@each_model_and_input
@each_modality
def test_a_clip_is_embedded_alone_as_in_a_batch(name: str, modality: str) -> None:
    rows = features(TEST, modality)
    alone = np.concatenate([embed(fitted(name), modality, rows[i : i + 1]) for i in range(len(rows))])
    np.testing.assert_allclose(alone, embed(fitted(name), modality, rows), rtol=1e-5, atol=1e-5)


@each_model
@each_modality
def test_a_clip_is_embedded_alike_among_other_clips(name: str, modality: str) -> None:
    rows = features(TEST, modality)
    noise = 50 * np.random.default_rng(0).standard_normal(rows.shape).astype(np.float32)
    among_noise = embed(fitted(name), modality, np.concatenate([noise, rows]))[len(noise) :]
    np.testing.assert_allclose(among_noise, embed(fitted(name), modality, rows), rtol=1e-5, atol=1e-5)


@each_model
@each_modality
def test_no_clips_have_no_embeddings_of_the_width_of_others(name: str, modality: str) -> None:
    embedded = embed(fitted(name), modality, features(TEST, modality))
    none = embed(fitted(name), modality, features(TEST, modality)[:0])
    assert (none.shape, none.dtype) == ((0, embedded.shape[1]), np.float32)


@each_model
@each_modality
def test_embedding_other_clips_leaves_the_model_as_it_was(name: str, modality: str) -> None:
    before = embed(fitted(name), modality, features(TEST, modality))
    embed(fitted(name), modality, 50 * features(TRAIN, modality))
    np.testing.assert_array_equal(embed(fitted(name), modality, features(TEST, modality)), before)


@each_model_and_input
def test_unseen_clips_of_separable_classes_find_each_other(name: str) -> None:
    audio, visual = (embed(fitted(name), modality, features(TEST, modality)) for modality in MODALITIES)
    cosines = (audio / np.linalg.norm(audio, axis=1)[:, None]) @ (visual / np.linalg.norm(visual, axis=1)[:, None]).T
    nearest = TEST.labels[cosines.argmax(axis=1)]
    assert (nearest == TEST.labels).mean() > 0.6  # chance is 0.2


@each_model
def test_the_seed_alone_decides_the_fit(name: str) -> None:
    again = unfitted(name)
    torch.manual_seed(54321)  # another one than the first fit ran under
    again.fit(TRAIN, VALIDATION)
    for modality in MODALITIES:
        expected = embed(fitted(name), modality, features(TEST, modality))
        np.testing.assert_array_equal(embed(again, modality, features(TEST, modality)), expected)


@each_model
def test_fitting_draws_no_number_from_torch_global_generator(name: str) -> None:
    assert fit_of(name).is_generator_untouched


@each_model
def test_fitting_leaves_its_input_as_it_was(name: str) -> None:
    train, validation = fit_of(name).clips
    for given, kept in zip((*train, *validation), (*TRAIN, *VALIDATION), strict=True):
        np.testing.assert_array_equal(given, kept)


@each_model
def test_the_history_is_one_dict_of_finite_numbers_an_epoch(name: str) -> None:
    history = fit_of(name).history
    assert [epoch["epoch"] for epoch in history] == list(range(len(history)))
    assert all(isinstance(value, int | float) and np.isfinite(value) for epoch in history for value in epoch.values())


@each_model_and_input
@each_modality
def test_a_loaded_model_embeds_as_the_saved_one(name: str, modality: str, tmp_path: Path) -> None:
    fitted(name).save(tmp_path / "model.safetensors")
    loaded = module_of(name).Model.load(tmp_path / "model.safetensors")
    expected = embed(fitted(name), modality, features(TEST, modality))
    np.testing.assert_array_equal(embed(loaded, modality, features(TEST, modality)), expected)


@each_model_and_input
def test_a_loaded_model_saves_the_same_bytes(name: str, tmp_path: Path) -> None:
    first, second = tmp_path / "first.safetensors", tmp_path / "second.safetensors"
    fitted(name).save(first)
    module_of(name).Model.load(first).save(second)
    assert first.read_bytes() == second.read_bytes()


@each_model
def test_a_saved_model_has_one_metadata_key(name: str, tmp_path: Path) -> None:
    fitted(name).save(tmp_path / "model.safetensors")
    with safe_open(tmp_path / "model.safetensors", framework="numpy") as file:
        assert len(file.metadata()) == 1


@each_model
@each_modality
def test_embedding_before_the_fit_is_refused(name: str, modality: str) -> None:
    with pytest.raises(DataError, match="not fitted"):
        embed(unfitted(name), modality, features(TEST, modality))


@each_model
def test_saving_before_the_fit_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not fitted"):
        unfitted(name).save(tmp_path / "model.safetensors")


@each_model
@each_modality
def test_features_of_another_width_are_refused(name: str, modality: str) -> None:
    with pytest.raises(DataError, match=rf"{modality}: shape \(40, 3\); expected \(n, (12|20)\)"):
        embed(fitted(name), modality, features(TEST, modality)[:, :3])


@each_model
@each_modality
def test_features_that_are_not_finite_are_refused(name: str, modality: str) -> None:
    rows = features(TEST, modality).copy()
    rows[4, 0] = np.nan
    with pytest.raises(DataError, match=f"{modality}: row 4 has NaN or infinite values"):
        embed(fitted(name), modality, rows)


@each_model
def test_train_rows_that_do_not_pair_are_refused(name: str) -> None:
    with pytest.raises(DataError, match=r"train: \(80, 79, 80\) rows of audio, visual and labels"):
        unfitted(name).fit(TRAIN._replace(visual=TRAIN.visual[:-1]), VALIDATION)


@each_model
def test_train_features_that_are_no_matrix_are_refused(name: str) -> None:
    with pytest.raises(DataError, match=r"train audio: shape \(80,\); expected \(n, width\)"):
        unfitted(name).fit(TRAIN._replace(audio=TRAIN.audio[:, 0]), VALIDATION)


@each_model
def test_labels_below_that_of_none_are_refused(name: str) -> None:
    with pytest.raises(DataError, match=r"train labels: .* the lowest -2; expected \(n,\) whole numbers from 0"):
        unfitted(name).fit(TRAIN._replace(labels=TRAIN.labels - 2), VALIDATION)


@pytest.mark.parametrize("name", ["cca", "kcca", "label_probabilities", "dscmr"])  # one of each way to fit
def test_other_types_and_orders_of_the_same_numbers_make_the_same_model(name: str) -> None:
    def odd(array: Array, dtype: str) -> Array:
        """The same numbers, the last one first in memory."""
        return np.array(array[::-1], dtype)[::-1]

    model = unfitted(name)
    model.fit(Pairs(odd(TRAIN.audio, "f8"), odd(TRAIN.visual, ">f4"), odd(TRAIN.labels, "i4")), VALIDATION)
    for modality in MODALITIES:
        expected = embed(fitted(name), modality, features(TEST, modality))
        embedded = embed(model, modality, odd(features(TEST, modality), "f8"))
        np.testing.assert_allclose(embedded, expected, rtol=1e-5, atol=1e-5)


@each_model_and_input
def test_no_shipped_model_collapses(name: str) -> None:
    assert "collapsed" not in fit_of(name).stderr


@each_model
def test_a_file_that_is_not_a_model_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"no tensors here")
    with pytest.raises(DataError, match=r"model.safetensors: cannot be read .*; expected a file this model saved"):
        model_module(name).Model.load(tmp_path / "model.safetensors")


@each_model
def test_a_missing_file_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"missing.safetensors: cannot be read"):
        model_module(name).Model.load(tmp_path / "missing.safetensors")


@each_model
def test_the_file_of_another_model_is_refused(name: str, tmp_path: Path) -> None:
    other = next(other for other in model_names() if other != name)
    fitted(other).save(tmp_path / "model.safetensors")
    with pytest.raises(DataError, match=f"saved by pipeline.models.{other}"):
        model_module(name).Model.load(tmp_path / "model.safetensors")


def test_every_file_of_the_folder_is_a_model() -> None:
    assert set(model_names()) == {file.stem for file in (ROOT / "pipeline/models").glob("*.py")} - {"__init__"}


@each_model
def test_a_model_has_params_a_paper_and_a_section_of_params_yaml(name: str) -> None:
    module = model_module(name)
    assert module.__doc__
    assert issubclass(module.Params, StageParams)
    assert "References:" in (module.Model.__doc__ or "")
    assert name in model_sections(ROOT / "params.yaml")


def test_an_unknown_model_is_refused_with_the_names_of_those_there_are() -> None:
    with pytest.raises(ParamsError, match=r"model 'pca': no such model; expected one of .*cca"):
        model_module("pca")
