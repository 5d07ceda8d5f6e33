"""A stage that costs nothing, for workers to import: the number of each clip, once or many times."""

from pathlib import Path

import numpy as np

from pipeline.formats.clips import Clip
from pipeline.formats.shards import Arrays


def number_of(clip: Clip, path: Path, *, n_times: int) -> Arrays:
    """Return the number that a clip's file holds, as an array ``number`` of shape (n_times,), by name."""
    return {"number": np.full(n_times, int(path.read_bytes()))}
