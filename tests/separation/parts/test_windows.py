import itertools

import numpy as np
import pytest

from pipeline.errors import DataError
from pipeline.separation.parts.windows import in_one_order, overlap_add, window_starts

SOUND = np.random.default_rng(0).normal(size=(2, 1003)).astype(np.float32)


@pytest.mark.parametrize(("length", "hop"), [(100, 50), (100, 100), (128, 33), (2000, 1000)])
def test_windows_that_are_left_as_they_are_give_the_sound(length: int, hop: int) -> None:
    starts = window_starts(1003, length, hop)
    padded = np.pad(SOUND, ((0, 0), (0, length)))
    pieces = np.stack([padded[:, start : start + length] for start in starts])
    np.testing.assert_allclose(overlap_add(pieces, starts, 1003), SOUND, atol=1e-5)


def test_a_hole_between_windows_is_refused() -> None:
    with pytest.raises(DataError, match=r"windows of 10 samples at \[0, 20\]; expected them to cover 30 samples"):
        overlap_add(np.ones((2, 1, 10), np.float32), [0, 20], 30)


@pytest.mark.parametrize("n_sources", [2, 3])
def test_sources_that_change_places_from_window_to_window_are_put_in_one_order(n_sources: int) -> None:
    rng = np.random.default_rng(1)
    sound = rng.normal(size=(n_sources, 1000)).astype(np.float32)
    starts = window_starts(1000, 200, 100)
    orders = list(itertools.permutations(range(n_sources)))
    pieces = np.stack([sound[list(orders[rng.integers(len(orders))]), start : start + 200] for start in starts])
    whole = overlap_add(in_one_order(pieces, starts), starts, 1000)
    assert min(np.abs(whole[list(order)] - sound).max() for order in orders) < 1e-5
