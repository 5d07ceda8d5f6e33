"""The one file format that separators are saved in: weights, params, seed, and how their inputs were cut."""

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from pipeline.errors import DataError, ParamsError
from pipeline.model_parts.saving import load_model, save_model
from pipeline.separation.heard import Facts
from pipeline.settings.device import chosen_device
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
    arrays = {name: value.cpu().numpy() for name, value in network.state_dict().items()}
    save_model(path, params, seed, {**arrays, _FACTS: np.array(facts, np.float64)})


def load_separator(
    path: AnyPath, params_class: type[OwnParams]
) -> tuple[OwnParams, int, Facts, dict[str, NDArray[Any]]]:
    """Return params, seed, facts and weights by name, of any shape, of a separator that ``save_separator`` wrote.

    Raises:
        DataError: the file is missing, is no safetensors file, or was written by another separator.
    """
    params, seed, arrays = load_model(path, params_class)
    rate, mouth_fps, mouth_size, face_size, frames_fps, frames_size = arrays.pop(_FACTS).tolist()
    facts = Facts(int(rate), mouth_fps, int(mouth_size), int(face_size), frames_fps, int(frames_size))
    return params, seed, facts, arrays


def put_weights(network: nn.Module, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Give a network the weights of ``load_separator``, of any shape, and make it ready for use where it computes."""
    network.load_state_dict({name: torch.from_numpy(array) for name, array in arrays.items()})
    network.to(chosen_device()).eval()


def check_facts(name: str, trained: Facts | None, given: Facts) -> None:
    """Refuse a separator that was trained on other sounds or views than it is given.

    Raises:
        ParamsError: a rate or a size differs; both are named.
    """
    unlike = [key for key in Facts._fields if getattr(trained, key, None) != getattr(given, key)]
    if unlike:
        words = ", ".join(f"{key}={getattr(given, key):g}, trained on {getattr(trained, key, None)}" for key in unlike)
        raise ParamsError(f"separator {name!r}: {words}; expected sounds and views as in its training: train it again")


def check_needs(name: str, needs: Iterable[str], given: Facts) -> None:
    """Refuse a task that does not cut what a separator looks at.

    Raises:
        ParamsError: a view is missing; it is named.
    """
    missing = [need for need in needs if need not in given.cut()]
    if missing:
        found = ", ".join(sorted(given.cut())) or "none"
        raise ParamsError(f"separator {name!r} looks at {', '.join(missing)}; expected it in section views: {found}")
