"""Groups of test clips. Oracles: joining pairs, loops, scipy, data sets whose clips come several times, simulation."""

import numpy as np
import pytest
from scipy import stats

from pipeline.errors import DataError
from pipeline.evaluate.independence import Groups, group_rows, groups_of_test, standard_error
from pipeline.evaluate.significance import sign_flip_test
from pipeline.formats.clips import Clip
from pipeline.formats.feature_table import FeatureTable

N_TIMES = 3  # that each clip comes


def drawn(n: int, n_values: int, seed: int) -> Groups:
    """Clips that share some of their sounds and pictures."""
    rng = np.random.default_rng(seed)
    columns = {name: [str(value) for value in rng.integers(n_values, size=n)] for name in ("sounds", "pictures")}
    return Groups.of({**columns, "sources": [""] * n})


def of_pictures(pictures: np.ndarray) -> Groups:
    """Clips that share nothing but pictures."""
    unknown = [""] * len(pictures)
    return Groups.of({"sounds": unknown, "pictures": [str(of) for of in pictures.tolist()], "sources": unknown})


def repeated(n: int) -> Groups:
    """Each of n clips several times, one after the other."""
    return of_pictures(np.repeat(np.arange(n), N_TIMES))


def test_groups_are_those_of_joining_clips_that_are_equal_in_anything() -> None:
    for seed in range(5):
        groups = drawn(30, 25, seed)
        joined = list(range(30))
        for _ in range(30):
            for i, j in np.ndindex(30, 30):
                if any(groups.relations[name][i] == groups.relations[name][j] for name in ("sounds", "pictures")):
                    joined[i] = joined[j] = min(joined[i], joined[j])
        firsts = sorted(set(joined))
        assert groups.numbers.tolist() == [firsts.index(first) for first in joined]
        assert 1 < groups.n_groups == len(firsts) < 30


def test_sums_are_those_of_a_loop_and_of_own_groups_the_values_to_the_last_bit() -> None:
    groups, values = drawn(40, 30, 0), np.random.default_rng(1).normal(size=(3, 40))
    expected = [[row[groups.numbers == group].sum() for group in range(groups.n_groups)] for row in values]
    np.testing.assert_allclose(groups.sums(values), expected)
    np.testing.assert_array_equal(Groups.each_its_own(40).sums(values), values)


def test_the_groups_of_some_clips_are_those_of_all_that_are_left() -> None:
    groups, rows = drawn(40, 30, 0), np.arange(3, 40, 4)
    some, values = groups.of_rows(rows), np.arange(float(len(rows)))
    kept = groups.numbers[rows]
    assert some.n_groups == len(set(kept.tolist()))
    assert sorted(some.sums(values)) == sorted(values[kept == group].sum() for group in set(kept.tolist()))
    assert some.relations["sounds"] == [groups.relations["sounds"][row] for row in rows.tolist()]


def test_effective_groups_are_the_groups_where_all_have_one_size_and_fewer_where_one_is_large() -> None:
    assert repeated(8).n_effective == pytest.approx(8)
    one_large = of_pictures(np.array([0] * 6 + [1, 2, 3]))
    assert one_large.n_groups == 4
    assert one_large.n_effective == pytest.approx(81 / 39)  # 9^2 / (6^2 + 1 + 1 + 1)


def test_a_clip_that_comes_several_times_adds_nothing_to_a_test() -> None:
    values = np.random.default_rng(0).normal(0.1, 1, (4, 60))
    once, again = sign_flip_test(values, 2000, seed=0), np.repeat(values, N_TIMES, axis=1)
    np.testing.assert_array_equal(sign_flip_test(repeated(60).sums(again), 2000, seed=0), once)
    assert (sign_flip_test(again, 2000, seed=0) < once).all()  # what clip by clip would have said


def test_of_few_groups_no_p_value_is_small_and_of_one_it_is_one() -> None:
    values = np.ones((1, 30))
    groups = [of_pictures(np.arange(30) % n) for n in (3, 1)]
    p_values = [sign_flip_test(of.sums(values), 20_000, seed=0)[0] for of in groups]
    assert p_values == pytest.approx([2 / 2**3, 1], abs=0.01)


def test_the_level_is_kept_where_a_picture_moves_all_its_clips_and_is_not_clip_by_clip() -> None:
    rng, n_tests, n_pictures, n_each = np.random.default_rng(0), 400, 20, 6
    shared = rng.normal(size=(n_tests, n_pictures))
    values = np.repeat(shared, n_each, axis=1) + rng.normal(size=(n_tests, n_pictures * n_each))
    groups = of_pictures(np.repeat(np.arange(n_pictures), n_each))
    grouped, by_clip = (sign_flip_test(of, 400, seed=0) <= 0.05 for of in (groups.sums(values), values))
    assert grouped.mean() == pytest.approx(0.05, abs=0.03)
    assert by_clip.mean() > 0.15


def test_of_own_groups_the_standard_error_is_scipy_s_and_copies_add_nothing_to_it() -> None:
    values = np.random.default_rng(0).normal(size=(3, 50))
    own = standard_error(values, np.full(50, 1 / 50), Groups.each_its_own(50))
    np.testing.assert_allclose(own, stats.sem(values, axis=1))
    again, weights = np.repeat(values, N_TIMES, axis=1), np.full(50 * N_TIMES, 1 / 50 / N_TIMES)
    np.testing.assert_allclose(standard_error(again, weights, repeated(50)), own)


def test_between_and_within_are_the_parts_that_the_scores_were_made_of() -> None:
    rng, shape = np.random.default_rng(0), (2000, 3, 24)  # data sets, seeds, pictures of two clips each
    seed_sd, picture_sd, both_sd = 0.3, 0.8, 0.5
    scores = seed_sd * rng.normal(size=(*shape[:2], 1)) + picture_sd * rng.normal(size=(shape[0], 1, shape[2]))
    scores = np.repeat(scores + both_sd * rng.normal(size=shape), 2, axis=-1)
    groups = of_pictures(np.arange(48) // 2)
    within = (standard_error(scores, np.full(48, 1 / 48), groups) ** 2).mean()
    between = scores.mean(axis=-1).var(axis=1, ddof=1).mean()
    assert within == pytest.approx((picture_sd**2 + both_sd**2) / 24, rel=0.05)
    assert between == pytest.approx(seed_sd**2 + both_sd**2 / 24, rel=0.05)
    of_one_fit_on_other_pictures = seed_sd**2 + (picture_sd**2 + both_sd**2) / 24
    assert within + between == pytest.approx(of_one_fit_on_other_pictures + both_sd**2 / 24, rel=0.05)


def test_of_one_group_no_spread_is_seen() -> None:
    groups = of_pictures(np.zeros(4, int))
    assert np.isnan(standard_error(np.ones((2, 4)), np.full(4, 0.25), groups)).all()


def table() -> FeatureTable:
    """Six clips, the last of train; 1 and 2 have one picture, 3 has the sound of 0 but for the sign of a zero."""
    return FeatureTable(
        clip_ids=list("012345"),
        splits=["test"] * 5 + ["train"],
        labels=np.zeros(6, np.int64),
        classes=["a"],
        audio=np.array([[0, 1], [1, 1], [2, 1], [-0.0, 1], [4, 1], [4, 1]], np.float32),
        visual=np.array([[5], [6], [6], [7], [8], [8]], np.float32),
        provenance={},
    )


def clips(sources: str, hashes: str = "abcdef") -> list[Clip]:
    """Of the table, in another order; a dot is no source."""
    return [
        Clip(clip_id=str(i), path="", label="a", source_id=source.strip("."), sha256=hashes[i])
        for i, source in enumerate(sources)
    ][::-1]


def test_test_clips_share_equal_rows_files_and_known_sources() -> None:
    groups = groups_of_test(table(), clips("......"))
    assert groups.numbers.tolist() == [0, 1, 1, 0, 2]
    assert groups.counts() == {
        "n_groups": 3,
        "n_effective": pytest.approx(25 / 9),
        "n_sounds": 4,
        "n_pictures": 4,
        "n_sources": 0,
    }
    assert groups_of_test(table(), clips("x...x.")).numbers.tolist() == [0, 1, 1, 0, 0]
    assert groups_of_test(table(), clips("......", "abcdbf")).numbers.tolist() == [0, 1, 1, 0, 1]
    assert groups_of_test(table(), clips("yyyyyz")).counts()["n_sources"] == 1


def test_the_table_of_groups_has_numbers_in_place_of_hashes_and_nothing_where_unknown() -> None:
    rows = group_rows(list("01234"), groups_of_test(table(), clips("x...x.")))
    assert rows[1] == {"clip_id": "1", "group": 1, "sound": 1, "picture": 1, "file": 1, "source": ""}
    assert rows[4] == {"clip_id": "4", "group": 0, "sound": 3, "picture": 3, "file": 4, "source": 0}


def test_a_test_clip_that_is_not_in_clips_csv_is_named() -> None:
    some = [clip for clip in clips("......") if clip.clip_id != "3"]
    with pytest.raises(DataError, match=r"clip '3' \(1 such test clips\): not in clips.csv; expected all of the"):
        groups_of_test(table(), some)
