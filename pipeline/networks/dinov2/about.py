"""What the project must know of DINOv2 before it is loaded: one vector of 384 numbers for each picture."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from pipeline.errors import ParamsError
from pipeline.network_parts.base import NetworkParams

INPUTS, MODALITY, WIDTH = "frames", "visual", 384
PATCH_SIDE = 14  # pixels


class Dinov2Params(NetworkParams):
    """Section ``dinov2`` of params.yaml.

    Attributes:
        size: side in pixels of the pictures that it sees, to which they are resized; patches of 14 have to fill it.
    """

    size: Annotated[int, Field(ge=PATCH_SIDE, multiple_of=PATCH_SIDE)]


PARAMS = Dinov2Params


def check_inputs(section: Mapping[str, object]) -> None:
    """Refuse pictures of no size.

    Args:
        section: ``frames`` of params.yaml.

    Raises:
        ParamsError: their side is no number, or below one patch.
    """
    side = section.get("size")
    if not isinstance(side, int) or side < PATCH_SIDE:
        raise ParamsError(
            f"{INPUTS}.size: {side!r}; expected at least {PATCH_SIDE} pixels: DINOv2 sees patches of those"
        )


def extra_facts(params: Dinov2Params) -> dict[str, str]:
    """Return nothing: params and weights decide the result."""
    return {}
