"""JSON that somebody may have damaged or made to do damage."""

import json
from typing import Any


def parse_json(text: str | bytes) -> Any:  # noqa: ANN401 - whatever the text holds
    """Return what a JSON text holds.

    Raises:
        ValueError: it is no JSON, or is nested deeper than Python's parser can go.
    """
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("JSON that is nested too deep") from error
