from collections.abc import Iterator

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pipeline.errors import DataError, ParamsError
from pipeline.network_parts.inference import embed_clips

CPU = torch.device("cpu")


class Sums(nn.Module):
    """The sum and the first number of each row; it remembers the batches that it saw."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[Tensor] = []

    def forward(self, rows: Tensor) -> Tensor:
        self.batches.append(rows)
        return torch.stack([rows.flatten(1).sum(1), rows.flatten(1)[:, 0]], dim=1).double()


def clips_of(*lengths: int) -> list[tuple[str, NDArray[np.float32]]]:
    rng = np.random.default_rng(0)
    return [(f"clip{i}", rng.random((n, 2, 3), np.float32)) for i, n in enumerate(lengths)]


@pytest.mark.parametrize("batch_size", [1, 3, 4, 100])
def test_each_clip_gets_the_features_of_its_own_rows_in_order(batch_size: int) -> None:
    clips = clips_of(1, 5, 4, 11, 2)
    embedded = list(embed_clips(clips, Sums(), batch_size, CPU))
    assert [clip_id for clip_id, _ in embedded] == [clip_id for clip_id, _ in clips]
    for (_, features), (_, rows) in zip(embedded, clips, strict=True):
        assert features.dtype == np.float32
        np.testing.assert_allclose(features, np.c_[rows.sum(axis=(1, 2)), rows[:, 0, 0]], rtol=1e-6)


def test_all_batches_have_one_size_and_the_last_ends_in_zeros() -> None:
    network = Sums()
    list(embed_clips(clips_of(3, 3, 4), network, 4, CPU))
    assert [len(batch) for batch in network.batches] == [4, 4, 4]
    assert not network.batches[-1][2:].any()
    assert network.batches[-1][:2].all()


def test_a_clip_comes_out_before_clips_beyond_its_batch_are_read() -> None:
    n_read = 0

    def source() -> Iterator[tuple[str, NDArray[np.float32]]]:
        nonlocal n_read
        for clip in clips_of(3, 3, 3, 3, 3):
            n_read += 1
            yield clip

    embedded = embed_clips(source(), Sums(), 4, CPU)
    n_read_at = {clip_id: n_read for clip_id, _ in embedded}
    assert n_read_at == {"clip0": 2, "clip1": 3, "clip2": 4, "clip3": 4, "clip4": 5}


def test_no_more_rows_are_asked_for_than_a_batch_takes() -> None:
    class Recorded(np.ndarray):
        def __getitem__(self, rows: slice) -> NDArray[np.float32]:
            asked.append(np.asarray(super().__getitem__(rows)))
            return asked[-1]

    asked: list[NDArray[np.float32]] = []
    list(embed_clips([(clip_id, rows.view(Recorded)) for clip_id, rows in clips_of(3, 11)], Sums(), 4, CPU))
    assert [len(rows) for rows in asked] == [3, 1, 4, 4, 2]


def test_no_gradient_is_kept() -> None:
    sums = Sums()
    list(embed_clips(clips_of(2), nn.Sequential(nn.Flatten(), nn.Linear(6, 2), sums), 2, CPU))
    assert sums.batches[0].is_inference()


def test_the_network_is_put_into_evaluation_mode() -> None:
    network = nn.Sequential(nn.Flatten(), nn.Dropout(0.5))
    ((_, features),) = embed_clips([("a", np.ones((4, 8), np.float32))], network, 4, CPU)
    np.testing.assert_array_equal(features, np.ones((4, 8)))


def test_bytes_reach_the_network_as_bytes() -> None:
    network = Sums()
    list(embed_clips([("a", np.full((1, 2), 255, np.uint8))], network, 2, CPU))
    assert network.batches[0].dtype == torch.uint8


def test_a_clip_without_rows_is_named() -> None:
    with pytest.raises(DataError, match=r"clip 'clip1': an array of shape \(0, 2, 3\); expected at least one row"):
        list(embed_clips(clips_of(2, 0), Sums(), 4, CPU))


@pytest.mark.parametrize(
    ("odd", "message"),
    [
        (np.zeros((2, 3, 3), np.float32), r"clip 'odd': rows of shape \(3, 3\), float32; expected \(2, 3\), float32"),
        (np.zeros((2, 2, 3), np.float64), r"clip 'odd': rows of shape \(2, 3\), float64; expected \(2, 3\), float32"),
    ],
)
def test_a_clip_unlike_the_first_is_named(odd: NDArray[np.float64], message: str) -> None:
    with pytest.raises(DataError, match=message):
        list(embed_clips([*clips_of(2), ("odd", odd)], Sums(), 4, CPU))


def test_a_batch_of_no_rows_is_refused() -> None:
    with pytest.raises(ParamsError, match=r"batch_size=0; expected at least 1"):
        list(embed_clips(clips_of(1), Sums(), 0, CPU))
