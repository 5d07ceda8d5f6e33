"""Who publishes weights of VGGish, and what the layers are called there."""

from pipeline.network_parts.base import KerasName, Source

SOURCES = {
    "tfhub": Source(
        network="vggish",
        url="https://tfhub.dev/google/vggish/1",
        file="google_vggish_1",
        licence="Apache-2.0",
    ),
    "tf_checkpoint": Source(
        network="vggish",
        url="https://storage.googleapis.com/audioset/vggish_model.ckpt",
        file="vggish_model.ckpt",
        licence="Apache-2.0",
        sha256="0962b1914e3e053922d957c45bc84a78c985765641dc6bceeeb3a7d8dfecfdf6",
    ),
    "torchvggish": Source(
        network="vggish",
        url="https://github.com/harritaylor/torchvggish/releases/download/v0.1/vggish-10086976.pth",
        file="vggish-10086976.pth",
        licence="Apache-2.0",
        sha256="10086976245803799d9194e9a73d9b6c1549c71d1b80106f5cade5608a561f4b",
    ),
}
KERAS_CHOICES: dict[str, str] = {}
UNUSED = ("pproc.",)  # the post-processing
LAYERS: tuple[tuple[str, str, tuple[int, ...]], ...] = (  # TensorFlow's name, torchvggish's, shape of weights in torch
    ("conv1", "features.0", (64, 1, 3, 3)),
    ("conv2", "features.3", (128, 64, 3, 3)),
    ("conv3/conv3_1", "features.6", (256, 128, 3, 3)),
    ("conv3/conv3_2", "features.8", (256, 256, 3, 3)),
    ("conv4/conv4_1", "features.11", (512, 256, 3, 3)),
    ("conv4/conv4_2", "features.13", (512, 512, 3, 3)),
    ("fc1/fc1_1", "embeddings.0", (4096, 12288)),
    ("fc1/fc1_2", "embeddings.2", (4096, 4096)),
    ("fc2", "embeddings.4", (128, 4096)),
)


def expected_shapes() -> dict[str, tuple[int, ...]]:
    """Return the shape of every tensor by its name in torchvggish."""
    weights = {f"{name}.weight": shape for _, name, shape in LAYERS}
    return weights | {f"{name}.bias": shape[:1] for _, name, shape in LAYERS}


def tensorflow_names() -> dict[str, str]:
    """Return TensorFlow's name of every tensor by torchvggish's, in the order in which its variables are made.

    Example:
        >>> tensorflow_names()["features.0.bias"]
        'vggish/conv1/biases'
    """
    names: dict[str, str] = {}
    for theirs, ours, _ in LAYERS:
        names |= {f"{ours}.weight": f"vggish/{theirs}/weights", f"{ours}.bias": f"vggish/{theirs}/biases"}
    return names


def keras_names() -> dict[str, KerasName]:
    """Return nothing: Keras has no such network."""
    return {}
