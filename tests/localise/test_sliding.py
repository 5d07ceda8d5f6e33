"""Oracles: a loop over all places, the figures known of AVE, and rankings that know nothing."""

import itertools
import tracemalloc

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from pipeline.errors import DataError
from pipeline.localise.sliding import (
    EventVideo,
    chance_localisation,
    event_segments,
    localisation,
    paired_segments,
    reciprocal_rank,
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
        made.append(EventVideo([audio], [visual], start, length))
    return made


def naive_sums(event: NDArray[np.floating], segments: NDArray[np.floating]) -> list[float]:
    sums = []
    for start in range(len(segments) - len(event) + 1):
        sums.append(sum(float(np.linalg.norm(event[k] - segments[start + k])) for k in range(len(event))))
    return sums


def test_starts_are_ranked_as_a_loop_over_all_places_ranks_them() -> None:
    made = videos(ave_list.made_up(60), noise=1.5)
    for direction, swap in (("audio_to_visual", False), ("visual_to_audio", True)):
        ranks = []
        for (audio,), (visual,), start, length in made:
            cut, whole = (visual, audio) if swap else (audio, visual)
            sums = naive_sums(cut[start : start + length], whole)
            ranks.append(1 + sorted(sums).index(sums[start]))
        found = localisation(made)[direction]
        assert found["exact_start"] == pytest.approx(np.mean([rank == 1 for rank in ranks]))
        assert found["start_mrr"] == pytest.approx(np.mean([1 / rank for rank in ranks]))
        assert 0.3 < found["exact_start"] < 0.95


@pytest.mark.parametrize("shares", [(1.0, 0.0), (0.0, 1.0), (0.5, 0.5)])
def test_distances_of_parts_are_weighted_and_summed(shares: tuple[float, float]) -> None:
    whole = videos(ave_list.made_up(40), noise=1.5)
    cut = [EventVideo([a[:, :2], 3 * a[:, 2:]], [v[:, :2], 3 * v[:, 2:]], *of) for (a,), (v,), *of in whole]
    right = 0
    for audio, visual, start, length in cut:
        event = [part[start : start + length] for part in audio]
        sums = [share * np.array(naive_sums(a, v)) for share, a, v in zip(shares, event, visual, strict=True)]
        right += int(np.argmin(sums[0] + sums[1])) == start
    found = localisation(cut, shares)["audio_to_visual"]["exact_start"]
    assert found == pytest.approx(right / 40)
    assert 0.2 < found < 1


def test_sliding_distances_are_diagonal_sums_of_the_distance_matrix() -> None:
    rng = np.random.default_rng(0)
    event, segments = rng.normal(size=(3, 4)), rng.normal(size=(8, 4))
    matrix = cdist(event, segments)
    expected = [np.trace(matrix, offset=start) for start in range(6)]
    np.testing.assert_allclose(sliding_distances(event, segments), expected)


def test_the_rank_of_tied_starts_is_its_mean_over_their_orders() -> None:
    distances = np.array([3.0, 1.0, 2.0, 2.0, 2.0])
    by_hand = [1 / (2 + order.index(2)) for order in itertools.permutations([2, 3, 4])]
    assert reciprocal_rank(distances, 2) == pytest.approx(np.mean(by_hand))
    assert (reciprocal_rank(distances, 1), reciprocal_rank(distances, 0)) == (1, 1 / 5)


def test_equal_modalities_are_always_found_and_noise_is_found_by_chance() -> None:
    events = ave_list.made_up(400)
    for found in localisation(videos(events, noise=0.0)).values():
        assert found == {"exact_start": 1.0, "start_mrr": 1.0}
    chance = chance_localisation(np.full(400, 10), events.lengths)
    for found in localisation(videos(events, noise=1e6)).values():
        assert abs(found["exact_start"] - chance["exact_start"]) < 4 * chance["exact_start_std"] < 0.1
        assert found["start_mrr"] == pytest.approx(chance["start_mrr"], abs=0.08)


def test_a_collapsed_model_gets_exactly_chance() -> None:
    events = ave_list.made_up(30)
    flat = [np.full((10, 3), 0.1)]
    starts_and_lengths = zip(events.starts.tolist(), events.lengths.tolist(), strict=True)
    collapsed = [EventVideo(flat, flat, start, length) for start, length in starts_and_lengths]
    chance = chance_localisation(np.full(30, 10), events.lengths)
    for name, value in localisation(collapsed)["audio_to_visual"].items():
        assert value == pytest.approx(chance[name])


def test_chance_is_that_of_places_in_any_order() -> None:
    chance = chance_localisation(np.array([10, 10, 4]), np.array([2, 9, 4]))
    assert chance["exact_start"] == pytest.approx((1 / 9 + 1 / 2 + 1) / 3)
    assert chance["start_mrr"] == pytest.approx((sum(1 / k for k in range(1, 10)) / 9 + 3 / 4 + 1) / 3)
    draws = np.random.default_rng(0).random((20000, 3)) < [1 / 9, 1 / 2, 1]
    assert chance["exact_start_std"] == pytest.approx(draws.mean(axis=1).std(), rel=0.03)


@pytest.mark.skipif(not ave_list.FOLDER.exists(), reason="the lists of AVE are not here; made-up ones are, above")
def test_chance_on_the_list_of_ave_is_the_known_one() -> None:
    events = ave_list.published()
    assert len(events.lengths) == 402
    assert set(events.lengths.tolist()) == set(range(2, 10))
    chance = chance_localisation(np.full(402, 10), events.lengths)
    assert chance["exact_start"] == pytest.approx(0.208, abs=0.0005)


def test_each_picture_is_paired_with_the_sound_around_it() -> None:
    examples, pictures = 0.48 + 0.96 * np.arange(10), 0.5 + np.arange(10)
    rows, columns = paired_segments(examples, pictures, tolerance_seconds=0.48)
    assert rows.tolist() == columns.tolist() == list(range(10))


@pytest.mark.parametrize("seed", range(5))
def test_pairs_are_those_of_a_search_through_all_sounds(seed: int) -> None:
    rng = np.random.default_rng(seed)
    examples, pictures = (np.sort(rng.integers(0, 40, n)) / 4 for n in (12, 30))  # of which many are equally near
    examples = np.unique(examples)
    apart = np.abs(pictures[:, None] - examples)
    near = np.flatnonzero(apart.min(axis=1) <= 0.5)
    rows, columns = paired_segments(examples, pictures, tolerance_seconds=0.5)
    assert columns.tolist() == near.tolist()
    assert rows.tolist() == apart.argmin(axis=1)[near].tolist()


def test_an_hour_slides_over_an_hour_in_little_memory() -> None:
    hour = np.zeros((3600, 100), np.float32)
    tracemalloc.start()
    sliding_distances(hour[:1800], hour)
    paired_segments(np.arange(3600) * 0.96, np.arange(3600.0), 0.5)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20e6  # all differences at once are five gigabytes


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
        localisation([])


def test_modalities_of_different_shapes_are_refused() -> None:
    with pytest.raises(DataError, match=r"video 0: audio \(10, 3\), visual \(9, 3\); expected one"):
        localisation([EventVideo([np.zeros((10, 3))], [np.zeros((9, 3))], 0, 2)])


def test_segments_that_are_not_finite_are_refused() -> None:
    with pytest.raises(DataError, match="video 0: NaN or infinite values"):
        localisation([EventVideo([np.zeros((4, 1))], [np.full((4, 1), np.nan)], 0, 2)])


@pytest.mark.parametrize(("start", "length"), [(-1, 2), (3, 2), (0, 0), (0, 5)])
def test_an_event_outside_its_video_is_refused(start: int, length: int) -> None:
    with pytest.raises(DataError, match=f"event of {length} segments from {start}; expected it within 4"):
        localisation([EventVideo([np.zeros((4, 1))], [np.zeros((4, 1))], start, length)])
