"""Cosines as scikit-learn has them, to rank by."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics.pairwise import cosine_similarity


def exact_cosines(query: ArrayLike, gallery: ArrayLike) -> NDArray[np.float64]:
    """Of all pairs of rows, in float64: float32 swaps items that are nearly as near, on some processors and not all."""
    return np.asarray(cosine_similarity(np.asarray(query, np.float64), np.asarray(gallery, np.float64)))
