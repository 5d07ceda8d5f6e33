"""Effective ranks in closed form, and which branches count as collapsed."""

import numpy as np
import pytest
import torch
from scipy.stats import entropy, ortho_group

from pipeline.model_parts.collapse import BranchExtent, collapsed, effective_rank, extent

HEALTHY = {"audio": BranchExtent(norm=3.0, spread=2.9, rank=12.0)}


def orthogonal(width: int, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(ortho_group.rvs(width, random_state=seed))


@pytest.mark.parametrize("shape", [(40, 7), (7, 40)])
@pytest.mark.parametrize("k", [1, 2, 7])
def test_k_equal_directions_have_effective_rank_k(shape: tuple[int, int], k: int) -> None:
    left, right = orthogonal(shape[0])[:, :k], orthogonal(shape[1], seed=1)[:, :k]
    assert effective_rank(5.0 * left @ right.T) == pytest.approx(k, rel=1e-4)


def test_unequal_directions_count_by_the_entropy_of_their_singular_values() -> None:
    singular_values = np.array([4.0, 2.0, 1.0, 1.0])  # an entropy of 1.75 bits
    rows = orthogonal(9)[:, :4] @ torch.diag(torch.from_numpy(singular_values)) @ orthogonal(4, seed=1)
    assert effective_rank(rows) == pytest.approx(2**1.75, rel=1e-6)
    drawn = np.random.default_rng(0).standard_normal((30, 6))
    expected = np.exp(entropy(np.linalg.svd(drawn, compute_uv=False)))
    assert effective_rank(torch.from_numpy(drawn)) == pytest.approx(expected)


def test_a_matrix_of_zeros_has_effective_rank_0() -> None:
    assert effective_rank(torch.zeros(4, 3)) == 0


def test_norm_and_spread_are_those_of_rows_about_a_point() -> None:
    rows = torch.tensor([[3.0, 4.0 + h] for h in (-1.0, 1.0)])
    assert extent(rows) == pytest.approx((np.sqrt((18 + 34) / 2), 1.0, 1.0))


def after(norm: float = 3.0, spread: float = 2.9, rank: float = 12.0, n_classes: int = 10) -> dict[str, str]:
    return collapsed(HEALTHY, {"audio": BranchExtent(norm, spread, rank)}, n_classes)


def test_a_branch_that_keeps_its_extent_or_grows_has_not_collapsed() -> None:
    assert after() == {}
    assert after(norm=300.0, spread=290.0, rank=2.0) == {}


def test_a_branch_that_shrinks_to_the_origin_has_collapsed() -> None:
    assert after(norm=0.2, spread=0.1) == {"audio": "a spread of 0.1 at a scale of 2.9"}


def test_a_branch_that_moves_away_as_one_has_collapsed() -> None:
    assert after(norm=30.0, spread=2.9) == {"audio": "a spread of 2.9 at a scale of 30"}


def test_a_branch_on_a_line_has_collapsed_where_there_are_more_than_two_classes() -> None:
    assert after(rank=1.04) == {"audio": "an effective rank of 1.04 of 12.00 before training"}
    assert after(rank=1.04, n_classes=2) == {}


def test_a_branch_that_had_one_direction_from_the_start_has_not_lost_any() -> None:
    narrow = {"audio": BranchExtent(3.0, 2.9, 1.0)}
    assert collapsed(narrow, narrow, n_classes=10) == {}
