import math

import pytest
import torch
from torch import Tensor

from pipeline.separation.parts.residues import Fusion, Residues, positions, reallocated

ROWS, COLUMNS, WIDTH = 16, 16, 6
both_fusions = pytest.mark.parametrize("fusion", ["aligned", "attention"])


def made(fusion: Fusion, n_sources: int = 3) -> tuple[Residues, Tensor, Tensor]:
    torch.manual_seed(0)
    stage = Residues(fusion, 4, ROWS, WIDTH).double().eval()
    return stage, torch.randn(2, n_sources, ROWS, COLUMNS).double(), torch.randn(2, n_sources, 5, WIDTH).double()


@pytest.mark.parametrize("n_sources", [2, 3])
def test_what_is_given_to_one_source_is_taken_from_another(n_sources: int) -> None:
    logits, residues = torch.randn(2, n_sources, 4, 4), torch.randn(2, n_sources, n_sources, 4, 4)
    moved = reallocated(logits, residues)
    torch.testing.assert_close(moved.sum(dim=1), logits.sum(dim=1))
    for n in range(n_sources):
        others = [m for m in range(n_sources) if m != n]
        expected = logits[:, n] + sum(residues[:, m, n] - residues[:, n, m] for m in others)
        torch.testing.assert_close(moved[:, n], expected, atol=1e-5, rtol=1e-5)


@both_fusions
def test_a_residue_depends_on_its_own_estimate_and_on_the_motion_that_its_fusion_looks_at(fusion: Fusion) -> None:
    stage, estimates, motion = made(fusion)
    estimates.requires_grad_()
    motion.requires_grad_()
    residues = stage(estimates, motion, 3.0)
    assert residues.shape == (2, 3, 3, ROWS, COLUMNS)
    assert (residues[:, range(3), range(3)] == 0).all()
    of_sound, of_motion = torch.autograd.grad(residues[0, 2, 0].square().sum(), (estimates, motion))
    assert [bool(row.abs().sum() > 0) for row in of_sound[0]] == [False, False, True]
    assert [bool(row.abs().sum() > 0) for row in of_motion[0]] == [True, False, fusion == "aligned"]
    assert of_sound[1].abs().sum() == of_motion[1].abs().sum() == 0


@both_fusions
def test_sources_in_another_order_have_their_residues_in_that_order(fusion: Fusion) -> None:
    stage, estimates, motion = made(fusion)
    order = [2, 0, 1]
    moved = stage(estimates[:, order], motion[:, order], 3.0)
    torch.testing.assert_close(moved, stage(estimates, motion, 3.0)[:, order][:, :, order])


def test_aligned_motion_acts_at_its_own_time() -> None:
    """Where only the motion of the last fifth changes, the first quarter of the residues stays."""
    stage, _, motion = made("aligned", 2)
    estimates, changed = torch.randn(2, 2, ROWS, 64).double(), motion.clone()
    changed[:, :, -1] += 5
    difference = (stage(estimates, changed, 3.0) - stage(estimates, motion, 3.0)).abs()[0, 0, 1].sum(dim=0)
    assert difference[-1] > 0
    assert (difference[:16] == 0).all()


def test_positions_are_sines_of_seconds_whatever_the_number_of_tokens() -> None:
    few, many = positions(3, 3.0, 64), positions(9, 3.0, 64)
    torch.testing.assert_close(few, many[1::3])  # 0.5, 1.5 and 2.5 seconds are among both
    assert few[0, 0].item() == pytest.approx(math.sin(2 * math.pi * 0.5 / 0.05), abs=1e-4)
    assert few[1, -1].item() == pytest.approx(math.cos(2 * math.pi * 1.5 / 20), abs=1e-5)
