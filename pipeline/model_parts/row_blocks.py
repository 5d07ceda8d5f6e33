"""Rows some at a time, so that what is made of many of them does not lie in memory beside them all."""

from collections.abc import Callable, Iterator
from typing import TypeAlias

import torch
from torch import Tensor

from pipeline.formats.stored_features import SelectedRows

ROWS_AT_ONCE = 4096


class FileRows:
    """Rows of features that lie in a file, as tensors of some of them.

    Args:
        rows: (n, width).
        device: of the tensors.
    """

    def __init__(self, rows: SelectedRows, device: torch.device) -> None:
        self.shape = rows.shape
        self._rows, self._device = rows, device

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self._rows)

    def blocks(self) -> Iterator[Tensor]:
        """Yield all rows in their order, a few thousand (m, width) at a time.

        Raises:
            DataError: the file has become shorter.
        """
        for start in range(0, len(self), ROWS_AT_ONCE):
            yield torch.from_numpy(self._rows[start : start + ROWS_AT_ONCE]).to(self._device)


TrainRows: TypeAlias = Tensor | FileRows
"""All train rows of a modality, (n, width): in memory, or in a file."""


def row_blocks(rows: Tensor) -> tuple[Tensor, ...]:
    """Return views of (n, width) rows, a few thousand of them each; the last one may have fewer."""
    return torch.split(rows, ROWS_AT_ONCE)


def over_rows(function: Callable[[Tensor], Tensor], rows: TrainRows) -> Tensor:
    """Return what a function makes of rows, (n, ...): of those in memory at once, of those in a file some at a time.

    Args:
        function: makes as many rows of rows (m, width), each of its own one alone.
        rows: (n, width).
    """
    if isinstance(rows, Tensor):
        return function(rows)
    return torch.cat([function(block) for block in rows.blocks()])
