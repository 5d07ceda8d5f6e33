"""Two views that correlate, row by row or class by class."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def views(n: int = 200, x_width: int = 6, y_width: int = 4, seed: int = 0) -> tuple[Array, Array]:
    """Two views of three hidden variables, each under noise and a mixing of its own."""
    rng = np.random.default_rng(seed)
    hidden = rng.standard_normal((n, 3)) * [1.0, 0.7, 0.4]
    x = hidden @ rng.standard_normal((3, x_width)) + rng.standard_normal((n, x_width)) + 5
    y = hidden @ rng.standard_normal((3, y_width)) + rng.standard_normal((n, y_width)) - 3
    return x, y


def clusters() -> tuple[Array, Array, Array, Array]:
    """Views of unequal, unpaired counts: x alone has class 8, y alone class 1."""
    rng = np.random.default_rng(0)
    x_labels, y_labels = np.repeat([0, 3, 5, 8], [7, 12, 4, 3]), np.repeat([0, 1, 3, 5], [5, 6, 2, 9])
    centres = rng.standard_normal((9, 5))
    x = centres[x_labels] + 0.5 * rng.standard_normal((26, 5))
    y = centres[y_labels, :4] + 0.5 * rng.standard_normal((22, 4))
    order = rng.permutation(26)
    return x[order], y, x_labels[order], y_labels
