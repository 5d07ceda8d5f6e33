"""Many queries are ranked in threads: the same numbers to the bit, and the same errors."""

from functools import partial

import numpy as np
import pytest

from pipeline.evaluate import query_metrics as query_metrics_module
from pipeline.evaluate import rankings
from pipeline.evaluate.query_metrics import nearest_class, query_metrics
from pipeline.retrieval import queries, threads
from pipeline.retrieval.cosines import blocks
from pipeline.retrieval.galleries import CpuGallery
from pipeline.retrieval.hits import Hits


def in_small_blocks(monkeypatch: pytest.MonkeyPatch, scores_per_block: int) -> None:
    monkeypatch.setattr(CpuGallery, "scores_per_block", scores_per_block)
    for module in (query_metrics_module, rankings):
        monkeypatch.setattr(module, "blocks", partial(blocks, scores_per_block=scores_per_block))


def in_threads(monkeypatch: pytest.MonkeyPatch, n_threads: str, most: int = 0) -> None:
    monkeypatch.setenv("AVR_WORKERS", n_threads)
    monkeypatch.setattr(threads, "_SCORES_OF_ONE_THREAD", most)


@pytest.mark.parametrize("within", [False, True])
def test_threads_change_no_bit_of_any_number(within: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    labels = np.concatenate([rng.integers(0, 4, 400), [7] * (0 if within else 1)])  # and a class of one item
    query, gallery = rng.normal(size=(2, len(labels), 6)).round(1).astype(np.float32)  # of which some cosines tie
    in_small_blocks(monkeypatch, 2000)  # runs of five queries
    own, found = np.arange(len(labels)) if within else None, []
    for n_threads, most in (("1", 0), ("3", 0), ("3", 10**9)):
        in_threads(monkeypatch, n_threads, most)
        found.append(query_metrics(query, query if within else gallery, labels, labels, (1, 5), (2,), own))
    for other in found[1:]:
        np.testing.assert_array_equal(other.precision_at_scope, found[0].precision_at_scope)
        for name, values in found[0].scalars.items():
            np.testing.assert_array_equal(other.scalars[name], values)


def test_threads_change_neither_the_first_results_nor_the_nearest_class(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(4)
    query, gallery = rng.normal(size=(2, 300, 5)).round(1)
    labels, found = rng.integers(0, 4, 300), []
    in_small_blocks(monkeypatch, 1000)
    for n_threads in ("1", "3"):
        in_threads(monkeypatch, n_threads)
        found.append((*rankings.first_results(query, gallery, 7), nearest_class(query, gallery, labels)))
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one, other)


def test_an_error_in_a_thread_is_that_of_the_call_and_the_rest_is_not_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    in_small_blocks(monkeypatch, 100)
    in_threads(monkeypatch, "2")
    rng, asked = np.random.default_rng(0), []

    def measure(hits: Hits) -> np.ndarray:
        asked.append(len(hits.n_above))
        raise MemoryError("no room")

    rows, labels = rng.normal(size=(100, 4)), np.zeros(100, np.int64)
    with pytest.raises(MemoryError, match="no room"):
        queries.by_query(measure, rows, rows, labels, labels)
    assert len(asked) < 100
