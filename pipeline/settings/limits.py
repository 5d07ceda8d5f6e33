"""What a clip, a table or a feature file may cost: section ``limits`` of params.yaml, and three keys of ``dataset``."""

import re
from typing import Annotated, Literal

from pydantic import Field, PositiveFloat, PositiveInt, TypeAdapter

from pipeline.errors import ParamsError, in_words
from pipeline.settings.params import StageParams, load_params, read_section

NO_TRACK = ("no_audio", "no_video")  # kinds of refusals that say only that a file has no such side
OneSidedChoice = Literal["refuse", "keep"]


class ClipLimits(StageParams):
    """How many clips may be refused, and how long one may take.

    Attributes:
        max_rejected_fraction: share of the clips, in [0, 1]; more stop the run.
        clip_timeout_seconds: a clip that takes longer in one stage is refused.
    """

    max_rejected_fraction: Annotated[float, Field(ge=0, le=1)]
    clip_timeout_seconds: PositiveFloat


class Limits(StageParams):
    """Section ``limits`` of params.yaml: what asks for more is refused before the work is done.

    Attributes:
        clip_seconds: length of a clip.
        gap_seconds: how long one picture may be on display.
        rows_per_clip: log-mel examples or pictures that are kept of a clip.
        picture_pixels: width times height.
        n_streams: tracks of all kinds in a media file.
        worker_memory_gigabytes: what a process that decodes may ask of the system.
        text_characters: length of a path, a label or another cell of a table.
        table_rows: rows of a table, or of a feature file.
        table_gigabytes: size of a table on disk.
        array_gigabytes: what the arrays of a feature file take in memory.
        expansion_factor: bytes that a table or a feature file may take in memory for each of its bytes on disk.
    """

    clip_seconds: PositiveFloat
    gap_seconds: PositiveFloat
    rows_per_clip: PositiveInt
    picture_pixels: PositiveInt
    n_streams: PositiveInt
    worker_memory_gigabytes: PositiveFloat
    text_characters: PositiveInt
    table_rows: PositiveInt
    table_gigabytes: PositiveFloat
    array_gigabytes: PositiveFloat
    expansion_factor: PositiveFloat

    def named(self, key: str) -> str:
        """Return a key with its value, as refusals name it: ``limits.clip_seconds=21600``."""
        value = getattr(self, key)
        return f"limits.{key}={value:.15g}"

    def differ_from(self, refusal: str) -> bool:
        """Return whether the text of a refusal names a limit with another value than it has here."""
        return any(self.named(key) != f"limits.{key}={value}" for key, value in _NAMED.findall(refusal))


_NAMED = re.compile(rf"limits\.({'|'.join(Limits.model_fields)})=([\d.e+-]*\d)")


def clip_limits() -> ClipLimits:
    """Return both limits of section ``dataset``, whatever else stands in it.

    Raises:
        ParamsError: one of them is missing or out of range.
    """
    values = {name: read_section(f"dataset.{name}") for name in ClipLimits.model_fields}
    try:
        return ClipLimits.model_validate(values)
    except ValueError as error:
        raise ParamsError(f"params.yaml: dataset: {in_words(error)}") from error


def keeps_one_sided() -> bool:
    """Return whether clips without sound, and clips without pictures, are kept for what they have.

    Raises:
        ParamsError: ``dataset.one_sided`` is missing, or is neither ``refuse`` nor ``keep``.
    """
    value = read_section("dataset.one_sided")
    try:
        return TypeAdapter[OneSidedChoice](OneSidedChoice).validate_python(value) == "keep"
    except ValueError as error:
        raise ParamsError(f"params.yaml: dataset.one_sided: {in_words(error)} (got {value!r})") from error


def uncounted_kinds() -> tuple[str, ...]:
    """Return the kinds of refusals that do not count against ``dataset.max_rejected_fraction``.

    Raises:
        ParamsError: as ``keeps_one_sided``.
    """
    return NO_TRACK if keeps_one_sided() else ()


def load_limits() -> Limits:
    """Return section ``limits`` of params.yaml.

    Raises:
        ParamsError: the section is missing, or a key is missing, unknown or out of range.
    """
    return load_params("limits", Limits)
