"""Files that only save time, or only take notes: one that cannot be used counts as none, and a line says so."""

from typing import TypeVar

from pydantic import TypeAdapter

from pipeline.errors import PipelineError, in_words
from pipeline.formats.files import write_atomically
from pipeline.settings.notices import tell_once
from pipeline.settings.paths import AnyPath
from pipeline.settings.regular_files import LARGEST_TEXT_BYTES, read_regular

Value = TypeVar("Value")
SAVES_TIME = "it only saves time"


def recall(
    path: AnyPath, kind: TypeAdapter[dict[str, Value]], use: str = SAVES_TIME, max_bytes: int = LARGEST_TEXT_BYTES
) -> dict[str, Value]:
    """Return what a file remembers; nothing where it is missing, damaged, somebody else's, a link or no file at all.

    Args:
        path: the JSON file.
        kind: of what it holds.
        use: why the run can go on without it, in words.
        max_bytes: a larger file counts as damaged.
    """
    try:
        return kind.validate_json(read_regular(path, max_bytes, follow_link=False))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:  # what pydantic and read_regular raise are ValueErrors
        problem = in_words(error)
        tell_once(f"{path}: cannot be used ({problem}); {use}, and the run goes on without it")
        return {}


def remember(
    path: AnyPath, kind: TypeAdapter[dict[str, Value]], known: dict[str, Value], use: str = SAVES_TIME
) -> None:
    """Write what is to be remembered, whole; where it cannot be written, a line says so and the run goes on."""
    try:
        write_atomically(path, kind.dump_json(known))
    except (OSError, PipelineError) as error:
        tell_once(f"{error}; {use}, and the run goes on without it")
