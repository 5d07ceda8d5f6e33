"""VGGish as TensorFlow's users have it: the original graph with random weights, saved in both published forms."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf  # type: ignore[import-untyped,unused-ignore]  # has no stubs
from numpy.typing import NDArray

CONVOLUTIONS = (("conv1",), ("conv2",), ("conv3/conv3_1", "conv3/conv3_2"), ("conv4/conv4_1", "conv4/conv4_2"))
CHANNELS = {"conv1": 64, "conv2": 128, "conv3/": 256, "conv4/": 512}
DENSE = ("fc1/fc1_1", "fc1/fc1_2", "fc2")


def shapes() -> dict[str, tuple[int, ...]]:
    """Shape of every weight and bias by the name of its layer, in the order in which the original creates them."""
    names = [name for block in CONVOLUTIONS for name in block]
    channels = [1, *(next(n for start, n in CHANNELS.items() if name.startswith(start)) for name in names)]
    kernels = {name: (3, 3, *widths) for name, widths in zip(names, pairwise(channels), strict=True)}
    return kernels | dict(zip(DENSE, pairwise((6 * 4 * 512, 4096, 4096, 128)), strict=True))


def random_values(seed: int) -> dict[str, NDArray[np.float32]]:
    """Weights that keep a signal's size through the layers, and biases that matter, by the variables' own names."""
    rng, values = np.random.default_rng(seed), {}
    for layer, shape in shapes().items():
        weights = rng.standard_normal(shape, np.float32)
        values[f"vggish/{layer}/weights"] = weights * np.float32(np.sqrt(2 / np.prod(shape[:-1])))
        values[f"vggish/{layer}/biases"] = rng.standard_normal(shape[-1:], np.float32) / 4
    return values


def network(examples: Any) -> Any:  # noqa: ANN401 - TensorFlow has no types
    """The original's layers, on (n, 96, 64) log-mel examples; variables are made in its order and under its names."""
    v1 = tf.compat.v1

    def variables(layer: str) -> list[Any]:
        shape = shapes()[layer]
        with v1.variable_scope(f"vggish/{layer}"):
            return [v1.get_variable("weights", shape), v1.get_variable("biases", shape[-1:])]

    x = tf.reshape(examples, (-1, 96, 64, 1))
    for block in CONVOLUTIONS:
        for layer in block:
            weights, biases = variables(layer)
            x = tf.nn.relu(tf.nn.conv2d(x, weights, strides=1, padding="SAME") + biases)
        x = tf.nn.max_pool2d(x, ksize=2, strides=2, padding="SAME")
    x = tf.reshape(x, (-1, 6 * 4 * 512))
    for layer in DENSE:
        weights, biases = variables(layer)
        x = tf.matmul(x, weights) + biases
        x = x if layer == "fc2" else tf.nn.relu(x)
    return x


def save_module(folder: Path, values: dict[str, NDArray[np.float32]]) -> None:
    """Save the graph as TF-Hub's module has it: wrapped in a tf.Module that lists the variables as they were made."""
    module = tf.Module()
    module._embed = tf.compat.v1.wrap_function(network, [tf.TensorSpec((None, 96, 64))])
    variables = {variable.name.removesuffix(":0"): variable for variable in module._embed.variables}
    module._variables = [variables[name] for name in values]  # the wrapped graph keeps no order
    for variable, value in zip(module._variables, values.values(), strict=True):
        variable.assign(value)
    module.__call__ = tf.function(lambda examples: module._embed(examples), [tf.TensorSpec((None, 96, 64))])
    tf.saved_model.save(module, str(folder))


def save_checkpoint(path: Path, values: dict[str, NDArray[np.float32]]) -> None:
    """Save the variables in one file, as TensorFlow 1 does and vggish_model.ckpt is."""
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        network(v1.placeholder(tf.float32, (None, 96, 64)))
        for variable in v1.global_variables():
            variable.load(values[variable.op.name], session)
        v1.train.Saver(write_version=v1.train.SaverDef.V1).save(session, str(path), write_meta_graph=False)


def embed(folder: Path, examples: NDArray[np.float32]) -> NDArray[np.float32]:
    """What the module saved in a folder makes of log-mel examples: (n, 128)."""
    embeddings: NDArray[np.float32] = tf.saved_model.load(str(folder))(tf.constant(examples)).numpy()
    return embeddings
