"""Who publishes weights of DINOv2's small vision transformer, and the shapes of its tensors."""

from pipeline.network_parts.base import KerasName, Source

SOURCES = {
    "lvd142m": Source(
        network="dinov2",
        url="https://dl.fbaipublicfiles.com/dinov2/dinov2_vits14/dinov2_vits14_pretrain.pth",
        file="dinov2_vits14_pretrain.pth",
        licence="Apache-2.0",
        sha256="b938bf1bc15cd2ec0feacfe3a1bb553fe8ea9ca46a7e1d8d00217f29aef60cd9",
    ),
}
KERAS_CHOICES: dict[str, str] = {}
UNUSED = ("mask_token",)  # stands for hidden patches in training
WIDTH, N_BLOCKS, N_PATCHES = 384, 12, 37 * 37  # of the pictures of 518 x 518 pixels that it was trained on last
HIDDEN = 4 * WIDTH
BLOCK = {
    **{f"norm1.{part}": (WIDTH,) for part in ("weight", "bias")},
    "attn.qkv.weight": (3 * WIDTH, WIDTH),
    "attn.qkv.bias": (3 * WIDTH,),
    "attn.proj.weight": (WIDTH, WIDTH),
    "attn.proj.bias": (WIDTH,),
    "ls1.gamma": (WIDTH,),
    **{f"norm2.{part}": (WIDTH,) for part in ("weight", "bias")},
    "mlp.fc1.weight": (HIDDEN, WIDTH),
    "mlp.fc1.bias": (HIDDEN,),
    "mlp.fc2.weight": (WIDTH, HIDDEN),
    "mlp.fc2.bias": (WIDTH,),
    "ls2.gamma": (WIDTH,),
}


def expected_shapes() -> dict[str, tuple[int, ...]]:
    """Return the shape of every tensor by its name.

    Names are the same in the published file and in timm.

    Example:
        >>> expected_shapes()["pos_embed"]
        (1, 1370, 384)
    """
    shapes: dict[str, tuple[int, ...]] = {
        "cls_token": (1, 1, WIDTH),
        "pos_embed": (1, 1 + N_PATCHES, WIDTH),
        "patch_embed.proj.weight": (WIDTH, 3, 14, 14),
        "patch_embed.proj.bias": (WIDTH,),
        "norm.weight": (WIDTH,),
        "norm.bias": (WIDTH,),
    }
    return shapes | {f"blocks.{i}.{name}": shape for i in range(N_BLOCKS) for name, shape in BLOCK.items()}


def keras_names() -> dict[str, KerasName]:
    """Return nothing: Keras has no such network."""
    return {}


def tensorflow_names() -> dict[str, str]:
    """Return nothing: no checkpoint of TensorFlow is read."""
    return {}
