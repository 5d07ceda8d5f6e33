"""The table of metrics: each name has the numbers of its own metric. Oracles: plain counts of a ranking by hand."""

from itertools import permutations

import numpy as np
import pytest

from pipeline.evaluate.metrics import METRICS, over_queries, with_cutoffs
from pipeline.retrieval.hits import Hits, exact_hits

RELEVANT = (0, 1, 0, 0, 1, 1, 0)  # by rank


def hits_of(scores: list[float], relevant: tuple[int, ...]) -> Hits:
    """The standing of one query's hits."""
    all_scores = np.array(scores)
    return Hits(*(counts[None] for counts in exact_hits(all_scores, all_scores[np.array(relevant, bool)])))


def by_hand(name: str, ranked: tuple[int, ...]) -> float:
    """A metric of a ranking without ties, by its definition."""
    family, _, cutoff = name.partition("_at_")
    k = int(cutoff or len(ranked))
    ranks = [rank for rank, hit in enumerate(ranked, 1) if hit]
    perfect = sum(1 / np.log2(1 + rank) for rank in range(1, min(k, len(ranks)) + 1))
    values = {
        "map": np.mean([j / rank for j, rank in enumerate(ranks, 1)]),
        "mrr": 1 / ranks[0],
        "median_rank": ranks[0],
        "recall": ranks[0] <= k,
        "precision": sum(rank <= k for rank in ranks) / k,
        "ndcg": sum(1 / np.log2(1 + rank) for rank in ranks if rank <= k) / perfect,
    }
    assert family in values, f"{family}: no oracle; expected its definition among the values of by_hand"
    return float(values[family])


@pytest.mark.parametrize("name", with_cutoffs([1, 2, 5, 9]))
def test_every_name_has_the_metric_that_it_says(name: str) -> None:
    hits = hits_of([9, 8, 7, 6, 5, 4, 3], RELEVANT)
    assert with_cutoffs([1, 2, 5, 9])[name](hits) == pytest.approx([by_hand(name, RELEVANT)])


@pytest.mark.parametrize("name", [name for name in with_cutoffs([1, 2, 5]) if name != "map"])
def test_with_ties_every_metric_but_the_average_precision_is_its_mean_over_all_orders(name: str) -> None:
    scores, relevant = [3.0, 2.0, 2.0, 2.0, 2.0, 1.0], (0, 1, 0, 0, 1, 1)
    orders = [(0, *(relevant[i] for i in order), 1) for order in permutations(range(1, 5))]
    expected = np.mean([by_hand(name, ranked) for ranked in orders])
    assert with_cutoffs([1, 2, 5])[name](hits_of(scores, relevant)) == pytest.approx([expected])


def test_of_the_first_item_alone_there_is_no_precision_and_no_ndcg_for_they_are_the_recall() -> None:
    hits = [hits_of(list(row), RELEVANT) for row in np.random.default_rng(0).integers(0, 4, (20, 7)).astype(float)]
    functions = {metric.name: metric.of_queries for metric in METRICS}
    for name in ("precision", "ndcg"):
        assert f"{name}_at_1" not in with_cutoffs([1, 5])
        for of_query in hits:
            assert functions[name](of_query, 1) == pytest.approx(functions["recall"](of_query, 1))


def test_no_two_metrics_have_one_name() -> None:
    names = [metric.name for metric in METRICS]
    assert len(set(names)) == len(names)
    assert not [name for name in names if "_at_" in name]


def test_all_queries_have_the_median_of_the_ranks_and_the_weighted_mean_of_all_else() -> None:
    values, weights = np.array([[1.0, 2.0, 9.0], [4.0, 4.0, 5.0]]), np.array([0.5, 0.25, 0.25])
    assert over_queries("median_rank", values, weights).tolist() == [2, 4]
    assert over_queries("recall_at_5", values, weights).tolist() == [3.25, 4.25]
