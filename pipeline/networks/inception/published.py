"""Who publishes weights of Inception-v3, and which of their tensors it has no use for."""

from pipeline.network_parts.base import Source

SOURCES = {
    "imagenet1k_v1": Source(
        network="inception",
        url="https://download.pytorch.org/models/inception_v3_google-0cc3c7bd.pth",
        file="inception_v3_google-0cc3c7bd.pth",
        licence="BSD-3-Clause (torchvision); trained on ImageNet, whose terms apply",
        sha256="0cc3c7bd75056d25e46cba549dc184522069b81e9787eff6df84f397bd52a5ef",
    ),
}
UNUSED = ("fc.", "AuxLogits.", "num_batches_tracked")  # the classifiers, and training's counters


def expected_shapes() -> dict[str, tuple[int, ...]]:
    """Return the shape of every tensor by its name in torchvision, some of the unused ones included."""
    import torch
    from torchvision.models import inception_v3

    with torch.device("meta"):
        state = inception_v3(weights=None, aux_logits=False, init_weights=False).state_dict()
    return {name: tuple(value.shape) for name, value in state.items()}


def tensorflow_names() -> dict[str, str]:
    """Return nothing: no weights in TensorFlow's format are read."""
    return {}
