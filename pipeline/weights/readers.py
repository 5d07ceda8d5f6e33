"""Weights as they are published become state dicts of our networks; nothing that a file brings is ever executed."""

import importlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, TypeAlias

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from pipeline.errors import DataError, ParamsError
from pipeline.networks.vggish.published import VGGISH_LAYERS

State: TypeAlias = dict[str, Tensor]

VARIABLE_KEY = "_variables/{}/.ATTRIBUTES/VARIABLE_VALUE"  # in the SavedModel of TF-Hub's module
OBJECT_GRAPH_KEY = "_CHECKPOINTABLE_OBJECT_GRAPH"
CONVERTER = "1"  # counts up when the same file would give other tensors
UNUSED = {  # what published files carry besides: the post-processing; the classifiers and training's counters
    "vggish": ("pproc.",),
    "inception": ("fc.", "AuxLogits.", "num_batches_tracked"),
}


def read_weights(network: str, path: Path) -> State:
    """Return the weights of a network, whatever kind of file holds them.

    Args:
        network: ``vggish`` or ``inception``.
        path: a ``.safetensors``, ``.pth`` or ``.pt`` file, a TensorFlow 1 checkpoint or the folder of a SavedModel
            (the latter two for VGGish).

    Returns:
        Float32 tensors under torchvggish's or torchvision's names.

    Raises:
        DataError: the file is of no such kind, damaged, or holds something else than the weights of the network.
        ParamsError: reading it needs TensorFlow, which is not installed.
    """
    return _checked(network, path, _reader(path)(path))


def read_any_weights(path: Path) -> tuple[str, State]:
    """Return which network a file is for, told by the names in it, and its weights, as `read_weights` does."""
    found = _reader(path)(path)
    network = "inception" if "Conv2d_1a_3x3.conv.weight" in found else "vggish"
    return network, _checked(network, path, found)


def _reader(path: Path) -> Callable[[Path], State]:
    """The function that reads this kind of file."""
    if path.is_dir():
        return lambda folder: _read_tensorflow(folder / "variables" / "variables")
    if path.suffix == ".safetensors":
        return _read_safetensors
    if path.suffix in {".pth", ".pt"}:
        return _read_torch
    if path.suffix == ".ckpt":
        return _read_tensorflow
    raise DataError(f"{path}: no known kind of file; expected .safetensors, .pth, .ckpt or the folder of a SavedModel")


def _read_safetensors(path: Path) -> State:
    try:
        state: State = load_file(path)
    except (SafetensorError, OSError) as error:
        raise DataError(f"{path}: {error}; expected a whole safetensors file") from error
    return state


def _read_torch(path: Path) -> State:
    """A pickle may name tensors and nothing else: whatever asks for code is refused before it runs."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # damage makes torch.load raise nearly any kind
        raise DataError(
            f"{path}: {_first_line(error)}; expected a whole file that holds tensors only, no code"
        ) from error
    if not isinstance(state, Mapping) or not all(
        isinstance(k, str) and isinstance(v, Tensor) for k, v in state.items()
    ):
        raise DataError(f"{path}: not a map from names to tensors; expected a state dict")
    return dict(state)


def _read_tensorflow(checkpoint: Path) -> State:
    """VGGish from the variables of a checkpoint; the graph beside them is not looked at."""
    tensorflow = import_extra("tensorflow", checkpoint)
    try:
        reader = tensorflow.train.load_checkpoint(str(checkpoint))
        return dict(_vggish_from_variables(reader))
    except (tensorflow.errors.OpError, ValueError, RuntimeError, IndexError) as error:
        raise DataError(
            f"{checkpoint}: {_first_line(error)}; expected a whole checkpoint of VGGish in TensorFlow"
        ) from error


def _first_line(error: Exception) -> str:
    """What a library says first, behind its error's name: torch goes on for a page, some say nothing or a number."""
    return ": ".join([type(error).__name__, *str(error).splitlines()[:1]])


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


def _vggish_from_variables(reader: Any) -> Iterator[tuple[str, Tensor]]:  # noqa: ANN401 - TensorFlow has no types
    """Every tensor of VGGish that is there; what is missing is named when the state is checked."""
    keys = _keys_by_name(reader)
    for layer, (tensorflow_name, torch_name, _) in enumerate(VGGISH_LAYERS):
        for part, (theirs, ours) in enumerate((("weights", "weight"), ("biases", "bias"))):
            name, counted = f"vggish/{tensorflow_name}/{theirs}", VARIABLE_KEY.format(2 * layer + part)
            key = keys.get(name) or (counted if reader.has_tensor(counted) else name)
            if reader.has_tensor(key):
                yield f"{torch_name}.{ours}", _to_torch_order(reader.get_tensor(key))


def _keys_by_name(reader: Any) -> dict[str, str]:  # noqa: ANN401 - TensorFlow has no types
    """The key of each named variable in a SavedModel; without names, a module's variables count as they were made."""
    if not reader.has_tensor(OBJECT_GRAPH_KEY):
        return {}  # a TensorFlow 1 checkpoint, whose keys are the names
    protobuf = import_extra("tensorflow.core.protobuf.trackable_object_graph_pb2", OBJECT_GRAPH_KEY)
    graph = protobuf.TrackableObjectGraph.FromString(reader.get_tensor(OBJECT_GRAPH_KEY))
    return {variable.full_name: variable.checkpoint_key for node in graph.nodes for variable in node.attributes}


def _to_torch_order(values: np.ndarray[Any, Any]) -> Tensor:
    """Convolutions from (height, width, in, out) to (out, in, height, width), matrices from (in, out) to (out, in)."""
    axes = {4: (3, 2, 0, 1), 2: (1, 0), 1: (0,)}.get(values.ndim, tuple(range(values.ndim)))
    return torch.from_numpy(np.ascontiguousarray(values.transpose(axes)))


def _is_unused(network: str, name: str) -> bool:
    return name.startswith(UNUSED[network]) or name.endswith(UNUSED[network])


def expected_shapes(network: str) -> dict[str, tuple[int, ...]]:
    """Return the shape of every tensor that a network needs."""
    if network == "vggish":
        weights = {f"{name}.weight": shape for _, name, shape in VGGISH_LAYERS}
        return weights | {f"{name}.bias": shape[:1] for _, name, shape in VGGISH_LAYERS}
    from torchvision.models import inception_v3

    with torch.device("meta"):
        state = inception_v3(weights=None, aux_logits=False, init_weights=False).state_dict()
    return {name: tuple(value.shape) for name, value in state.items() if not _is_unused(network, name)}


def _checked(network: str, path: Path, found: State) -> State:
    """The tensors in float32, once their names and shapes are those of the network and their values are finite."""
    state = {name: value for name, value in sorted(found.items()) if not _is_unused(network, name)}
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
