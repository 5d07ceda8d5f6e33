"""Many queries are ranked in threads: the same numbers to the bit, and the same errors."""

import numpy as np
import pytest

from pipeline.evaluate.query_metrics import query_metrics
from pipeline.retrieval import cosines as cosines_module
from pipeline.retrieval import hits as hits_module
from pipeline.retrieval.hits import Hits


@pytest.mark.parametrize("within", [False, True])
def test_threads_change_no_bit_of_any_number(within: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    labels = np.concatenate([rng.integers(0, 4, 400), [7] * (0 if within else 1)])  # and a class of one item
    query, gallery = rng.normal(size=(2, len(labels), 6)).round(1).astype(np.float32)  # of which some cosines tie
    monkeypatch.setattr(cosines_module, "_SCORES_PER_BLOCK", 2000)  # runs of five queries
    own, found = np.arange(len(labels)) if within else None, []
    for n_threads, most in (("1", 0), ("3", 0), ("3", 10**9)):
        monkeypatch.setenv("AVR_WORKERS", n_threads)
        monkeypatch.setattr(hits_module, "_SCORES_OF_ONE_THREAD", most)
        found.append(query_metrics(query, query if within else gallery, labels, labels, (1, 5), (2,), own))
    for other in found[1:]:
        np.testing.assert_array_equal(other.precision_at_scope, found[0].precision_at_scope)
        for name, values in found[0].scalars.items():
            np.testing.assert_array_equal(other.scalars[name], values)


def test_an_error_in_a_thread_is_that_of_the_call_and_the_rest_is_not_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cosines_module, "_SCORES_PER_BLOCK", 100)
    monkeypatch.setattr(hits_module, "_SCORES_OF_ONE_THREAD", 0)
    monkeypatch.setenv("AVR_WORKERS", "2")
    rng, asked = np.random.default_rng(0), []

    def measure(hits: Hits) -> np.ndarray:
        asked.append(len(hits.n_above))
        raise MemoryError("no room")

    rows, labels = rng.normal(size=(100, 4)), np.zeros(100, np.int64)
    with pytest.raises(MemoryError, match="no room"):
        hits_module.by_query(measure, rows, rows, labels, labels)
    assert len(asked) < 100
