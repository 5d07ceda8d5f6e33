"""Who publishes weights of Inception-v3, and which of their tensors it has no use for."""

from pipeline.network_parts.base import KerasName, Source

SOURCES = {
    "imagenet1k_v1": Source(
        network="inception",
        url="https://download.pytorch.org/models/inception_v3_google-0cc3c7bd.pth",
        file="inception_v3_google-0cc3c7bd.pth",
        licence="BSD-3-Clause (torchvision); trained on ImageNet, whose terms apply",
        sha256="0cc3c7bd75056d25e46cba549dc184522069b81e9787eff6df84f397bd52a5ef",
    ),
}
KERAS_PARTS = {
    "conv.weight": ("conv2d", "kernel"),
    "bn.weight": ("batch_normalization", "gamma"),
    "bn.bias": ("batch_normalization", "beta"),
    "bn.running_mean": ("batch_normalization", "moving_mean"),
    "bn.running_var": ("batch_normalization", "moving_variance"),
}
KERAS_CHOICES = {"average_pool": "tensorflow"}
UNUSED = ("fc.", "AuxLogits.", "num_batches_tracked")  # the classifiers, and training's counters


def expected_shapes() -> dict[str, tuple[int, ...]]:
    """Return the shape of every tensor by its name in torchvision, some of the unused ones included."""
    import torch
    from torchvision.models import inception_v3

    with torch.device("meta"):
        state = inception_v3(weights=None, aux_logits=False, init_weights=False).state_dict()
    return {name: tuple(value.shape) for name, value in state.items()}


def keras_names() -> dict[str, KerasName]:
    """Return which tensor of Keras' InceptionV3 each tensor is; Keras makes the layers in torchvision's order.

    Example:
        >>> keras_names()["Conv2d_2a_3x3.bn.bias"]
        KerasName(layer='batch_normalization', place=1, part='beta')
    """
    blocks = [name.removesuffix(".conv.weight") for name in expected_shapes() if name.endswith(".conv.weight")]
    return {
        f"{block}.{ours}": KerasName(layer, place, part)
        for place, block in enumerate(blocks)
        for ours, (layer, part) in KERAS_PARTS.items()
    }


def tensorflow_names() -> dict[str, str]:
    """Return nothing: no checkpoint of TensorFlow is read."""
    return {}
