"""Windows of clips against slices of their times."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import ParamsError
from pipeline.network_parts.base import Modality
from pipeline.search.windows import middles, places_within, stretches_of

HOP_SECONDS = 0.96


def times_of(n_sounds: int, n_pictures: int) -> dict[Modality, "np.ndarray[tuple[int], np.dtype[np.float64]]"]:
    return {"audio": np.arange(n_sounds) * HOP_SECONDS, "visual": np.arange(n_pictures) + 0.5}


@given(st.integers(1, 40), st.integers(1, 40), st.floats(0.1, 20))
def test_windows_part_a_clip_and_lose_no_vector(n_sounds: int, n_pictures: int, window: float) -> None:
    windows = list(stretches_of(times_of(n_sounds, n_pictures), window))
    for modality, n in (("audio", n_sounds), ("visual", n_pictures)):
        places = [p for w in windows if modality in w.places for p in w.places[modality].tolist()]
        assert places == list(range(n))
    assert all(a.end <= b.start + 1e-9 for a, b in itertools.pairwise(windows))
    assert all(w.start < w.end <= w.start + window + 1e-9 for w in windows)


def test_a_window_holds_the_vectors_whose_middle_it_has() -> None:
    windows = list(stretches_of(times_of(6, 5), 2.0))
    assert [(w.start, round(w.end, 2)) for w in windows] == [(0, 2), (2, 4), (4, 5.76)]
    middle = np.arange(6) * HOP_SECONDS + HOP_SECONDS / 2
    for number, window in enumerate(windows):
        assert window.places["audio"].tolist() == [k for k in range(6) if number * 2 <= middle[k] < number * 2 + 2]
        assert window.places["visual"].tolist() == [k for k in range(5) if number * 2 <= k + 0.5 < number * 2 + 2]


def test_a_whole_clip_is_one_stretch_to_its_last_vector() -> None:
    (whole,) = stretches_of(times_of(3, 2))
    assert (whole.start, whole.end) == (0, pytest.approx(2.88))
    assert (whole.places["audio"].tolist(), whole.places["visual"].tolist()) == ([0, 1, 2], [0, 1])


def test_a_clip_without_times_has_a_stretch_of_unknown_length() -> None:
    (whole,) = stretches_of({})
    assert (whole.start, whole.end) == (0, 0)


def test_a_short_span_takes_the_nearest_vector_and_one_behind_the_end_none() -> None:
    seconds = np.array([0.5, 1.5, 2.5])
    assert places_within("visual", seconds, 1.6, 1.7).tolist() == [1]
    assert places_within("visual", seconds, 2.9, float("inf")).tolist() == [2]
    assert places_within("visual", seconds, 3.0, 4.0).tolist() == []
    assert middles("audio", np.array([0.0, 1.0])).tolist() == [0.5, 1.5]


@pytest.mark.parametrize("window", [0.0, -1.0, 0.01, float("nan"), float("inf")])
def test_a_window_of_no_length_is_refused(window: float) -> None:
    with pytest.raises(ParamsError, match=r"--window .*; expected 0.1 seconds or more"):
        list(stretches_of(times_of(2, 2), window))


def test_too_many_windows_are_refused() -> None:
    with pytest.raises(ParamsError, match=r"a clip of [0-9.]+ s; expected longer windows"):
        list(stretches_of({"visual": np.array([0.5, 20000.0])}, 0.1))
