"""Train rows in a temporary file, prepared once, and minibatches of them in an order that is random within bounds.

Where the buffer cannot hold all rows, each row is written to one of several parts of the file, which is drawn for it.
In each epoch the parts come in random order; as many of them as the buffer holds are read, and their rows are shuffled
together and cut into minibatches. So what is in the buffer is a random draw of all rows however they lay, another one
each time, and the file is written and read in long pieces. Where the buffer holds all rows, the order is that of rows
in memory.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.errors import DiskError
from pipeline.formats.files import disk_errors
from pipeline.model_parts.layers import onehot
from pipeline.settings.paths import AnyPath

BUFFER_BYTES = 512 << 20
"""What rows in memory take, but for two minibatches that are larger: 116,000 rows of 1024 and 128 numbers."""

PARTS_OF_A_BUFFER = 16


class FileOrder(NamedTuple):
    """Where train rows are written to in a file.

    Attributes:
        rows: (n,) which row is at each place.
        starts: (n_parts + 1,) where each part begins, and the last one ends.
        n_buffers: how many times the buffer is filled in an epoch, with as many parts each time.
    """

    rows: NDArray[np.int64]
    starts: NDArray[np.int64]
    n_buffers: int


def file_order(n_rows: int, row_width: int, batch_size: int, seed: int) -> FileOrder:
    """Return an order of rows in a file; in their own where the buffer holds them all.

    Args:
        n_rows: how many there are.
        row_width: numbers of a row, both modalities together.
        batch_size: most rows of a minibatch.
        seed: of the draw.
    """
    n_held = max(BUFFER_BYTES // (4 * row_width), 2 * batch_size)
    n_buffers = -(-n_rows // n_held)
    if n_buffers == 1:
        return FileOrder(np.arange(n_rows), np.array([0, n_rows]), 1)
    n_parts = PARTS_OF_A_BUFFER * n_buffers
    starts = n_rows * np.arange(n_parts + 1) // n_parts
    of_part = np.random.default_rng(seed).permutation(np.repeat(np.arange(n_parts), np.diff(starts)))
    return FileOrder(np.argsort(of_part, kind="stable"), starts, n_buffers)


class WrittenRows(NamedTuple):
    """Prepared rows in a file that is gone when it is closed.

    Attributes:
        file: its descriptor.
        folder: that it lies in, for messages.
        order: in which they lie there.
        audio_width: of the first columns.
        visual_width: of the others.
    """

    file: int
    folder: Path
    order: FileOrder
    audio_width: int
    visual_width: int


@contextmanager
def written(
    folder: AnyPath, order: FileOrder, audio: Iterable[Tensor], visual: Iterable[Tensor]
) -> Iterator[WrittenRows]:
    """Write prepared rows to a temporary file without a name, which is gone after the block, whatever happens.

    Args:
        folder: on whose disk it lies.
        order: where each row goes.
        audio: blocks (m, audio width) of all rows.
        visual: blocks (m, visual width) of the same rows.

    Raises:
        DiskError: the disk is full or fails.
    """
    folder, places = Path(folder), np.empty_like(order.rows)
    places[order.rows] = np.arange(len(places))
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder) as file:
            n_done, widths = 0, (0, 0)
            for sounds, pictures in zip(audio, visual, strict=True):
                rows: NDArray[np.float32] = torch.cat([sounds, pictures], dim=1).cpu().float().numpy()
                _write(file, rows, places[n_done : n_done + len(rows)])
                n_done, widths = n_done + len(rows), (sounds.shape[1], pictures.shape[1])
            file.flush()
            yield WrittenRows(file.fileno(), folder, order, *widths)


def _write(file: IO[bytes], rows: NDArray[np.float32], places: NDArray[np.int64]) -> None:
    """Write rows (m, width) to their places (m,); those of one part follow each other there."""
    by_place = np.argsort(places)
    for run in np.split(by_place, np.flatnonzero(np.diff(places[by_place]) != 1) + 1):
        file.seek(int(places[run[0]]) * rows.shape[1] * rows.itemsize)
        file.write(rows[run].data)


class ShuffledRows:
    """Minibatches of prepared rows in a file.

    Args:
        rows: the n rows.
        labels: (n,) int64 classes, -1 for none, on the device that minibatches are wanted on.
        n_classes: width of the one-hot labels.
    """

    def __init__(self, rows: WrittenRows, labels: Tensor, n_classes: int) -> None:
        self.device = labels.device
        self._rows, self._n_classes = rows, n_classes
        self._labels = labels[torch.from_numpy(rows.order.rows).to(labels.device)]  # (n,) as the rows lie in the file
        self._buffer = torch.empty(0)

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self._labels)

    def batches(self, batch_size: int, order: torch.Generator) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Yield minibatches: audio (m, audio width), visual (m, visual width), one-hot labels (m, n_classes).

        Every row comes once. Batches of one buffer differ by at most one row, and none is a stub.

        Args:
            batch_size: most rows of a batch.
            order: of the parts, and of the rows in each buffer; on the CPU.

        Raises:
            DiskError: the disk fails.
        """
        width = self._rows.audio_width
        for parts in self._buffers(order):
            rows, labels = self._read(parts)
            shuffled = torch.randperm(len(rows), generator=order)
            for chosen in shuffled.tensor_split(-(-len(rows) // batch_size)):
                batch, of_batch = rows[chosen].to(self.device), labels[chosen.to(self.device)]
                audio, visual = batch[:, :width].contiguous(), batch[:, width:].contiguous()
                yield audio, visual, onehot(of_batch, self._n_classes)

    def _buffers(self, order: torch.Generator) -> list[list[int]]:
        """The numbers of the parts that are read together."""
        n_parts, n_buffers = len(self._rows.order.starts) - 1, self._rows.order.n_buffers
        if n_buffers == 1:
            return [list(range(n_parts))]
        return [parts.tolist() for parts in torch.randperm(n_parts, generator=order).tensor_split(n_buffers)]

    def _read(self, parts: list[int]) -> tuple[Tensor, Tensor]:
        """Rows (m, both widths) of parts, in memory that the next ones take, and their labels (m,)."""
        width, starts = self._rows.audio_width + self._rows.visual_width, self._rows.order.starts.tolist()
        spans = [slice(starts[part], starts[part + 1]) for part in parts]
        n_rows = sum(span.stop - span.start for span in spans)
        if len(self._buffer) < n_rows:
            self._buffer = torch.empty(0)  # the old one's memory is free before there is a new one
            self._buffer = torch.empty(n_rows, width)
        first = 0
        with disk_errors(self._rows.folder):
            for span in spans:
                place = slice(first, first + span.stop - span.start)
                self._fill(self._buffer[place].numpy(), span.start * width * 4)
                first = place.stop
        return self._buffer[:n_rows], torch.cat([self._labels[span] for span in spans])

    def _fill(self, rows: NDArray[np.float32], offset: int) -> None:
        """Read rows that follow each other from a place of the file, in bytes."""
        left = rows.data.cast("B") if rows.size else memoryview(b"")
        while left:
            n_bytes = os.preadv(self._rows.file, [left], offset)
            if not n_bytes:
                raise DiskError(
                    f"{self._rows.folder}: its temporary file of prepared rows ends early; expected all rows"
                )
            left, offset = left[n_bytes:], offset + n_bytes
