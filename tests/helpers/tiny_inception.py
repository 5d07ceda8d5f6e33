"""An Inception-v3 of two blocks, a few numbers wide, and the files in which Keras' users have its weights."""

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from pipeline.networks.inception import published
from tests.helpers.tiny_vggish import State

SHAPES = {"first": (4, 3, 1, 3), "second": (2, 4, 3, 3)}  # of the convolutions, as torch has them
PARTS = {"beta": "bias", "moving_mean": "running_mean", "moving_variance": "running_var"}
Arrays = dict[str, NDArray[np.generic]]


def tiny_state(monkeypatch: pytest.MonkeyPatch) -> State:
    """Random weights of the tiny network, which for one test is the one that is expected; all scales are 1."""
    shapes: dict[str, tuple[int, ...]] = {}
    for name, shape in SHAPES.items():
        shapes[f"{name}.conv.weight"] = shape
        shapes |= {f"{name}.bn.{part}": shape[:1] for part in ("weight", *PARTS.values())}
    monkeypatch.setattr(published, "expected_shapes", lambda: shapes | {"fc.weight": (5, 2)})
    generator = torch.Generator().manual_seed(0)
    drawn = {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}
    return drawn | {f"{name}.bn.weight": torch.ones(shape[0]) for name, shape in SHAPES.items()}


def keras_arrays(state: State, first: int = 0) -> Arrays:
    """The same weights by Keras' names and in its order of dimensions; layers are counted from ``first`` on."""
    arrays: Arrays = {}
    for place, name in enumerate(SHAPES, start=first):
        number = f"_{place}" if place else ""
        arrays[f"conv2d{number}/kernel"] = state[f"{name}.conv.weight"].permute(2, 3, 1, 0).numpy()
        for theirs, ours in PARTS.items():
            arrays[f"batch_normalization{number}/{theirs}"] = state[f"{name}.bn.{ours}"].numpy()
    return arrays


def save_hdf5(path: Path, arrays: Arrays) -> None:
    """Save arrays under their names, whose folders become groups."""
    with h5py.File(path, "w") as file:
        for name, array in arrays.items():
            file[name] = array


def save_tfjs(folder: Path, arrays: Arrays, n_bits: int = 32, **more: object) -> None:
    """Save a layers model for TensorFlow.js in two files, of floats of 32 or 16 bits, or 8-bit steps of each range."""
    folder.mkdir(exist_ok=True)
    weights, data = [], b""
    for name, array in arrays.items():
        spec: dict[str, object] = {"name": name, "shape": list(array.shape), "dtype": "float32"}
        if n_bits == 8:
            low, step = float(array.min()), float(np.ptp(array)) / 255
            spec["quantization"] = {"dtype": "uint8", "scale": step, "min": low}
            data += np.round((array - low) / step).astype(np.uint8).tobytes()
        elif n_bits == 16:
            spec["quantization"] = {"dtype": "float16", "original_dtype": "float32"}
            data += array.astype("<f2").tobytes()
        else:
            data += array.astype("<f4").tobytes()
        weights.append(spec)
    paths = ["group1-shard1of2.bin", "group1-shard2of2.bin"]
    for path, part in zip(paths, (data[:7], data[7:]), strict=True):
        (folder / path).write_bytes(part)
    model = {"format": "layers-model", "modelTopology": {}, "weightsManifest": [{"paths": paths, "weights": weights}]}
    (folder / "model.json").write_text(json.dumps(model | more))
