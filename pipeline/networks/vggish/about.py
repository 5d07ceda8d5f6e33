"""What the project must know of VGGish before it is loaded: one vector of 128 numbers for 0.96 s of sound."""

from collections.abc import Mapping
from typing import Literal

from pipeline.errors import ParamsError
from pipeline.network_parts.base import NetworkParams

INPUTS, MODALITY, WIDTH = "logmel", "audio", 128
EXAMPLE_SHAPE = (96, 64)


class VggishParams(NetworkParams):
    """Section ``vggish`` of params.yaml.

    Attributes:
        final_relu: end with a ReLU.
        postprocess: what AudioSet does to the vectors before it publishes them.
    """

    final_relu: bool
    postprocess: Literal["none", "pca", "pca_uint8"]


PARAMS = VggishParams


def check_inputs(section: Mapping[str, object]) -> None:
    """Refuse examples of another size than 96 x 64.

    Args:
        section: ``logmel`` of params.yaml.

    Raises:
        ParamsError: a size is another one.
    """
    for key, size in zip(("frames_per_example", "n_mels"), EXAMPLE_SHAPE, strict=True):
        if (given := section.get(key)) != size:
            raise ParamsError(f"{INPUTS}.{key}: {given!r}; expected {size}: VGGish takes examples of one size")


def extra_facts(params: VggishParams) -> dict[str, str]:
    """Return the hash of AudioSet's PCA where it is wanted.

    Raises:
        DataError: its file is missing or damaged.
    """
    if params.postprocess == "none":
        return {}
    from pipeline.formats.files import file_sha256
    from pipeline.networks.vggish.audioset_pca import load_vggish_pca, pca_file

    load_vggish_pca(pca_file())
    return {"pca_sha256": file_sha256(pca_file())}
