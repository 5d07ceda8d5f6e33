"""What the project must know of Inception-v3 before it is loaded: one vector of 2048 numbers for each picture."""

from collections.abc import Mapping

from pipeline.errors import ParamsError
from pipeline.network_parts.base import NetworkParams

INPUTS, MODALITY, WIDTH = "frames", "visual", 2048
MIN_PICTURE_SIDE = 75  # pixels


class InceptionParams(NetworkParams):
    """Section ``inception`` of params.yaml."""


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
