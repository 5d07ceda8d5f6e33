"""Who publishes weights of YAMNet, and what its layers are called there."""

from typing import NamedTuple

from pipeline.network_parts.base import KerasName, Source

SOURCES = {
    "audioset": Source(
        network="yamnet",
        url="https://storage.googleapis.com/audioset/yamnet.h5",
        file="yamnet.h5",
        licence="Apache-2.0",
        sha256="13c3308955bbfaef262f175ac9c40e47b134573a93984f009220dd7cc12a1744",
    ),
}
KERAS_CHOICES: dict[str, str] = {}
UNUSED = ("num_batches_tracked",)  # training's counters; the classifier is not read
N_FIRST = 32  # filters of the first layer
BLOCKS = (  # stride and filters of the layers behind it
    *((1, 64), (2, 128), (1, 128), (2, 256), (1, 256), (2, 512)),
    *((1, 512), (1, 512), (1, 512), (1, 512), (1, 512), (2, 1024), (1, 1024)),
)
NORM_PARTS = {
    "weight": "gamma",
    "bias": "beta",
    "running_mean": "moving_mean",
    "running_var": "moving_variance",
}


class ConvSize(NamedTuple):
    """One convolution.

    Attributes:
        name: in Keras.
        n_in: channels that it reads.
        n_out: channels that it makes.
        side: of its kernel.
        stride: in both directions.
    """

    name: str
    n_in: int
    n_out: int
    side: int
    stride: int

    @property
    def is_depthwise(self) -> bool:
        """Whether each channel is filtered by itself."""
        return self.name.endswith("depthwise_conv")


def conv_sizes() -> list[ConvSize]:
    """Return all convolutions in order: the first one, then pairs of a depthwise and a pointwise one.

    Example:
        >>> len(conv_sizes()), conv_sizes()[2]
        (27, ConvSize(name='layer2/pointwise_conv', n_in=32, n_out=64, side=1, stride=1))
    """
    sizes, n_in = [ConvSize("layer1/conv", 1, N_FIRST, 3, 2)], N_FIRST
    for layer, (stride, n_out) in enumerate(BLOCKS, start=2):
        sizes.append(ConvSize(f"layer{layer}/depthwise_conv", n_in, n_in, 3, stride))
        sizes.append(ConvSize(f"layer{layer}/pointwise_conv", n_in, n_out, 1, 1))
        n_in = n_out
    return sizes


def expected_shapes() -> dict[str, tuple[int, ...]]:
    """Return the shape of every tensor by its name in our network."""
    shapes: dict[str, tuple[int, ...]] = {}
    for place, size in enumerate(conv_sizes()):
        shapes[f"units.{place}.conv.weight"] = (size.n_out, 1 if size.is_depthwise else size.n_in, size.side, size.side)
        shapes |= {f"units.{place}.norm.{part}": (size.n_out,) for part in NORM_PARTS}
    return shapes


def keras_names() -> dict[str, KerasName]:
    """Return what every tensor is called in ``yamnet.h5``.

    Example:
        >>> keras_names()["units.1.norm.bias"]
        KerasName(layer='layer2/depthwise_conv/bn', place=None, part='beta')
    """
    names: dict[str, KerasName] = {}
    for place, size in enumerate(conv_sizes()):
        kernel = "depthwise_kernel" if size.is_depthwise else "kernel"
        names[f"units.{place}.conv.weight"] = KerasName(size.name, None, kernel)
        for ours, part in NORM_PARTS.items():
            names[f"units.{place}.norm.{ours}"] = KerasName(f"{size.name}/bn", None, part)
    return names


def tensorflow_names() -> dict[str, str]:
    """Return nothing: no checkpoint of TensorFlow is read."""
    return {}
