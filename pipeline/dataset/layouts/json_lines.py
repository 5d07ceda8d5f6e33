"""Tables as JSON lines: one object a line, whose keys are the columns."""

import json
from collections.abc import Iterator
from pathlib import Path

from pipeline.errors import DataError
from pipeline.settings.paths import AnyPath
from pipeline.settings.regular_files import open_regular_text

EXPECTED = "one JSON object a line, in UTF-8"


def read_objects(path: AnyPath) -> Iterator[tuple[str, dict[str, object]]]:
    """Yield the objects of a file, each behind its place, such as ``clips.jsonl: line 3``; empty lines are passed over.

    Raises:
        DataError: a line is no object or is no JSON, or a key comes twice in it; its number is named.
    """
    path = Path(path)
    try:
        with open_regular_text(path, "utf-8-sig") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    place = f"{path}: line {number}"
                    yield place, _object(place, line)
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: {error}; expected {EXPECTED}") from error


def _object(place: str, line: str) -> dict[str, object]:
    """One line."""

    def without_doubled(pairs: list[tuple[str, object]]) -> dict[str, object]:
        found = dict(pairs)
        if len(found) < len(pairs):
            raise DataError(f"{place}: a key comes twice in {[name for name, _ in pairs]}; expected each once")
        return found

    try:
        found = json.loads(line, object_pairs_hook=without_doubled)
    except DataError:
        raise
    except (ValueError, RecursionError) as error:
        raise DataError(f"{place}: {error}; expected {EXPECTED}") from error
    if not isinstance(found, dict):
        raise DataError(f"{place}: {type(found).__name__}; expected {EXPECTED}")
    return found
