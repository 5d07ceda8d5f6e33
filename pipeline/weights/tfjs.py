"""Weights of a layers model for TensorFlow.js: a folder with ``model.json`` and files of numbers, often of 8 bits."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, NonNegativeInt, ValidationError

from pipeline.errors import DataError, in_words
from pipeline.settings.json_text import parse_json
from pipeline.settings.paths import AnyPath
from pipeline.settings.regular_files import read_regular

MODEL_FILE = "model.json"
DTYPES = ("float32", "float16", "int32", "uint16", "uint8", "bool")


class Quantization(BaseModel):
    """How numbers were made shorter: ``scale * number + min``; of float16 it says no more than that.

    Attributes:
        dtype: of the numbers in the file.
        scale: of one step.
        min: what 0 stands for.
    """

    dtype: str
    scale: float = 1.0
    min: float = 0.0


class WeightSpec(BaseModel):
    """One tensor.

    Attributes:
        name: Keras' layer and part.
        shape: in Keras' order.
        dtype: of the numbers that the model computes with, and of those in the file where nothing made them shorter.
        quantization: what made them shorter.
    """

    name: str
    shape: list[NonNegativeInt]
    dtype: str
    quantization: Quantization | None = None


class WeightGroup(BaseModel):
    """Tensors that lie one behind the other in files.

    Attributes:
        paths: names of the files in the folder, in the order in which they are put together.
        weights: the tensors.
    """

    paths: list[str]
    weights: list[WeightSpec]


class LayersModel(BaseModel):
    """What is read of ``model.json``: not the layers, which are those of our network.

    Attributes:
        format: missing in old files; a ``graph-model`` has other tensors under other names.
        weightsManifest: which tensors there are.
    """

    format: str | None = None
    weightsManifest: list[WeightGroup]  # noqa: N815 - the key of the file


def is_tfjs(path: AnyPath) -> bool:
    """Return whether a path is the folder of a model for TensorFlow.js."""
    return Path(path, MODEL_FILE).is_file()


def tfjs_files(folder: AnyPath) -> list[Path]:
    """Return the files that hold a model: what describes it, then its numbers, in order.

    Raises:
        DataError: as `read_tfjs`.
    """
    folder = Path(folder)
    return [folder / MODEL_FILE, *(folder / name for group in _groups(folder) for name in group.paths)]


def read_tfjs(folder: AnyPath) -> dict[str, NDArray[Any]]:
    """Return all tensors of a model by name; numbers of 8 or 16 bits become what they stand for, in float32.

    Raises:
        DataError: a file is missing or damaged, or shorter or longer than its tensors; or it is no layers model.
    """
    folder = Path(folder)
    return {name: array for group in _groups(folder) for name, array in _tensors(folder, group)}


def _groups(folder: Path) -> list[WeightGroup]:
    """The tensors that ``model.json`` names, whose files all lie beside it."""
    path = folder / MODEL_FILE
    try:
        model = LayersModel.model_validate(parse_json(read_regular(path)))
    except (OSError, ValueError, ValidationError) as error:
        raise DataError(f"{path}: {in_words(error)}; expected a layers model for TensorFlow.js") from error
    if model.format == "graph-model":
        raise DataError(f"{path}: a graph model, whose tensors have other names; expected a layers model")
    for name in (name for group in model.weightsManifest for name in group.paths):
        if name != Path(name).name or not (folder / name).is_file():
            raise DataError(f"{path}: {name!r}; expected the name of a file beside it")
    return model.weightsManifest


def _tensors(folder: Path, group: WeightGroup) -> Iterator[tuple[str, NDArray[Any]]]:
    """Every tensor of a group, cut out of its files."""
    data, start = b"".join(read_regular(folder / name) for name in group.paths), 0
    for spec in group.weights:
        dtype = _dtype_in_file(folder, spec)
        stop = start + math.prod(spec.shape) * dtype.itemsize
        if stop > len(data):
            problem = f"{spec.name} of shape {tuple(spec.shape)} ends at byte {stop}"
            raise DataError(f"{folder}: {problem}; expected at most {len(data)}, the size of its files")
        yield spec.name, _computed(np.frombuffer(data[start:stop], dtype).reshape(spec.shape), spec)
        start = stop
    if start != len(data):
        raise DataError(f"{folder}: {len(data)} bytes in its files; expected {start}, the size of its tensors")


def _dtype_in_file(folder: Path, spec: WeightSpec) -> np.dtype[Any]:
    """The type of a tensor's numbers as they are written."""
    name = spec.quantization.dtype if spec.quantization else spec.dtype
    if name not in DTYPES:
        raise DataError(f"{folder}: {spec.name} is of {name}; expected one of: {', '.join(DTYPES)}")
    return np.dtype(name).newbyteorder("<")


def _computed(numbers: NDArray[Any], spec: WeightSpec) -> NDArray[Any]:
    """Numbers as the model computes with them."""
    if spec.quantization is None:
        return numbers
    return (spec.quantization.scale * numbers.astype(np.float64) + spec.quantization.min).astype(np.float32)
