"""Minibatches from a file: every row once an epoch, in an order of the seed, from a buffer of a size that is given."""

import math
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from pipeline.errors import DiskError
from pipeline.model_parts import shuffled_rows
from pipeline.model_parts.shuffled_rows import ShuffledRows, file_order, written
from pipeline.model_parts.training import minibatches

N, ROW_BYTES = 203, 4 * 5
CPU = torch.device("cpu")
NUMBERS = torch.arange(N, dtype=torch.float32)[:, None]
AUDIO, VISUAL = NUMBERS * torch.tensor([[1.0, -1.0]]), NUMBERS * torch.tensor([[1.0, 2.0, 3.0]])
LABELS = torch.arange(N) % 4 - 1  # -1: no class


@contextmanager
def held(folder: Path, n_held: int, monkeypatch: pytest.MonkeyPatch, batch_size: int = 10) -> Iterator[ShuffledRows]:
    """Rows whose first number is their own, with a buffer of so many."""
    monkeypatch.setattr(shuffled_rows, "BUFFER_BYTES", n_held * ROW_BYTES)
    monkeypatch.setattr(shuffled_rows, "PARTS_OF_A_BUFFER", 4)
    with written(folder, file_order(N, 5, batch_size, seed=0), AUDIO.split(50), VISUAL.split(50)) as file:
        yield ShuffledRows(file, LABELS, 3)


def epoch(rows: ShuffledRows, order: torch.Generator, batch_size: int = 10) -> list[Tensor]:
    """The numbers of the rows of each batch."""
    return [audio[:, 0].long() for audio, _, _ in rows.batches(batch_size, order)]


@pytest.mark.parametrize("n_held", [1, 40, 100, N])
def test_every_row_comes_once_an_epoch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, n_held: int) -> None:
    order = torch.Generator().manual_seed(0)
    with held(tmp_path, n_held, monkeypatch) as rows:
        for _ in range(2):
            batches = epoch(rows, order)
            assert sorted(torch.cat(batches).tolist()) == list(range(N))
            assert max(map(len, batches)) <= 10
            assert min(map(len, batches)) >= 5  # no stub


def test_a_batch_has_the_features_and_labels_of_its_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with held(tmp_path, 40, monkeypatch) as rows:
        for audio, visual, onehot in rows.batches(10, torch.Generator().manual_seed(0)):
            numbers = audio[:, 0].long()
            assert torch.equal(audio, AUDIO[numbers])
            assert torch.equal(visual, VISUAL[numbers])
            assert torch.equal(onehot, (LABELS[numbers][:, None] == torch.arange(3)).float())


def test_a_buffer_of_all_rows_gives_the_order_of_rows_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = (torch.Generator().manual_seed(7) for _ in range(2))
    with held(tmp_path, N, monkeypatch) as rows:
        for _ in range(2):
            expected = minibatches(N, 10, theirs, CPU)
            assert [batch.tolist() for batch in epoch(rows, ours)] == [batch.tolist() for batch in expected]


def test_the_order_is_that_of_the_seed_and_another_in_each_epoch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    orders = [torch.Generator().manual_seed(seed) for seed in (3, 3, 4)]
    with held(tmp_path, 60, monkeypatch) as rows:
        first, again, other = (torch.cat(epoch(rows, order)).tolist() for order in orders)
        assert first == again != other
        assert torch.cat(epoch(rows, orders[0])).tolist() != first


def test_what_is_shuffled_together_is_a_draw_of_all_rows_and_another_each_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = torch.Generator().manual_seed(0)
    with held(tmp_path, 60, monkeypatch) as rows:
        draws = [set(torch.cat(epoch(rows, order))[: N // 4].tolist()) for _ in range(4)]  # the first of 4 buffers
    assert len(set(map(frozenset, draws))) == 4
    for draw in draws:
        n_of_fourths = [sum(first <= number < first + N // 4 for number in draw) for first in range(0, N, N // 4)]
        assert min(n_of_fourths[:4]) >= 3  # of 12 or 13 to be expected


def test_no_buffer_takes_more_rows_than_it_may(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shuffled_rows, "BUFFER_BYTES", 1000 * ROW_BYTES)
    for n_rows, batch_size in ((1000, 10), (1001, 10), (54_321, 10), (54_321, 3000)):
        order = file_order(n_rows, 5, batch_size, seed=0)
        assert sorted(order.rows.tolist()) == list(range(n_rows))
        most = math.ceil(np.diff(order.starts).max() * (len(order.starts) - 1) / order.n_buffers)
        assert most <= max(1000, 2 * batch_size) + len(order.starts)


def test_a_full_disk_is_a_disk_error_and_leaves_nothing(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with (
            pytest.raises(DiskError, match="File too large"),
            written(tmp_path, file_order(N, 5, 10, seed=0), [AUDIO], [VISUAL]),
        ):
            pass
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == []


def test_the_file_has_no_name_while_it_is_used(tmp_path: Path) -> None:
    with written(tmp_path, file_order(N, 5, 10, seed=0), [AUDIO], [VISUAL]):
        assert list(tmp_path.iterdir()) == []
