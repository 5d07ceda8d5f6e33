"""Rows some at a time, so that what is made of many of them does not lie in memory beside them all."""

import torch
from torch import Tensor

ROWS_AT_ONCE = 4096


def row_blocks(rows: Tensor) -> tuple[Tensor, ...]:
    """Return views of (n, width) rows, a few thousand of them each; the last one may have fewer."""
    return torch.split(rows, ROWS_AT_ONCE)
