"""The places that publish weights, and what each of them is called in params.yaml."""

from dataclasses import dataclass

RANDOM = "random"


@dataclass(frozen=True, kw_only=True)
class Source:
    """One published set of weights.

    Args:
        network: the section of params.yaml that may name it.
        url: where it is published.
        file: name of its file, or of the folder that its archive is unpacked into.
        licence: what its publisher says.
        sha256_prefix: how the SHA-256 of the file begins; empty where the publisher names none.
    """

    network: str
    url: str
    file: str
    licence: str
    sha256_prefix: str = ""

    @property
    def is_on_tfhub(self) -> bool:
        """Whether it is a module of TF-Hub: an archive to unpack, fetched by TF-Hub's own library."""
        return self.url.startswith("https://tfhub.dev/")


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
    ),
    "torchvggish": Source(
        network="vggish",
        url="https://github.com/harritaylor/torchvggish/releases/download/v0.1/vggish-10086976.pth",
        file="vggish-10086976.pth",
        licence="Apache-2.0",
        sha256_prefix="10086976",
    ),
    "imagenet1k_v1": Source(
        network="inception",
        url="https://download.pytorch.org/models/inception_v3_google-0cc3c7bd.pth",
        file="inception_v3_google-0cc3c7bd.pth",
        licence="BSD-3-Clause (torchvision); trained on ImageNet, whose terms apply",
        sha256_prefix="0cc3c7bd",
    ),
}


def names_of(network: str) -> list[str]:
    """Return what ``NETWORK.weights`` may be called besides a path."""
    return [RANDOM, *(name for name, source in SOURCES.items() if source.network == network)]
