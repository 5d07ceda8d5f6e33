"""Three classes that no linear map tells apart: opposite arcs of a ring, so that their means coincide."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline import linalg
from pipeline.model_parts.base import Pairs

Array = NDArray[Any]


def pairs(n: int = 210, seed: int = 0) -> Pairs:
    """Clips of which both modalities lie somewhere on the two of six arcs of their class, among noise."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 3
    angles = np.pi / 3 * (labels + 3 * rng.integers(2, size=(2, n)) + 0.5 * rng.uniform(-1, 1, (2, n)))
    audio = np.column_stack([np.cos(angles[0]), np.sin(angles[0]), rng.standard_normal((n, 2))])
    visual = np.column_stack([np.cos(angles[1]), np.sin(angles[1]), rng.standard_normal((n, 3))]) + 5
    return Pairs(audio.astype(np.float32), visual.astype(np.float32), labels)


TRAIN, VALIDATION, TEST = pairs(), pairs(n=60, seed=1), pairs(n=90, seed=2)


def cluster_correlations(audio: Array, visual: Array, labels: Array) -> Array:
    """Both canonical correlations of all pairs of a class."""
    return linalg.cluster_cca(audio, visual, labels, labels, 2, ridge=1e-4).correlations
