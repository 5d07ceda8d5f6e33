"""Minibatches from a file: every row once an epoch, in an order of the seed, from a buffer of a size that is given."""

import resource
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor

from pipeline.errors import DiskError
from pipeline.model_parts import shuffled_rows
from pipeline.model_parts.shuffled_rows import ShuffledRows, written
from pipeline.model_parts.training import minibatches

N, ROW_BYTES = 203, 4 * 5
CPU = torch.device("cpu")
NUMBERS = torch.arange(N, dtype=torch.float32)[:, None]
AUDIO, VISUAL = NUMBERS * torch.tensor([[1.0, -1.0]]), NUMBERS * torch.tensor([[1.0, 2.0, 3.0]])
LABELS = torch.arange(N) % 4 - 1  # -1: no class


@pytest.fixture
def rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ShuffledRows]:
    """Rows whose first number is their own, in blocks of 8."""
    monkeypatch.setattr(shuffled_rows, "ROWS_OF_A_BLOCK", 8)
    with written(tmp_path, AUDIO.split(50), VISUAL.split(50)) as file:
        yield ShuffledRows(file, LABELS, 3)


def epoch(rows: ShuffledRows, order: torch.Generator, batch_size: int = 10) -> list[Tensor]:
    """The numbers of the rows of each batch."""
    return [audio[:, 0].long() for audio, _, _ in rows.batches(batch_size, order)]


def hold(monkeypatch: pytest.MonkeyPatch, n_rows: int) -> None:
    monkeypatch.setattr(shuffled_rows, "BUFFER_BYTES", n_rows * ROW_BYTES)


@pytest.mark.parametrize("n_held", [1, 40, 100, N])
def test_every_row_comes_once_an_epoch(rows: ShuffledRows, monkeypatch: pytest.MonkeyPatch, n_held: int) -> None:
    hold(monkeypatch, n_held)
    order = torch.Generator().manual_seed(0)
    for _ in range(2):
        batches = epoch(rows, order)
        assert sorted(torch.cat(batches).tolist()) == list(range(N))
        assert max(map(len, batches)) <= 10
        assert min(map(len, batches)) >= 5  # no stub


def test_a_batch_has_the_features_and_labels_of_its_rows(rows: ShuffledRows, monkeypatch: pytest.MonkeyPatch) -> None:
    hold(monkeypatch, 40)
    for audio, visual, onehot in rows.batches(10, torch.Generator().manual_seed(0)):
        numbers = audio[:, 0].long()
        assert torch.equal(audio, AUDIO[numbers])
        assert torch.equal(visual, VISUAL[numbers])
        assert torch.equal(onehot, (LABELS[numbers][:, None] == torch.arange(3)).float())


def test_a_buffer_of_all_rows_gives_the_order_of_rows_in_memory(
    rows: ShuffledRows, monkeypatch: pytest.MonkeyPatch
) -> None:
    hold(monkeypatch, N)
    ours, theirs = (torch.Generator().manual_seed(7) for _ in range(2))
    for _ in range(2):
        expected = minibatches(N, 10, theirs, CPU)
        assert [batch.tolist() for batch in epoch(rows, ours)] == [batch.tolist() for batch in expected]


def test_the_order_is_that_of_the_seed_and_another_in_each_epoch(
    rows: ShuffledRows, monkeypatch: pytest.MonkeyPatch
) -> None:
    hold(monkeypatch, 60)
    orders = [torch.Generator().manual_seed(seed) for seed in (3, 3, 4)]
    first, again, other = (torch.cat(epoch(rows, order)).tolist() for order in orders)
    assert first == again != other
    assert torch.cat(epoch(rows, orders[0])).tolist() != first


def test_no_more_rows_are_shuffled_together_than_the_buffer_holds(
    rows: ShuffledRows, monkeypatch: pytest.MonkeyPatch
) -> None:
    hold(monkeypatch, 60)
    numbers = torch.cat(epoch(rows, torch.Generator().manual_seed(0)))
    starts = torch.tensor([N * k // 26 for k in range(26)])  # blocks of 8 rows or 7
    blocks = torch.bucketize(numbers, starts, right=True)
    reach = [int(places.max() - places.min()) for places in ((blocks == k).nonzero() for k in range(1, 27))]
    assert max(reach) < 60  # from the first row of a block that comes to its last
    assert torch.corrcoef(torch.stack([numbers.double(), torch.arange(N).double()]))[0, 1].abs() < 0.5


def test_a_full_disk_is_a_disk_error_and_leaves_nothing(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(DiskError, match="File too large"), written(tmp_path, [AUDIO], [VISUAL]):
            pass
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == []


def test_the_file_has_no_name_while_it_is_used(tmp_path: Path) -> None:
    with written(tmp_path, [AUDIO], [VISUAL]):
        assert list(tmp_path.iterdir()) == []
