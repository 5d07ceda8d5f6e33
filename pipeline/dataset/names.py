"""Names that can be printed: what a label, an id or a path of a data set may hold."""

from collections.abc import Iterable

from pipeline.errors import UNPRINTABLE, DataError
from pipeline.formats.clips import Clip
from pipeline.settings.limits import Limits

N_SHOWN = 60
FIELDS = ("clip_id", "path", "label", "source_id")


def check_name(name: str, place: str, limits: Limits) -> None:
    """Refuse a name with a control character, which a terminal would obey, or one that is too long.

    Args:
        name: a label, an id, a path or another text of a data set.
        place: where it stands and what it is, for the message.
        limits: section ``limits`` of params.yaml.

    Raises:
        DataError: with the character, or the length.
    """
    if len(name) > limits.text_characters:
        expected = f"at most {limits.named('text_characters')}"
        raise DataError(f"{place} {name[:N_SHOWN]!r}... has {len(name)} characters; expected {expected}")
    if found := UNPRINTABLE.search(name):
        raise DataError(f"{place} {name!r} holds U+{ord(found[0]):04X}; expected no control character")


def check_names(clips: Iterable[Clip], place: str, limits: Limits) -> None:
    """Refuse clips whose names cannot be printed.

    Raises:
        DataError: as ``check_name`` says, with the place.
    """
    for clip in clips:
        for field in FIELDS:
            check_name(getattr(clip, field), f"{place}: {field}", limits)
