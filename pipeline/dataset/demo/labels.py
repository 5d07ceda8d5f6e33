"""Labels of train clips, of which some are hidden and some drawn anew."""

import numpy as np
from numpy.typing import NDArray


def some_of(labels: NDArray[np.int64], labelled: float, wrong: float, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return labels (n,) of which as many of each class are left, some of these drawn anew; the others are -1.

    Args:
        labels: (n,), all of them true.
        labelled: share of each class that keeps its label; at least one does, unless it is 0.
        wrong: share of these whose label is drawn from all classes, the true one among them.
        rng: where the draws come from.
    """
    left = np.full(len(labels), -1)
    for label in np.unique(labels):
        rows = rng.permutation(np.flatnonzero(labels == label))
        left[rows[: max(int(labelled > 0), round(labelled * len(rows)))]] = label
    known = np.flatnonzero(left >= 0)
    redrawn = rng.permutation(known)[: round(wrong * len(known))]
    left[redrawn] = rng.choice(np.unique(labels), len(redrawn))
    return left
