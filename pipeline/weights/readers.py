"""Weights as they are published become state dicts of our networks; nothing that a file brings is ever executed."""

import importlib
import pickle
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, TypeAlias, TypeVar

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from pipeline.errors import DataError, ParamsError, in_words
from pipeline.formats.embeddings import DAMAGE
from pipeline.network_parts.base import network_names, network_part
from pipeline.settings.paths import AnyPath
from pipeline.settings.regular_files import check_regular, open_regular
from pipeline.weights.keras import KerasArrays, has_keras_names, in_torch_order, keras_state, read_keras_hdf5, tensor_of
from pipeline.weights.tfjs import is_tfjs, read_tfjs

Of = TypeVar("Of")
State: TypeAlias = dict[str, Tensor]
Reader: TypeAlias = Callable[[str, Path], State]  # of a network's name and a path

VARIABLE_KEY = "_variables/{}/.ATTRIBUTES/VARIABLE_VALUE"  # in the SavedModel of TF-Hub's module
OBJECT_GRAPH_KEY = "_CHECKPOINTABLE_OBJECT_GRAPH"
HDF5_SUFFIXES = {".h5", ".hdf5"}
CODE_OR_DAMAGE = "damaged, or a pickle that would run code"
CONVERTER = "1"  # counts up when the same file would give other tensors


def read_weights(network: str, path: AnyPath) -> State:
    """Return the weights of a network, whatever kind of file holds them.

    Args:
        network: its name.
        path: a ``.safetensors``, ``.pth``, ``.pt`` or ``.npz`` file; of a network that was published in TensorFlow, a
            checkpoint of TensorFlow 1 or the folder of a SavedModel; of one that Keras has, an ``.h5`` or ``.npz`` file
            by Keras' names, or the folder of a layers model for TensorFlow.js.

    Returns:
        Float32 tensors by the names that our network gives them.

    Raises:
        DataError: the file is of no such kind, damaged, or holds something else than the weights of the network.
        ParamsError: reading it needs TensorFlow, which is not installed.
    """
    path = Path(path)
    return _checked(network, path, _reader(path)(network, path))


def read_any_weights(path: AnyPath) -> tuple[str, State]:
    """Return which network a file is for, told by the names in it, and its tensors by name, as of `read_weights`.

    Raises:
        DataError: as `read_weights`, or no network has a tensor of any of these names.
    """
    path = Path(path)
    read = _reader(path)
    found, problem = dict[str, State](), None
    for network in network_names():
        try:
            found[network] = read(network, path)
        except DataError as error:  # it is not this one's
            problem = error
    n_known = {network: len(state.keys() & expected_shapes(network).keys()) for network, state in found.items()}
    network = max(n_known, key=n_known.__getitem__, default="")
    if not n_known.get(network):
        expected = f"those of one of: {', '.join(network_names())}; `--network NAME` says what is wrong"
        raise DataError(f"{path}: weights of no known network; expected {expected}") from problem
    return network, _checked(network, path, found[network])


def _reader(path: Path) -> Reader:
    """The function that reads this kind of file; what is read once serves every network that asks."""
    if path.is_dir() and is_tfjs(path):
        return _keras_reader(read_tfjs(path))
    if path.is_dir():
        return lambda network, folder: _read_tensorflow(network, folder / "variables" / "variables")
    if path.suffix == ".ckpt":
        return _read_tensorflow
    if path.suffix in HDF5_SUFFIXES:
        return _keras_reader(read_keras_hdf5(path))
    if path.suffix == ".npz" and has_keras_names(arrays := _read_npz(path)):
        return _keras_reader(arrays)
    if path.suffix == ".npz":
        state = {name: tensor_of(array, f"{path}: {name}") for name, array in arrays.items()}
    elif path.suffix == ".safetensors":
        state = _read_safetensors(path)
    elif path.suffix in {".pth", ".pt"}:
        state = _read_torch(path)
    else:
        expected = ".safetensors, .pth, .npz, .h5, .ckpt, or the folder of a SavedModel or of a model for TensorFlow.js"
        raise DataError(f"{path}: no known kind of file; expected {expected}")
    return lambda network, path: state


def is_from_keras(path: AnyPath) -> bool:
    """Return whether the tensors at a path, which can be read, have Keras' names."""
    path = Path(path)
    if path.suffix == ".npz":
        return has_keras_names(_read_npz(path))
    return path.suffix in HDF5_SUFFIXES or is_tfjs(path)


def _keras_reader(arrays: KerasArrays) -> Reader:
    """What makes a network of tensors by Keras' names; nothing, where Keras has no such network."""

    def read(network: str, path: Path) -> State:
        names = network_part(network, "published").keras_names()
        return keras_state(network, path, arrays, names, expected_shapes(network)) if names else {}

    return read


def _read_npz(path: Path) -> KerasArrays:
    try:
        with open_regular(path) as opened, np.load(opened, allow_pickle=False) as file:
            arrays = dict(file)
    except DAMAGE as error:
        raise DataError(f"{path}: {in_words(error)}; expected an npz of arrays of numbers") from error
    for name, array in arrays.items():
        if not isinstance(array, np.ndarray):  # of what it cannot read NumPy gives the bytes
            raise DataError(f"{path}: {name} holds bytes that are no array; expected numbers")
    return arrays


def _read_safetensors(path: Path) -> State:
    try:
        check_regular(path)
        state: State = load_file(path)
    except (SafetensorError, OSError, DataError) as error:
        raise DataError(f"{path}: {in_words(error)}; expected a whole safetensors file") from error
    return state


def _read_torch(path: Path) -> State:
    """A pickle may name tensors and nothing else: whatever asks for code is refused before it runs."""
    try:
        with open_regular(path) as file:
            state = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # damage makes torch.load raise nearly any kind
        raise DataError(
            f"{path}: {_torch_problem(error)}; expected a whole file that holds tensors only, no code"
        ) from error
    if not isinstance(state, Mapping) or not all(
        isinstance(k, str) and isinstance(v, Tensor) for k, v in state.items()
    ):
        raise DataError(f"{path}: not a map from names to tensors; expected a state dict")
    return dict(state)


def _torch_problem(error: Exception) -> str:
    """What is wrong with a file, without torch's advice to load it with its code."""
    if not isinstance(error, pickle.UnpicklingError):
        return _first_line(error)
    named = re.search(r"Unsupported global: GLOBAL (\S+)", str(error))
    return f"it names {named[1]}, which is code" if named else CODE_OR_DAMAGE


def _read_tensorflow(network: str, checkpoint: Path) -> State:
    """A network from the variables of a checkpoint; the graph beside them is not looked at."""
    names = network_part(network, "published").tensorflow_names()
    if not names:
        return {}
    tensorflow = import_extra("tensorflow", checkpoint)
    try:
        reader = tensorflow.train.load_checkpoint(str(checkpoint))
        return dict(_variables(reader, names))
    except (tensorflow.errors.OpError, ValueError, RuntimeError, IndexError) as error:
        raise DataError(
            f"{checkpoint}: {_first_line(error)}; expected a whole checkpoint of {network} in TensorFlow"
        ) from error


def _first_line(error: Exception) -> str:
    """What a library says first: torch goes on for a page, and says how to run the code, which is not passed on."""
    return CODE_OR_DAMAGE if "weights_only" in str(error) else in_words(error)


def import_extra(package: str, item: object) -> ModuleType:
    """Return a package of the extra ``tfhub``; TensorFlow takes ten seconds to load.

    Args:
        package: ``tensorflow`` or ``tensorflow_hub``.
        item: what is about to be read, for the message.

    Raises:
        ParamsError: it is not installed.
    """
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise ParamsError(f"{item}: needs {package} ({error}); expected it: pip install -e '.[tfhub]'") from error


def _variables(reader: Any, names: Mapping[str, str]) -> Iterator[tuple[str, Tensor]]:  # noqa: ANN401 - no types
    """Every tensor that is there, by our name; what is missing is named when the state is checked.

    Args:
        reader: TensorFlow's, of a checkpoint.
        names: TensorFlow's name of each tensor by ours, in the order in which the variables are made.
    """
    keys = _keys_by_name(reader)
    for place, (ours, theirs) in enumerate(names.items()):
        counted = VARIABLE_KEY.format(place)
        key = keys.get(theirs) or (counted if reader.has_tensor(counted) else theirs)
        if reader.has_tensor(key):
            yield ours, tensor_of(in_torch_order(reader.get_tensor(key)), key)


def _keys_by_name(reader: Any) -> dict[str, str]:  # noqa: ANN401 - TensorFlow has no types
    """The key of each named variable in a SavedModel; without names, a module's variables count as they were made."""
    if not reader.has_tensor(OBJECT_GRAPH_KEY):
        return {}  # a TensorFlow 1 checkpoint, whose keys are the names
    protobuf = import_extra("tensorflow.core.protobuf.trackable_object_graph_pb2", OBJECT_GRAPH_KEY)
    graph = protobuf.TrackableObjectGraph.FromString(reader.get_tensor(OBJECT_GRAPH_KEY))
    return {variable.full_name: variable.checkpoint_key for node in graph.nodes for variable in node.attributes}


def expected_shapes(network: str) -> dict[str, tuple[int, ...]]:
    """Return the shape of every tensor that a network needs, by name.

    Example:
        >>> expected_shapes("vggish")["embeddings.4.weight"]
        (128, 4096)
    """
    return _needed(network, network_part(network, "published").expected_shapes())


def _needed(network: str, of_tensors: Mapping[str, Of]) -> dict[str, Of]:
    """What is given of each tensor, without those of a published file that the network does not need."""
    unused: tuple[str, ...] = network_part(network, "published").UNUSED
    return {name: of for name, of in of_tensors.items() if not name.startswith(unused) and not name.endswith(unused)}


def _checked(network: str, path: Path, found: State) -> State:
    """The tensors in float32, once their names and shapes are those of the network and their values are finite."""
    state = _needed(network, dict(sorted(found.items())))
    _check_shapes(network, path, state)
    for name, value in state.items():
        if not value.is_floating_point() or not value.isfinite().all():
            raise DataError(f"{path}: {name} ({value.dtype}) holds more than numbers; expected finite floats")
    return {name: value.detach().float().contiguous() for name, value in state.items()}


def _check_shapes(network: str, path: Path, state: State) -> None:
    """Name the first tensor that the network does not have, or has in another shape."""
    expected = expected_shapes(network)
    found = {name: tuple(value.shape) for name, value in state.items()}
    for name in sorted(expected.keys() | found.keys()):
        if found.get(name) != expected.get(name):
            shape, wanted = found.get(name, "missing"), expected.get(name, "no such tensor")
            raise DataError(f"{path}: not the weights of {network}: {name} is {shape}; expected {wanted}")
