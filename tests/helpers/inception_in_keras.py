"""Inception-v3 as Keras' users have it: the graph of keras.applications, with weights of torchvision's names."""

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

BLOCK = ("5b", "5c", "5d", "6a", "6b", "6c", "6d", "6e", "7a", "7b", "7c")  # mixed0 to mixed10
STEM = ("1a_3x3", "2a_3x3", "2b_3x3", "3b_1x1", "4a_3x3")
DOUBLE, SEVEN = ("3x3dbl_1", "3x3dbl_2", "3x3dbl_3"), ("7x7_1", "7x7_2", "7x7_3")
SEVEN_DOUBLE, SEVEN_THREE = [f"7x7dbl_{i}" for i in range(1, 6)], [f"7x7x3_{i}" for i in range(1, 5)]
WIDE = ("3x3_1", "3x3_2a", "3x3_2b", "3x3dbl_1", "3x3dbl_2", "3x3dbl_3a", "3x3dbl_3b")
BRANCHES = {  # in the order in which Keras' code makes its convolutions
    **dict.fromkeys(BLOCK[:3], ("1x1", "5x5_1", "5x5_2", *DOUBLE, "_pool")),
    "6a": ("3x3", *DOUBLE),
    **dict.fromkeys(BLOCK[4:8], ("1x1", *SEVEN, *SEVEN_DOUBLE, "_pool")),
    "7a": ("3x3_1", "3x3_2", *SEVEN_THREE),
    **dict.fromkeys(BLOCK[9:], ("1x1", *WIDE, "_pool")),
}


def convolutions() -> list[str]:
    """Torchvision's names of the 94 convolutions, in the order in which Keras makes its own."""
    return [
        *(f"Conv2d_{name}" for name in STEM),
        *(f"Mixed_{block}.branch{name}" for block in BLOCK for name in BRANCHES[block]),
    ]


@cache
def _graph() -> Any:  # noqa: ANN401 - Keras has no types
    """The network with its pool and without its classifier, once a process."""
    import tensorflow as tf  # type: ignore[import-untyped,unused-ignore]  # has no stubs; where it is used: five seconds

    return tf.keras.applications.InceptionV3(weights=None, include_top=False, pooling="avg")


def keras_inception(state: dict[str, Tensor]) -> Any:  # noqa: ANN401 - Keras has no types
    """Return Keras' network with these weights; the next call changes them."""
    network = _graph()
    of_kind = {kind: _in_order(network, kind) for kind in ("Conv2D", "BatchNormalization")}
    for name, convolution, norm in zip(convolutions(), *of_kind.values(), strict=True):
        convolution.set_weights([state[f"{name}.conv.weight"].permute(2, 3, 1, 0).numpy()])
        norm.set_weights([state[f"{name}.bn.{part}"].numpy() for part in ("bias", "running_mean", "running_var")])
    return network


def features_of(network: Any, pictures: NDArray[np.float32]) -> NDArray[np.float32]:  # noqa: ANN401 - as above
    """What Keras' network makes of pictures (n, 299, 299, 3): (n, 2048)."""
    features: NDArray[np.float32] = network(pictures).numpy()
    return features


def _in_order(network: Any, kind: str) -> list[Any]:  # noqa: ANN401 - as above
    """The layers of a kind as they were made: Keras counts them in their names, the first of a process without one."""
    found = [layer for layer in network.layers if type(layer).__name__ == kind]
    return sorted(found, key=lambda layer: (len(layer.name), layer.name))
