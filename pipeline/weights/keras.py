"""Tensors by the names that Keras gives them become those of our networks."""

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any, TypeAlias

import h5py
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.errors import DataError
from pipeline.formats.hdf5 import dataset, open_hdf5
from pipeline.network_parts.base import KerasName
from pipeline.settings.paths import AnyPath

KerasArrays: TypeAlias = dict[str, NDArray[Any]]  # by the names in a file, such as conv2d_1/kernel
TensorShape: TypeAlias = tuple[int, ...]

TENSOR = re.compile(r"(?:^|/)(?P<kind>[a-z]\w*?)(?:_(?P<number>\d+))?/(?P<part>[a-z_]+)(?::0)?$")
OF_TRAINING = "optimizer_weights/"
WITHOUT_NAMES = re.compile(r"(?:^|/)layers/\w+/vars/\d+$")  # Keras 3 counts its layers anew, not as they were made
AXES = {4: (3, 2, 0, 1), 2: (1, 0)}  # (height, width, in, out) to (out, in, height, width), (in, out) to (out, in)
DEPTHWISE, DEPTHWISE_AXES = "depthwise_kernel", (2, 3, 0, 1)  # (height, width, in, 1) to (in, 1, height, width)


def has_keras_names(names: Mapping[str, object]) -> bool:
    """Return whether names are those of Keras, a layer and one of its parts.

    Example:
        >>> has_keras_names({"conv2d_1/kernel:0": 0}), has_keras_names({"Conv2d_1a_3x3.conv.weight": 0})
        (True, False)
    """
    return any(map(TENSOR.search, names))


def read_keras_hdf5(path: AnyPath) -> KerasArrays:
    """Return by name the tensors of a model, or of its weights alone, that Keras saved as HDF5.

    Raises:
        DataError: the file is damaged or no HDF5, or has no tensors by the names of their layers.
    """
    with open_hdf5(path) as file:
        names: list[str] = []
        file.visititems(lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None)
        kept = [name for name in names if TENSOR.search(name) and not name.startswith(OF_TRAINING)]
        if not kept:
            found = next(filter(WITHOUT_NAMES.search, names), "no tensor")
            raise DataError(f"{path}: {found}; expected layers by their names, as Keras' model.save('NAME.h5') writes")
        return {name: dataset(file, name)[()] for name in kept}


def keras_state(
    network: str, path: AnyPath, arrays: KerasArrays, names: Mapping[str, KerasName], shapes: Mapping[str, TensorShape]
) -> dict[str, Tensor]:
    """Return the tensors of a network out of those of a file.

    Layers that Keras names itself are told by the order of their numbers, wherever these begin: it counts all layers
    that a process makes. Others, such as those of a classifier, are left out. A normalisation without ``gamma``
    has ones there.

    Args:
        network: its name, for messages.
        path: of the file, for messages.
        arrays: the tensors of the file.
        names: the layer and the part that each tensor of the network is.
        shapes: of each tensor of the network, in torch's order.

    Raises:
        DataError: there are more or fewer layers of a kind, or a tensor is missing or of another shape.
    """
    problem = f"{path}: not the weights of {network}"
    layers, state = _layers(problem, arrays, names), {}
    for ours, (kind, place, part) in names.items():
        layer = kind if place is None else layers[kind][place]
        shape = _keras_order(shapes[ours], part)
        found = [name for name in arrays if f"/{name}".removesuffix(":0").endswith(f"/{layer}/{part}")]
        if part == "gamma" and not found:
            state[ours] = torch.ones(shape)
            continue
        if len(found) > 1:
            raise DataError(f"{problem}: both {found[0]} and {found[1]}; expected one tensor of a name")
        seen = arrays[found[0]].shape if found else "missing"
        if seen != shape:
            raise DataError(f"{problem}: {layer}/{part} is {seen}; expected {shape}, torch's {ours}")
        state[ours] = tensor_of(in_torch_order(arrays[found[0]], part), f"{path}: {found[0]}")
    return state


def in_torch_order(array: NDArray[Any], part: str = "kernel") -> NDArray[Any]:
    """Return convolutions as (out, in, height, width) and matrices as (out, in), shapes that Keras has reversed."""
    return array.transpose(_axes(array.ndim, part))


def tensor_of(array: NDArray[Any], name: str) -> Tensor:
    """Return a copy of an array as a tensor of its shape.

    Args:
        array: as it was read.
        name: of the file and the array, for the message.

    Raises:
        DataError: it holds no numbers that torch knows.
    """
    try:
        return torch.from_numpy(np.array(array, array.dtype.newbyteorder("="), order="C"))
    except TypeError as error:
        raise DataError(f"{name}: of type {array.dtype}; expected finite floats") from error


def _axes(n_dims: int, part: str) -> tuple[int, ...]:
    """Where each axis in torch's order stands in Keras'."""
    return DEPTHWISE_AXES if part == DEPTHWISE and n_dims == 4 else AXES.get(n_dims, tuple(range(n_dims)))


def _keras_order(shape: TensorShape, part: str) -> TensorShape:
    """The shape in Keras of what has this one in torch."""
    axes = _axes(len(shape), part)
    return tuple(shape[axes.index(axis)] for axis in range(len(shape)))


def _layers(problem: str, arrays: KerasArrays, names: Mapping[str, KerasName]) -> dict[str, list[str]]:
    """The names of the layers that Keras named itself, by kind and in the order of their numbers."""
    n_expected = Counter(
        layer for layer, place in {(name.layer, name.place) for name in names.values()} if place is not None
    )
    layers = {}
    for kind, count in sorted(n_expected.items()):
        found = [match for match in map(TENSOR.search, arrays) if match and match["kind"] == kind]
        numbers = sorted({int(match["number"] or 0) for match in found})
        if len(numbers) != count:
            raise DataError(f"{problem}: {len(numbers)} layers {kind}; expected {count}")
        layers[kind] = [f"{kind}_{number}" if number else kind for number in numbers]
    return layers
