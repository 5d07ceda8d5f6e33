"""Pairs that share more than their class are told from those that do not."""

import numpy as np
import pytest

from pipeline.errors import DataError
from pipeline.formats.feature_table import FeatureTable
from studies.comparison.sharing import own_partners


def table(shared: float, seed: int = 0, n: int = 240) -> FeatureTable:
    """Pairs of a class, of which a share of what is left is of both modalities; rows of the split test are noise."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 4
    centre, common = rng.standard_normal((4, 6)), rng.standard_normal((n, 6))
    views = [
        (3 * centre[labels] + np.sqrt(shared) * common + np.sqrt(1 - shared) * rng.standard_normal((n, 6)))
        @ rng.standard_normal((6, 8))
        for _ in range(2)
    ]
    splits = ["test" if i // 4 % 3 == 0 else "train" for i in range(n)]
    for view in views:
        view[np.array(splits) == "test"] = rng.standard_normal(8)
    audio, visual = (view.astype(np.float32) for view in views)
    ids, classes = [str(i) for i in range(n)], list("abcd")
    return FeatureTable(
        clip_ids=ids, splits=splits, labels=labels, classes=classes, audio=audio, visual=visual, provenance={}
    )


def test_pairs_that_share_more_find_their_own_partner() -> None:
    found = own_partners(table(shared=0.8))
    assert found.place > 0.8
    assert found.p < 0.01


def test_without_more_than_the_class_the_own_partner_is_at_half_and_small_p_values_are_rare() -> None:
    found = [own_partners(table(shared=0.0, seed=seed)) for seed in range(12)]
    assert np.mean([of.place for of in found]) == pytest.approx(0.5, abs=0.03)
    assert sum(of.p < 0.05 for of in found) <= 3  # 12 draws of one in twenty: more than three once in 500


def test_the_most_that_pairs_can_share_is_all() -> None:
    found = own_partners(table(shared=1.0))
    assert found.place == pytest.approx(1.0, abs=0.01)
    assert found.p == pytest.approx(1 / 2001)


def test_a_fold_with_one_clip_a_class_has_nothing_to_tell_a_partner_from() -> None:
    with pytest.raises(DataError, match="no fold of 6 holds out two clips of one class; expected more clips"):
        own_partners(table(shared=0.5, n=36))  # of each class six are not test
