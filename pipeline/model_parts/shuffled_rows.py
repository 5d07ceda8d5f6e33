"""Train rows in a temporary file, prepared once, and minibatches of them in an order that is random within bounds.

The rows are cut into blocks of some 64 that follow each other. In each epoch the blocks come in random order; as many
of them as the buffer holds are read, one after the other, their rows shuffled together and cut into minibatches. Where
the buffer holds all rows, the order is that of rows in memory.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.errors import DiskError
from pipeline.formats.files import disk_errors
from pipeline.model_parts.layers import onehot

BUFFER_BYTES = 512 << 20
"""What rows in memory take, but for two minibatches that are larger: 116,000 rows of 1024 and 128 numbers.

These are 1,800 blocks: where clips lie class by class, a buffer holds nearly all of some hundred classes.
"""

ROWS_OF_A_BLOCK = 64
"""Of 1024 and 128 numbers 295 kB, which a disk reads at nearly its full speed wherever they lie."""


class WrittenRows(NamedTuple):
    """Prepared rows in a file that is gone when it is closed.

    Attributes:
        file: its descriptor.
        folder: that it lies in, for messages.
        audio_width: of the first columns; the others are visual.
        shape: (n, both widths), float32.
    """

    file: int
    folder: Path
    audio_width: int
    shape: tuple[int, int]


@contextmanager
def written(folder: Path, audio: Iterable[Tensor], visual: Iterable[Tensor]) -> Iterator[WrittenRows]:
    """Write prepared rows to a temporary file without a name, which is gone after the block, whatever happens.

    Args:
        folder: on whose disk it lies.
        audio: blocks (m, audio width) of all rows.
        visual: blocks (m, visual width) of the same rows.

    Raises:
        DiskError: the disk is full or fails.
    """
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder) as file:
            n_rows, widths = 0, (0, 0)
            for sounds, pictures in zip(audio, visual, strict=True):
                rows: NDArray[np.float32] = torch.cat([sounds, pictures], dim=1).cpu().numpy()
                file.write(np.ascontiguousarray(rows, np.float32).data)
                n_rows, widths = n_rows + len(rows), (sounds.shape[1], rows.shape[1])
            file.flush()
            yield WrittenRows(file.fileno(), folder, widths[0], (n_rows, widths[1]))


class ShuffledRows:
    """Minibatches of prepared rows in a file.

    Args:
        rows: the n rows.
        labels: (n,) int64 classes, -1 for none, on the device that minibatches are wanted on.
        n_classes: width of the one-hot labels.
    """

    def __init__(self, rows: WrittenRows, labels: Tensor, n_classes: int) -> None:
        self.device = labels.device
        self._rows, self._labels, self._n_classes = rows, labels, n_classes
        self._buffer = torch.empty(0)

    def __len__(self) -> int:
        """Return the number of rows."""
        return self._rows.shape[0]

    def batches(self, batch_size: int, order: torch.Generator) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Yield audio, visual and one-hot labels of minibatches, every row once.

        Batches of one buffer differ by at most one row, and none is a stub.

        Args:
            batch_size: most rows of a batch.
            order: of the blocks, and of the rows in each buffer; on the CPU.

        Raises:
            DiskError: the disk fails.
        """
        for places in self._buffers(batch_size, order):
            rows = self._read(places)
            shuffled = torch.randperm(len(places), generator=order)
            for chosen in shuffled.tensor_split(-(-len(places) // batch_size)):
                batch, labels = rows[chosen].to(self.device), self._labels[places[chosen].to(self.device)]
                audio, visual = batch[:, : self._rows.audio_width], batch[:, self._rows.audio_width :]
                yield audio.contiguous(), visual.contiguous(), onehot(labels, self._n_classes)

    def _buffers(self, batch_size: int, order: torch.Generator) -> Iterator[Tensor]:
        """Numbers (m,) of the rows of each buffer, in the order of the file."""
        starts = self._block_starts()
        n_held = max(BUFFER_BYTES // (4 * self._rows.shape[1]), 2 * batch_size)  # rows
        n_buffers = -(-len(self) // n_held)
        if n_buffers == 1:
            yield torch.arange(len(self))
            return
        for blocks in torch.randperm(len(starts) - 1, generator=order).tensor_split(n_buffers):
            yield torch.cat([torch.arange(starts[k], starts[k + 1]) for k in blocks.sort().values.tolist()])

    def _block_starts(self) -> list[int]:
        """Where each block begins, and where the last one ends: blocks of equal size, but for a row."""
        n_blocks = -(-len(self) // ROWS_OF_A_BLOCK)
        return [len(self) * k // n_blocks for k in range(n_blocks + 1)]

    def _read(self, places: Tensor) -> Tensor:
        """Rows (m, both widths) of the file, in memory that the next ones take."""
        width = self._rows.shape[1]
        if len(self._buffer) < len(places):
            self._buffer = torch.empty(0)  # the old one's memory is free before there is a new one
            self._buffer = torch.empty(len(places), width)
        numbers = places.numpy()
        runs = np.split(numbers, np.flatnonzero(np.diff(numbers) > 1) + 1)
        first = 0
        with disk_errors(self._rows.folder):
            for run in runs:
                self._fill(self._buffer[first : first + len(run)].numpy(), int(run[0]) * width * 4)
                first += len(run)
        return self._buffer[: len(places)]

    def _fill(self, rows: NDArray[np.float32], offset: int) -> None:
        """Read rows that follow each other from a place of the file, in bytes."""
        left = rows.data.cast("B")
        while left:
            n_bytes = os.preadv(self._rows.file, [left], offset)
            if not n_bytes:
                raise DiskError(
                    f"{self._rows.folder}: its temporary file of prepared rows ends early; expected all rows"
                )
            left, offset = left[n_bytes:], offset + n_bytes
