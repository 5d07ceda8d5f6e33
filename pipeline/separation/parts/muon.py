"""Muon: an optimiser of convolutions whose every step is an orthogonal matrix, so that no direction is learnt last.

torch.optim.Muon computes in bfloat16, which a CPU without instructions for it does at a tenth of the speed, and takes
matrices alone: this one computes in the weights' own precision, and takes kernels.
"""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

_COEFFICIENTS = 3.4445, -4.7750, 2.0315  # of an odd polynomial that brings numbers in (0, 1] near 1: Jordan et al.
_N_ITERATIONS = 5
_TINY = 1e-7


class Muon(torch.optim.Optimizer):
    """Momentum (Nesterov's), made orthogonal; see `orthogonal`.

    Args:
        weights: of two dimensions or more. Rows are the first one, the outputs of a convolution or the inputs of a
            transposed one; all else is flattened.
        lr: length of a step: every singular value of what is subtracted is about this, times the square root of rows
            over columns where there are more rows.
        momentum: how much of the mean of the gradients before is kept.
        weight_decay: decoupled, as AdamW's.

    References:
        Jordan et al. (2024), Muon: an optimizer for hidden layers in neural networks.
    """

    def __init__(
        self, weights: Iterable[nn.Parameter], lr: float, momentum: float = 0.95, weight_decay: float = 0.0
    ) -> None:
        super().__init__(weights, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]  # no loss is computed again
        """Move the weights that have a gradient."""
        for group in self.param_groups:
            for weights in group["params"]:
                if weights.grad is None:
                    continue
                if "mean" not in self.state[weights]:
                    self.state[weights]["mean"] = torch.zeros_like(weights.grad)
                mean = self.state[weights]["mean"].lerp_(weights.grad, 1 - group["momentum"])
                ahead = weights.grad.lerp(mean, group["momentum"]).flatten(1)
                n_rows, n_columns = ahead.shape
                move = orthogonal(ahead) * max(1.0, n_rows / n_columns) ** 0.5
                weights.mul_(1 - group["lr"] * group["weight_decay"])
                weights.sub_(move.reshape(weights.shape), alpha=group["lr"])


def orthogonal(matrix: Tensor) -> Tensor:
    """Return nearly U V^T of a matrix (n, m) = U S V^T, by five steps of Newton and Schulz.

    Singular values that are not tiny beside the largest become 0.7 to 1.2. The steps are taken on the smaller square
    matrix, and the matrix itself is multiplied once.

    Example:
        >>> orthogonal(torch.diag(torch.tensor([3.0, 1.0]))).diagonal().round().tolist()
        [1.0, 1.0]
    """
    if matrix.shape[0] > matrix.shape[1]:
        return orthogonal(matrix.T).T
    a, b, c = _COEFFICIENTS
    scaled = matrix / (matrix.norm() + _TINY)
    square = scaled @ scaled.T
    unit = torch.eye(len(square), dtype=matrix.dtype, device=matrix.device)
    product = unit
    for _ in range(_N_ITERATIONS):
        factor = a * unit + b * square + c * square @ square
        product, square = factor @ product, factor @ square @ factor
    nearly: Tensor = product @ scaled
    return nearly
