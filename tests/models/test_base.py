"""Equal norms: the cosine of what comes out is the dot product of what went in."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics.pairwise import cosine_similarity

from pipeline.models.base import with_equal_norms

Array = NDArray[Any]


def rows(seed: int, n: int) -> Array:
    """Rows of norms from 0.01 to 1."""
    rng = np.random.default_rng(seed)
    drawn = rng.standard_normal((n, 4))
    lengths = np.geomspace(0.01, 1, n)[:, None]
    return (drawn * lengths / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(np.float32)


AUDIO, VISUAL = rows(0, 7), rows(1, 9)


def test_the_cosine_across_modalities_is_the_dot_product_over_the_squared_norm() -> None:
    audio, visual = with_equal_norms(AUDIO, 1.5, "audio"), with_equal_norms(VISUAL, 1.5, "visual")
    np.testing.assert_allclose(cosine_similarity(audio, visual), AUDIO @ VISUAL.T / 1.5**2, atol=1e-6)


def test_all_norms_become_the_longest_even_that_of_a_zero_row() -> None:
    audio = with_equal_norms(np.vstack([AUDIO, np.zeros((1, 4), np.float32)]), 1.5, "audio")
    np.testing.assert_allclose(np.linalg.norm(audio, axis=1), 1.5, rtol=1e-6)


def test_a_longer_row_is_shortened_and_the_others_stay() -> None:
    visual = with_equal_norms(VISUAL * 10, 2.0, "visual")
    factors = np.minimum(1, 2.0 / np.linalg.norm(VISUAL * 10, axis=1, keepdims=True))
    assert factors.min() < 0.5 < 1 == factors.max()
    np.testing.assert_allclose(visual[:, :4], VISUAL * 10 * factors, rtol=1e-5)


def test_each_modality_has_a_coordinate_of_its_own() -> None:
    assert not with_equal_norms(AUDIO, 1.5, "audio")[:, 5].any()
    assert not with_equal_norms(VISUAL, 1.5, "visual")[:, 4].any()
