"""A stage that costs nothing, for workers to import: one number of each clip."""

from pathlib import Path

import numpy as np

from pipeline.formats.clips import Clip
from pipeline.formats.shards import Arrays


def number_of(clip: Clip, path: Path) -> Arrays:
    """Return the number that a clip's file holds, as an array ``number`` of shape (1,), by name."""
    return {"number": np.array([int(path.read_bytes())])}
