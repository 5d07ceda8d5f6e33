"""The one file format that separators are saved in: weights, params, seed, and how their inputs were cut."""

from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from torch import nn

from pipeline.errors import DataError, ParamsError
from pipeline.model_parts.saving import load_model, save_model
from pipeline.separation.material import Facts
from pipeline.settings.params import StageParams
from pipeline.settings.paths import AnyPath

_FACTS = "facts"

OwnParams = TypeVar("OwnParams", bound=StageParams)


def save_separator(path: AnyPath, params: StageParams, seed: int, facts: Facts | None, network: nn.Module) -> None:
    """Write a fitted separator.

    Args:
        path: the safetensors file; its folder exists.
        params: what it was made with.
        seed: of its random choices.
        facts: how the sounds and views were cut that it was trained on.
        network: whose weights are kept.

    Raises:
        DataError: it is not fitted.
    """
    if facts is None:
        raise DataError(f"{path}: the separator is not fitted; expected `fit` before `save`")
    arrays = {name: value.numpy() for name, value in network.state_dict().items()}
    save_model(path, params, seed, {**arrays, _FACTS: np.array(facts, np.float64)})


def load_separator(
    path: AnyPath, params_class: type[OwnParams]
) -> tuple[OwnParams, int, Facts, dict[str, NDArray[Any]]]:
    """Return params, seed, facts and weights by name, of any shape, of a separator that ``save_separator`` wrote.

    Raises:
        DataError: the file is missing, is no safetensors file, or was written by another separator.
    """
    params, seed, arrays = load_model(path, params_class)
    rate, mouth_fps, mouth_size, face_size = arrays.pop(_FACTS).tolist()
    return params, seed, Facts(int(rate), mouth_fps, int(mouth_size), int(face_size)), arrays


def check_facts(name: str, trained: Facts | None, given: Facts) -> None:
    """Refuse a separator that was trained on other sounds or views than it is given.

    Raises:
        ParamsError: a rate or a size differs; both are named.
    """
    unlike = [key for key in Facts._fields if getattr(trained, key, None) != getattr(given, key)]
    if unlike:
        words = ", ".join(f"{key}={getattr(given, key):g}, trained on {getattr(trained, key, None)}" for key in unlike)
        raise ParamsError(f"separator {name!r}: {words}; expected sounds and views as in its training: train it again")
