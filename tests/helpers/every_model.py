"""Every model of pipeline/models that learns, fitted once on made clips, with its params of params.yaml."""

import contextlib
import io
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from pipeline.model_parts.base import Model, Pairs, model_module, model_names
from pipeline.settings.params import load_params, model_sections

Array = NDArray[Any]

PARAMS_FILE = Path(__file__).parents[2] / "params.yaml"
MODALITIES = ("audio", "visual")
N_EPOCHS = 20  # enough for these clips

WHITENED, UNIT = " whitened", " unit"  # behind the name of a model whose inputs are that
FITTED = [name for name in model_names() if model_module(name).Model.learns_from != "nothing"]
TAKING_INPUTS = [name for name in model_names() if "inputs" in model_module(name).Params.model_fields]
PREPARED = [name + inputs for name in TAKING_INPUTS for inputs in (WHITENED, UNIT)]

each_model = pytest.mark.parametrize("name", FITTED)
EVERY_INPUT = [*FITTED, *PREPARED]
each_model_and_input = pytest.mark.parametrize("name", EVERY_INPUT)
each_modality = pytest.mark.parametrize("modality", MODALITIES)


def pairs(seed: int, n: int = 80, n_classes: int = 5) -> Pairs:
    """Clips whose class shifts both modalities, audio 12 wide and visual 20."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % n_classes
    centres = 2 * np.random.default_rng(0).standard_normal((n_classes, 32))
    features = (centres[labels] + rng.standard_normal((n, 32))).astype(np.float32)
    return Pairs(features[:, :12], features[:, 12:], labels)


TRAIN, VALIDATION, TEST = pairs(1), pairs(2, n=20), pairs(3, n=40)


def copied(clips: Pairs) -> Pairs:
    return Pairs(clips.audio.copy(), clips.visual.copy(), clips.labels.copy())


def module_of(name: str) -> ModuleType:
    return model_module(name.partition(" ")[0])


def unfitted(name: str, seed: int = 0) -> Model:
    module = module_of(name)
    params = load_params(model_sections(PARAMS_FILE)[name.partition(" ")[0]], module.Params, PARAMS_FILE)
    changes = {"epochs": min(params.epochs, N_EPOCHS)} if "epochs" in module.Params.model_fields else {}
    if "inputs" in module.Params.model_fields:
        changes["inputs"] = name.partition(" ")[2] or "standardised"
    model: Model = module.Model(params.model_copy(update=changes), seed)
    return model


class Fit(NamedTuple):
    """A fit: the model, its history, what it wrote to stderr, and in which state it left what it was given.

    ``clips`` are train and validation as they were after the fit; ``is_generator_untouched`` says whether the fit drew
    no number from torch's global generator, whose state was unlike that of any seed in use.
    """

    model: Model
    history: list[dict[str, float]]
    stderr: str
    clips: tuple[Pairs, Pairs]
    is_generator_untouched: bool


@cache
def fit_of(name: str) -> Fit:
    """Fit once a process; nothing may change what is returned."""
    model, clips = unfitted(name), (copied(TRAIN), copied(VALIDATION))
    kept = torch.random.get_rng_state()
    torch.manual_seed(12345)
    before = torch.random.get_rng_state()
    with contextlib.redirect_stderr(io.StringIO()) as stderr:
        history = model.fit(*clips)
    is_generator_untouched = torch.equal(torch.random.get_rng_state(), before)
    torch.random.set_rng_state(kept)
    return Fit(model, history, stderr.getvalue(), clips, is_generator_untouched)


def fitted(name: str) -> Model:
    """The model of ``fit_of``."""
    return fit_of(name).model


def embed(model: Model, modality: str, features: Array) -> Array:
    return model.embed_audio(features) if modality == "audio" else model.embed_visual(features)


def features(clips: Pairs, modality: str) -> Array:
    return clips.audio if modality == "audio" else clips.visual
