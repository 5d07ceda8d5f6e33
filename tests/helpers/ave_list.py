"""The match list of AVE's test videos, where a checkout has it; and one of the same kind that is made up."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

FOLDER = Path(__file__).parents[3] / "shared" / "data" / "ave"


class Events(NamedTuple):
    """One event a video of ten seconds: class, first second and length, (n_videos,) each."""

    labels: NDArray[np.int64]
    starts: NDArray[np.int64]
    lengths: NDArray[np.int64]


def published() -> Events:
    """The 402 test videos whose event fills 2 to 9 of 10 seconds."""
    import h5py

    with h5py.File(FOLDER / "test_order_match.h5") as file:
        order = file["order"][:]
    lines = (FOLDER / "Annotations.txt").read_text(encoding="utf-8").splitlines()
    rows = [lines[i].split("&") for i in order]
    labels = np.unique([row[0] for row in rows], return_inverse=True)[1]
    starts, ends = (np.array([int(row[column]) for row in rows]) for column in (3, 4))
    return Events(labels, starts, ends - starts)


def made_up(n_videos: int, seed: int = 0) -> Events:
    """Events of 2 to 9 of 10 seconds in four classes."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(2, 10, n_videos)
    return Events(rng.integers(0, 4, n_videos), rng.integers(0, 11 - lengths), lengths)
