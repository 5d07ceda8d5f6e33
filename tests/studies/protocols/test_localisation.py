"""Oracles: a loop over all places, the figures known of AVE, and rankings that know nothing."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from pipeline.errors import DataError
from studies.protocols.localisation import (
    EventVideo,
    chance_accuracy,
    event_segments,
    localisation_accuracy,
    paired_segments,
    sliding_distances,
)
from tests.helpers import ave_list


def videos(events: ave_list.Events, noise: float, seed: int = 0) -> list[EventVideo]:
    """Videos whose two modalities share a random walk, each under noise of its own."""
    rng = np.random.default_rng(seed)
    made = []
    for start, length in zip(events.starts.tolist(), events.lengths.tolist(), strict=True):
        shared = rng.normal(size=(10, 6))
        audio, visual = (shared + noise * rng.normal(size=(10, 6)) for _ in range(2))
        made.append(EventVideo(audio, visual, start, length))
    return made


def naive_answer(event: NDArray[np.floating], segments: NDArray[np.floating]) -> int:
    sums = []
    for start in range(len(segments) - len(event) + 1):
        sums.append(sum(np.linalg.norm(event[k] - segments[start + k]) for k in range(len(event))))
    return int(np.argmin(sums))


def test_accuracy_agrees_with_a_loop_over_all_places() -> None:
    made = videos(ave_list.made_up(60), noise=1.5)
    for direction, swap in (("audio_to_visual", False), ("visual_to_audio", True)):
        right = 0
        for audio, visual, start, length in made:
            cut, whole = (visual, audio) if swap else (audio, visual)
            right += naive_answer(cut[start : start + length], whole) == start
        assert localisation_accuracy(made)[direction] == pytest.approx(right / 60)
        assert 0.3 < right / 60 < 0.95


def test_sliding_distances_are_diagonal_sums_of_the_distance_matrix() -> None:
    rng = np.random.default_rng(0)
    event, segments = rng.normal(size=(3, 4)), rng.normal(size=(8, 4))
    matrix = cdist(event, segments)
    expected = [np.trace(matrix, offset=start) for start in range(6)]
    np.testing.assert_allclose(sliding_distances(event, segments), expected)


def test_equal_modalities_are_always_found_and_noise_is_found_by_chance() -> None:
    events = ave_list.made_up(400)
    assert localisation_accuracy(videos(events, noise=0.0)) == {"audio_to_visual": 1.0, "visual_to_audio": 1.0}
    chance = chance_accuracy(np.full(400, 10), events.lengths)
    for accuracy in localisation_accuracy(videos(events, noise=1e6)).values():
        assert accuracy == pytest.approx(chance, abs=0.08)


def test_a_collapsed_model_gets_exactly_chance() -> None:
    events = ave_list.made_up(30)
    collapsed = [
        EventVideo(np.full((10, 3), 0.1), np.full((10, 3), 0.1), start, length)
        for _, start, length in zip(*(column.tolist() for column in events), strict=True)
    ]
    chance = chance_accuracy(np.full(30, 10), events.lengths)
    assert localisation_accuracy(collapsed)["audio_to_visual"] == pytest.approx(chance)


def test_chance_is_the_share_of_places_that_are_right() -> None:
    assert chance_accuracy(np.array([10, 10, 4]), np.array([2, 9, 4])) == pytest.approx((1 / 9 + 1 / 2 + 1) / 3)


@pytest.mark.skipif(not ave_list.FOLDER.exists(), reason="the lists of AVE are not here; made-up ones are, above")
def test_chance_on_the_list_of_ave_is_the_known_one() -> None:
    events = ave_list.published()
    assert len(events.lengths) == 402
    assert set(events.lengths.tolist()) == set(range(2, 10))
    assert chance_accuracy(np.full(402, 10), events.lengths) == pytest.approx(0.208, abs=0.0005)


def test_each_picture_is_paired_with_the_sound_around_it() -> None:
    examples, pictures = 0.48 + 0.96 * np.arange(10), 0.5 + np.arange(10)
    rows, columns = paired_segments(examples, pictures, tolerance_seconds=0.48)
    assert rows.tolist() == columns.tolist() == list(range(10))


def test_a_picture_behind_the_last_sound_makes_no_segment() -> None:
    rows, columns = paired_segments(np.array([0.48, 1.44]), np.array([0.5, 1.5, 2.5]), tolerance_seconds=0.48)
    assert (rows.tolist(), columns.tolist()) == ([0, 1], [0, 1])


def test_an_event_covers_the_segments_whose_middle_it_covers() -> None:
    middles = 0.5 + np.arange(10)
    assert event_segments(middles, 2.0, 5.0) == (2, 3)
    assert event_segments(middles, 2.5, 5.5) == (2, 3)
    assert event_segments(middles, 0.6, 0.9) == (1, 0)


def test_no_video_is_refused() -> None:
    with pytest.raises(DataError, match="localisation: no video; expected at least one"):
        localisation_accuracy([])


def test_modalities_of_different_shapes_are_refused() -> None:
    with pytest.raises(DataError, match=r"video 0: audio \(10, 3\), visual \(9, 3\); expected one"):
        localisation_accuracy([EventVideo(np.zeros((10, 3)), np.zeros((9, 3)), 0, 2)])


def test_segments_that_are_not_finite_are_refused() -> None:
    with pytest.raises(DataError, match="video 0: NaN or infinite values"):
        localisation_accuracy([EventVideo(np.zeros((4, 1)), np.full((4, 1), np.nan), 0, 2)])


@pytest.mark.parametrize(("start", "length"), [(-1, 2), (3, 2), (0, 0), (0, 5)])
def test_an_event_outside_its_video_is_refused(start: int, length: int) -> None:
    with pytest.raises(DataError, match=f"event of {length} segments from {start}; expected it within 4"):
        localisation_accuracy([EventVideo(np.zeros((4, 1)), np.zeros((4, 1)), start, length)])
