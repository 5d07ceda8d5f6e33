"""Groups: what shares a key is in one, and so is what is joined by way of others. Rows: equal ones, equal hashes."""

import numpy as np
import pytest

from pipeline.groups import connected_groups, groups_of, row_hashes


def test_items_that_share_a_key_by_way_of_others_are_one_group() -> None:
    assert connected_groups([["a"], ["b"], [], ["a", "c"], ["c"], ["b"]]).tolist() == [0, 1, 2, 0, 0, 1]


def test_groups_are_those_of_joining_pairs_until_nothing_changes() -> None:
    rng = np.random.default_rng(0)
    for n_keys in (5, 20, 60):
        keys = [rng.integers(n_keys, size=rng.integers(3)).tolist() for _ in range(30)]
        expected = list(range(30))
        for _ in range(30):
            for i, j in np.ndindex(30, 30):
                if set(keys[i]) & set(keys[j]):
                    expected[i] = expected[j] = min(expected[i], expected[j])
        firsts = sorted(set(expected))
        assert connected_groups(keys).tolist() == [firsts.index(first) for first in expected]


def test_no_item_has_no_group_and_an_item_without_keys_one_of_its_own() -> None:
    assert connected_groups([]).tolist() == []
    assert connected_groups([[], []]).tolist() == [0, 1]


def test_equal_values_of_one_relation_join_and_those_of_two_relations_or_unknown_ones_do_not() -> None:
    assert groups_of(["a", "b", "", ""], ["b", "a", "c", ""]).tolist() == [0, 1, 2, 3]
    assert groups_of(["a", "b", "", "a"], ["x", "y", "y", "z"]).tolist() == [0, 1, 1, 0]
    with pytest.raises(ValueError, match="zip"):
        groups_of(["a"], ["a", "b"])


def test_rows_have_one_hash_where_numpy_finds_them_equal() -> None:
    rows = np.random.default_rng(0).integers(-1, 2, (60, 3)).astype(np.float32)
    rows[rows == 0] *= np.random.default_rng(1).choice([-1, 1], (rows == 0).sum()).astype(np.float32)
    hashes = row_hashes(rows)
    for i, j in np.ndindex(60, 60):
        assert (hashes[i] == hashes[j]) == (rows[i] == rows[j]).all()
