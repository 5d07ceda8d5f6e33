"""The share of two subspaces that held-out pairs speak for."""

import numpy as np
import pytest
import torch
from scipy.optimize import minimize_scalar
from torch import Tensor

from pipeline.model_parts.fusion import share_by_agreement, side_by_side


def unit(*shape: int, seed: int = 0) -> Tensor:
    """Rows of probabilities' square roots, whose cosines are at least 0."""
    probabilities = np.random.default_rng(seed).dirichlet(np.full(shape[-1], 0.3), shape[:-1])
    return torch.from_numpy(np.sqrt(probabilities))


def test_the_share_is_where_the_likelihood_of_one_s_own_partner_is_highest() -> None:
    audio, visual = unit(2, 40, 6), unit(2, 40, 6, seed=1)
    visual[0, :20], visual[1, 20:] = audio[0, :20], audio[1, 20:]  # each subspace knows other pairs
    first, second = ((a @ v.T).numpy() for a, v in zip(audio, visual, strict=True))

    def loss(share: float) -> float:
        mixed = share * first + (1 - share) * second
        both = (np.diag(mixed) / mixed.sum(axis=way) for way in (0, 1))
        return -sum(float(np.log(chances).mean()) for chances in both)

    best = minimize_scalar(loss, bounds=(0, 1), method="bounded").x
    found = share_by_agreement(((audio[0],), (audio[1],)), ((visual[0],), (visual[1],)))
    assert found == pytest.approx(best, abs=0.011)
    assert 0.05 < found < 0.95


def test_a_subspace_that_says_nothing_of_pairs_gets_no_share_and_equal_ones_get_half() -> None:
    pairs, noise = unit(30, 8), unit(30, 8, seed=2)
    flat = torch.full((30, 1), 1.0, dtype=torch.float64)
    assert share_by_agreement(([pairs], [flat]), ([pairs], [flat])) == 1.0
    assert share_by_agreement(([flat], [pairs]), ([flat], [pairs])) == 0.0
    assert share_by_agreement(([noise, pairs], [pairs, noise]), ([noise, pairs], [pairs, noise])) == 0.5


def test_heads_side_by_side_have_the_weighted_mean_of_the_cosines_of_both_subspaces() -> None:
    audio, visual = unit(4, 5, 3) * 2, unit(4, 5, 3, seed=3)
    rows = [side_by_side([view[0], view[1]], [view[2], view[3]], 0.3) for view in (audio, visual)]
    cosines = [a @ v.T / 2 for a, v in zip(audio, visual, strict=True)]
    expected = 0.3 * (cosines[0] + cosines[1]) / 2 + 0.7 * (cosines[2] + cosines[3]) / 2
    torch.testing.assert_close(rows[0] @ rows[1].T, expected)
