"""The way of a GPU ranks as the way of a CPU does, to the number: on a CPU, a pretended GPU, and a GPU where one is."""

import os

import numpy as np
import pytest
import torch

from pipeline.evaluate.query_metrics import query_metrics
from pipeline.retrieval import queries
from pipeline.retrieval.cosines import unit_rows
from pipeline.retrieval.galleries import CpuGallery
from pipeline.retrieval.hits import Hits
from pipeline.retrieval.torch_hits import TorchGallery
from tests.helpers.pretended_gpu import pretended_gpu


def rows(n_rows: int, decimals: int, seed: int) -> np.ndarray:
    """Embeddings of which many have one cosine where there are few decimals."""
    return np.random.default_rng(seed).normal(size=(n_rows, 4)).round(decimals)


@pytest.mark.parametrize("decimals", [0, 1, 9])
@pytest.mark.parametrize("own", [None, np.arange(20, 60)])
def test_the_counts_are_those_of_the_keys(decimals: int, own: np.ndarray | None) -> None:
    query, items = rows(40, decimals, 1), unit_rows(rows(90, decimals, 2))
    one, other = (kind(items).hits(query, slice(20, 61), own) for kind in (CpuGallery, TorchGallery))
    for counts, expected in zip(other, one, strict=True):
        np.testing.assert_array_equal(counts, expected)


@pytest.mark.parametrize("decimals", [0, 9])
def test_the_counts_of_lone_items_are_those_of_counting(decimals: int) -> None:
    query, items = rows(40, decimals, 1), unit_rows(rows(90, decimals, 2))
    one, other = (kind(items).lone_hits(query, np.arange(5, 45)) for kind in (CpuGallery, TorchGallery))
    for counts, expected in zip(other, one, strict=True):
        np.testing.assert_array_equal(counts, expected)


def all_metrics(decimals: int) -> list[np.ndarray]:
    labels = np.concatenate([np.random.default_rng(3).integers(0, 4, 200), [9]])
    query, gallery = rows(201, decimals, 1), rows(201, decimals, 2)
    found = query_metrics(query, gallery, labels, labels, (1, 5), (2, 10))
    return [*found.scalars.values(), found.precision_at_scope, found.precision_at_recall]


@pytest.mark.parametrize("decimals", [0, 9])
def test_every_metric_is_the_same_to_the_bit(decimals: int, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = all_metrics(decimals)
    monkeypatch.setattr(queries, "_kind_of_gallery", lambda n_scores: TorchGallery)
    for values, known in zip(all_metrics(decimals), expected, strict=True):
        np.testing.assert_array_equal(values, known)


def test_a_pretended_gpu_gets_no_array_of_the_cpu_nor_gives_one(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = all_metrics(1)
    monkeypatch.setattr(queries, "SCORES_FOR_A_GPU", 0)
    with pretended_gpu():
        found = all_metrics(1)
    for values, known in zip(found, expected, strict=True):
        np.testing.assert_array_equal(values, known)


class FullGallery(TorchGallery):
    """A GPU on which others leave room for a few queries only."""

    def hits(self, query: np.ndarray, relevant: slice, own: np.ndarray | None = None) -> Hits:
        """Compare few queries; where there are more, fail as torch does."""
        if len(query) > 40:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return super().hits(query, relevant, own)


def test_a_gpu_without_room_leaves_the_work_to_the_cpu(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    expected = all_metrics(1)
    monkeypatch.setattr(queries, "_kind_of_gallery", lambda n_scores: FullGallery)
    for values, known in zip(all_metrics(1), expected, strict=True):
        np.testing.assert_array_equal(values, known)
    said = "the GPU has no room for 201 items: the CPU compares, to the same numbers\n"
    assert set(capsys.readouterr().err.splitlines(keepends=True)) == {said}


def test_a_gpu_is_looked_for_where_there_is_much_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.settings.device.chosen_device", lambda: torch.device("cuda"))
    monkeypatch.setenv("AVR_DEVICE", "cuda")
    assert queries._kind_of_gallery(2**20) is CpuGallery
    assert queries._kind_of_gallery(2**30) is TorchGallery
    monkeypatch.setattr("pipeline.settings.device.chosen_device", lambda: torch.device("cpu"))
    assert queries._kind_of_gallery(2**30) is CpuGallery


@pytest.mark.gpu
@pytest.mark.skipif(
    not torch.cuda.is_available() and os.environ.get("FAIL_WITHOUT_GPU") != "1", reason="needs a CUDA device"
)
def test_a_gpu_gives_every_metric_of_a_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = all_metrics(9)
    monkeypatch.setattr(queries, "SCORES_FOR_A_GPU", 0)
    for values, known in zip(all_metrics(9), expected, strict=True):
        np.testing.assert_array_equal(values, known)
