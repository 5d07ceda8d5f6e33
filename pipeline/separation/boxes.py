"""boxes.csv: where in its pictures a clip sounds. Heat maps are measured by it; no model is given it.

A source of clips that knows may lay such a table beside them.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import DataError
from pipeline.formats.csv_rows import read_rows, write_rows
from pipeline.settings.paths import AnyPath

FILE = "boxes.csv"
_COLUMNS = ("clip_id", "x", "y", "width", "height")


class SoundingBox(NamedTuple):
    """A rectangle as fractions of the picture's width and height, from the upper left corner."""

    x: float
    y: float
    width: float
    height: float

    def mask(self, size: int) -> NDArray[np.bool_]:
        """Return (size, size): the pixels of a picture whose middle is inside.

        Example:
            >>> SoundingBox(0.0, 0.5, 0.5, 0.5).mask(2)
            array([[False, False],
                   [ True, False]])
        """
        middles = (np.arange(size) + 0.5) / size
        columns = (middles >= self.x) & (middles < self.x + self.width)
        rows = (middles >= self.y) & (middles < self.y + self.height)
        return rows[:, None] & columns[None, :]


def read_boxes(path: AnyPath) -> dict[str, SoundingBox]:
    """Return the boxes by their clips.

    Raises:
        DataError: the table is damaged, or a box is no rectangle within the picture.
        OSError: it is missing.
    """
    boxes = {}
    for row in read_rows(path, _COLUMNS):
        try:
            box = SoundingBox(*(float(row[name]) for name in _COLUMNS[1:]))
        except ValueError as error:
            raise DataError(f"{path}: clip {row['clip_id']!r}: {error}; expected numbers") from error
        inside = 0 <= box.x < box.x + box.width <= 1 + 1e-6 and 0 <= box.y < box.y + box.height <= 1 + 1e-6
        if not inside:
            raise DataError(f"{path}: clip {row['clip_id']!r}: {tuple(box)}; expected a rectangle within 0 to 1")
        boxes[row["clip_id"]] = box
    return boxes


def copy_boxes(root: AnyPath, clip_ids: Iterable[str], path: AnyPath) -> None:
    """Write the boxes of clips, those that a table in their folder has; without any the table has no rows.

    Args:
        root: the folder that the clips' paths start from.
        clip_ids: of which clips.
        path: of the table.

    Raises:
        DataError: the table is damaged.
    """
    file = Path(root) / FILE
    found: Mapping[str, SoundingBox] = read_boxes(file) if file.exists() else {}
    write_rows(path, _COLUMNS, [(name, *found[name]) for name in clip_ids if name in found])
