"""The one file format that all models are saved in."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from pipeline.errors import DataError, in_words
from pipeline.model_parts.base import Params
from pipeline.settings.json_text import parse_json
from pipeline.settings.params import StageParams
from pipeline.settings.paths import AnyPath
from pipeline.settings.regular_files import check_regular

_METADATA_KEY = "model"


def save_model(path: AnyPath, params: StageParams, seed: int, arrays: dict[str, NDArray[Any]]) -> None:
    """Write a fitted model: its arrays, with the model's name, params and seed as JSON in the one metadata key.

    Args:
        path: the safetensors file; its folder exists.
        params: what the model was made with.
        seed: likewise.
        arrays: the fitted arrays by name, any shape and dtype.
    """
    made_with = json.dumps(
        {"model": type(params).__module__, "params": params.model_dump(mode="json"), "seed": seed}, sort_keys=True
    )
    contiguous = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    save_file(contiguous, path, metadata={_METADATA_KEY: made_with})


def load_model(path: AnyPath, params_class: type[Params]) -> tuple[Params, int, dict[str, NDArray[Any]]]:
    """Return params, seed and arrays by name of a model that ``save_model`` wrote.

    Args:
        path: the safetensors file.
        params_class: the model's own ``Params``.

    Raises:
        DataError: the file is missing, is no safetensors file, or was written by another model.
    """
    path = Path(path)
    try:
        check_regular(path)
        with safe_open(path, framework="numpy") as file:
            made_with = parse_json(file.metadata()[_METADATA_KEY])
            if made_with["model"] != params_class.__module__:
                raise ValueError(f"saved by {made_with['model']}")
            arrays = {name: file.get_tensor(name) for name in sorted(file.keys())}
        return params_class.model_validate(made_with["params"]), int(made_with["seed"]), arrays
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path}: cannot be read ({in_words(error)}); expected a file this model saved") from error
