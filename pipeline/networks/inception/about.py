"""What the project must know of Inception-v3 before it is loaded: one vector of 2048 numbers for each picture."""

from collections.abc import Mapping
from typing import Literal

from pipeline.errors import ParamsError
from pipeline.network_parts.base import NetworkParams

INPUTS, MODALITY, WIDTH = "frames", "visual", 2048
MIN_PICTURE_SIDE = 75  # pixels


class InceptionParams(NetworkParams):
    """Section ``inception`` of params.yaml.

    Attributes:
        input_range: the numbers that stood for black and white when the weights were trained.
        average_pool: what the 3 x 3 means divide by at the border of a map: by 9, the zeros of the padding counted, as
            torchvision does, or by the number of places within the map, as TensorFlow does.
    """

    input_range: Literal["-1..1", "0..1"]
    average_pool: Literal["torchvision", "tensorflow"]


PARAMS = InceptionParams


def check_inputs(section: Mapping[str, object]) -> None:
    """Refuse pictures that are too small.

    Args:
        section: ``frames`` of params.yaml.

    Raises:
        ParamsError: their side is no number, or below 75 pixels.
    """
    side = section.get("size")
    if not isinstance(side, int) or side < MIN_PICTURE_SIDE:
        raise ParamsError(
            f"{INPUTS}.size: {side!r}; expected at least {MIN_PICTURE_SIDE} pixels: "
            "Inception-v3 takes no smaller picture"
        )


def extra_facts(params: InceptionParams) -> dict[str, str]:
    """Return nothing: params and weights decide the result."""
    return {}
