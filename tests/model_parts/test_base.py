"""Equal norms: the cosine of what comes out is the dot product of what went in; and which pairs are refused."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics.pairwise import cosine_similarity

from pipeline.errors import DataError
from pipeline.model_parts.base import Pairs, check_pairs, with_equal_norms

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


@pytest.mark.parametrize("labels", [np.arange(7) / 2, np.arange(7)[:, None], np.arange(7) - 2])
def test_labels_that_are_no_column_of_whole_numbers_from_0_are_refused(labels: Array) -> None:
    with pytest.raises(DataError, match=r"train labels: .*; expected \(n,\) whole numbers from 0"):
        check_pairs(Pairs(AUDIO, AUDIO, labels), "train")


def test_features_without_a_column_are_refused() -> None:
    with pytest.raises(DataError, match=r"train visual: shape \(7, 0\); expected \(n, width\)"):
        check_pairs(Pairs(AUDIO, AUDIO[:, :0], np.arange(7)), "train")
