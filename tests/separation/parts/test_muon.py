import pytest
import torch
from torch import nn

from pipeline.separation.parts.muon import Muon, orthogonal


def random(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


@pytest.mark.parametrize("shape", [(16, 40), (40, 16), (8, 8), (1, 5)])
def test_it_turns_as_the_svd_does_with_singular_values_near_1(shape: tuple[int, int]) -> None:
    u, values, vt = torch.linalg.svd(random(*shape, dtype=torch.float64), full_matrices=False)
    in_its_axes = u.T @ orthogonal(u @ torch.diag(values) @ vt) @ vt.T
    diagonal = in_its_axes.diagonal()
    torch.testing.assert_close(in_its_axes, torch.diag(diagonal), atol=1e-9, rtol=0)
    large = values > 0.05 * values.max()
    assert diagonal[large].min() > 0.6
    assert diagonal.max() < 1.3


@pytest.mark.parametrize("shape", [(6, 20), (20, 6)])
def test_steps_are_those_of_torch_within_its_bfloat16(shape: tuple[int, int]) -> None:
    ours, theirs = (nn.Parameter(random(*shape)) for _ in range(2))
    one = Muon([ours], lr=0.02, weight_decay=0.1)
    other = torch.optim.Muon([theirs], lr=0.02, weight_decay=0.1)
    for step in range(4):
        ours.grad, theirs.grad = random(*shape, seed=step + 1), random(*shape, seed=step + 1)
        one.step()
        other.step()
    moved = ours.detach() - random(*shape)
    assert moved.norm() > 0.04
    assert (ours - theirs).norm() < 0.02 * moved.norm()


def test_a_kernel_is_a_matrix_whose_rows_are_outputs() -> None:
    kernel, matrix = nn.Parameter(random(4, 3, 5, 5)), nn.Parameter(random(4, 75))
    matrix.data = kernel.detach().flatten(1).clone()
    optimizers = Muon([kernel], lr=0.1), Muon([matrix], lr=0.1)
    kernel.grad = random(4, 3, 5, 5, seed=1)
    matrix.grad = kernel.grad.flatten(1)
    for optimizer in optimizers:
        optimizer.step()
    torch.testing.assert_close(kernel.flatten(1), matrix, atol=0, rtol=0)


def test_weights_without_a_gradient_stay_and_a_gradient_of_zeros_moves_nothing() -> None:
    one, two = nn.Parameter(torch.ones(2, 3)), nn.Parameter(torch.ones(2, 3))
    optimizer = Muon([one, two], lr=0.1)
    two.grad = torch.zeros(2, 3)
    optimizer.step()
    assert torch.equal(one, torch.ones(2, 3))
    assert torch.equal(two, torch.ones(2, 3))
