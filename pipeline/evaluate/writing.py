"""How numbers are written: six significant digits, as JSON and as tables."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.formats.csv_rows import write_rows


def six_digits(value: Any) -> Any:  # noqa: ANN401 - whatever JSON can hold
    """Return the value with all its floats, at any depth of maps and lists, rounded to six significant digits.

    The next digits depend on the kind of processor, which adds in an order of its own, and no reader needs them.

    Example:
        >>> six_digits({"map": 0.7253069575698712, "n_clips": 1234567, "per_class": [1 / 3]})
        {'map': 0.725307, 'n_clips': 1234567, 'per_class': [0.333333]}
    """
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, Mapping):
        return {key: six_digits(member) for key, member in value.items()}
    return [six_digits(member) for member in value] if isinstance(value, list | tuple) else value


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write maps of scalars as JSON, floats with six significant digits.

    Raises:
        ValueError: a number is NaN or infinite, for which JSON has no word.
    """
    text = json.dumps(six_digits(content), indent=2, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8")


def write_csv(path: Path, rows: Sequence[Mapping[str, Any]], columns: Sequence[str] = ()) -> None:
    """Write a table, floats with six significant digits; its folder is made.

    Args:
        path: the file.
        rows: a map each from columns to values.
        columns: in their order; without them those of the rows, of which there is then at least one.
    """
    names = columns or list(dict.fromkeys(name for row in rows for name in row))
    path.parent.mkdir(parents=True, exist_ok=True)
    write_rows(path, names, [[six_digits(row.get(name)) for name in names] for row in rows])
