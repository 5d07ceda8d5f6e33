"""Tracks of faces for tests: rows by hand, written as a user would."""

from collections.abc import Mapping, Sequence
from pathlib import Path

Row = Mapping[str, object]


def standing(track: str, x: float, width: float, height: float, seconds: int, **more: object) -> list[Row]:
    """The rows of a box that stands still at the top of a film, one a second."""
    box = {"x": x, "y": 0, "width": width, "height": height}
    return [{**more, "track": track, "seconds": k, **box} for k in range(seconds + 1)]


def write_tracks(path: Path, rows: Sequence[Row]) -> Path:
    """A tracks.csv whose columns are those of the first row."""
    lines = [",".join(rows[0]), *(",".join(str(cell) for cell in row.values()) for row in rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
