"""What every model makes of whitened inputs, against features that numpy whitened before, and of rows of one length."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.linalg import sqrtm

from pipeline.model_parts.base import Model, Pairs, model_module, model_names
from pipeline.model_parts.whitening import whitening_within_classes
from pipeline.settings.params import load_params, model_sections

Array = NDArray[Any]

PARAMS_FILE = Path(__file__).parents[2] / "params.yaml"
N_CLASSES = 5
TAKING_INPUTS = [name for name in model_names() if "inputs" in model_module(name).Params.model_fields]


def rows_and_mixture(seed: int) -> tuple[Array, Array]:
    """Rows (60, 4) of unit covariance within and of isotropic covariance between the classes, and a mixing matrix.

    Whitening can only turn them, and turned they still have one deviation in all directions: to standardise them after
    whitening changes nothing.
    """
    rng = np.random.default_rng(seed)
    onehot = np.eye(N_CLASSES)[np.arange(60) % N_CLASSES]
    noise = rng.standard_normal((60, 4))
    within, _ = np.linalg.qr(noise - onehot @ (onehot.T @ noise / 12))
    corners = np.linalg.svd(np.eye(N_CLASSES) - 1 / N_CLASSES)[0][:, :4]  # of a simplex, centred
    return within * np.sqrt(60) + 3 * onehot @ corners, rng.standard_normal((4, 4)) + 2 * np.eye(4)


def whitened_by_hand(features: Array, labels: Array) -> Array:
    standard = (features - features.mean(axis=0)) / features.std(axis=0)
    within = standard - np.array([standard[labels == label].mean(axis=0) for label in labels])
    white = standard @ np.linalg.inv(sqrtm(within.T @ within / len(within)).real)
    return np.asarray(white / np.sqrt(np.square(white).mean()))


def fitted(name: str, clips: Pairs, **changes: Any) -> Model:  # noqa: ANN401 - values of any field
    module = model_module(name)
    params = load_params(model_sections(PARAMS_FILE)[name], module.Params, PARAMS_FILE)
    if "epochs" in module.Params.model_fields:
        changes |= {"epochs": 3, "patience": None, "batch_size": 60}
    model: Model = module.Model(module.Params.model_validate(params.model_dump() | changes), seed=0)
    model.fit(clips, clips)
    return model


def similarities(name: str, clips: Pairs, **changes: Any) -> Array:  # noqa: ANN401 - values of any field
    model = fitted(name, clips, **changes)
    return model.embed_audio(clips.audio) @ model.embed_visual(clips.visual).T


@pytest.mark.parametrize("name", TAKING_INPUTS)
def test_a_fit_on_whitened_inputs_is_one_on_rows_that_were_whitened_before(name: str) -> None:
    labels = np.arange(60) % N_CLASSES
    mixed = [rows @ mixture for rows, mixture in map(rows_and_mixture, (0, 1))]
    by_hand = [whitened_by_hand(view, labels) for view in mixed]
    raw, white = (Pairs(a.astype(np.float32), v.astype(np.float32), labels) for a, v in (mixed, by_hand))
    found = similarities(name, raw, inputs="whitened", whitening_ridge=1e-9)
    np.testing.assert_allclose(found, similarities(name, white, inputs="standardised"), rtol=1e-3, atol=1e-3)
    assert not np.allclose(found, similarities(name, raw, inputs="standardised"), rtol=1e-2, atol=1e-2)


@pytest.mark.parametrize("name", TAKING_INPUTS)
def test_how_far_a_clip_is_from_the_train_mean_does_not_count_with_rows_of_one_length(name: str) -> None:
    audio, visual = ((rows @ mixture).astype(np.float32) for rows, mixture in map(rows_and_mixture, (0, 1)))
    clips = Pairs(audio, visual, np.arange(60) % N_CLASSES)
    mean = audio.mean(axis=0, dtype=np.float64)
    farther = (mean + 3 * (audio - mean)).astype(np.float32)
    for inputs, is_alike in (("unit", True), ("whitened", False)):
        model = fitted(name, clips, inputs=inputs)
        found, expected = model.embed_audio(farther), model.embed_audio(audio)
        assert np.allclose(found, expected, rtol=1e-3, atol=1e-3) == is_alike


def test_whitening_is_by_the_rows_that_have_a_label_or_by_all_where_none_has() -> None:
    rows = torch.from_numpy(np.random.default_rng(0).standard_normal((40, 3)) @ np.diag([1.0, 2.0, 3.0]))
    onehot = torch.eye(4, dtype=torch.float64)[torch.arange(40) % 4]
    some = onehot.clone()
    some[12:] = 0
    by_some, by_twelve = (whitening_within_classes(*of, 0.5) for of in ((rows, some), (rows[:12], onehot[:12])))
    assert torch.allclose(by_some / by_some[0, 0], by_twelve / by_twelve[0, 0])
    centred, one_class = rows - rows.mean(dim=0), torch.ones(40, 1, dtype=torch.float64)
    by_none, by_one = (whitening_within_classes(centred, labels, 0.5) for labels in (onehot[:, :0], one_class))
    assert torch.allclose(by_none, by_one)
