"""The limits that every stage keeps which works clip by clip: two keys of section ``dataset`` of params.yaml."""

from typing import Annotated

from pydantic import Field, PositiveFloat

from pipeline.errors import ParamsError
from pipeline.settings.params import StageParams, read_section


class ClipLimits(StageParams):
    """How many clips may be refused, and how long one may take.

    Attributes:
        max_rejected_fraction: share of the clips, in [0, 1]; more stop the run.
        clip_timeout_seconds: a clip that takes longer to decode is refused.
    """

    max_rejected_fraction: Annotated[float, Field(ge=0, le=1)]
    clip_timeout_seconds: PositiveFloat


def clip_limits() -> ClipLimits:
    """Return both limits, whatever else stands in the section.

    Raises:
        ParamsError: one of them is missing or out of range.
    """
    values = {name: read_section(f"dataset.{name}") for name in ClipLimits.model_fields}
    try:
        return ClipLimits.model_validate(values)
    except ValueError as error:
        raise ParamsError(f"params.yaml: dataset: {error}") from error
