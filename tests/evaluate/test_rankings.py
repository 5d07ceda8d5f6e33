"""The first results of a query, against a plain sort of scikit-learn's cosines."""

from functools import partial

import numpy as np
import pytest
from sklearn.metrics.pairwise import cosine_similarity

from pipeline.errors import DataError
from pipeline.evaluate import rankings
from pipeline.evaluate.rankings import first_results


@pytest.mark.parametrize("n_kept", [1, 7, 40, 500])
def test_the_results_are_those_of_a_sort_of_scikit_learn_s_cosines(n_kept: int) -> None:
    rng = np.random.default_rng(0)
    query, gallery = rng.normal(size=(9, 6)), rng.normal(size=(40, 6))
    expected = cosine_similarity(query, gallery)
    order = np.argsort(-expected, axis=1)[:, :n_kept]
    found = first_results(query, gallery, n_kept)
    assert found.items.tolist() == order.tolist()
    np.testing.assert_allclose(found.cosines, np.take_along_axis(expected, order, axis=1), atol=1e-12)
    assert found.ranks.tolist() == [[*range(1, min(n_kept, 40) + 1)]] * 9


def test_tied_results_share_a_rank_and_stand_in_the_gallery_s_order() -> None:
    gallery = np.array([[0.0, 1.0], [2.0, 0.0], [1.0, 1.0], [5.0, 0.0], [0.0, 3.0]])
    found = first_results(np.array([[1.0, 0.0]]), gallery, 5)
    assert found.items.tolist() == [[1, 3, 2, 0, 4]]
    assert found.ranks.tolist() == [[1, 1, 3, 4, 4]]
    assert first_results(np.array([[1.0, 0.0]]), gallery, 4).items.tolist() == [[1, 3, 2, 0]]  # a tie is cut


def test_a_large_gallery_is_searched_block_by_block(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    query, gallery = rng.normal(size=(11, 4)), rng.normal(size=(30, 4))
    whole = first_results(query, gallery, 5)
    of_two = partial(rankings.blocks, scores_per_block=60)
    assert len(list(of_two(np.arange(11), 30))) == 6
    monkeypatch.setattr(rankings, "blocks", of_two)
    assert all(np.array_equal(a, b) for a, b in zip(first_results(query, gallery, 5), whole, strict=True))


def test_embeddings_that_have_no_cosines_are_refused() -> None:
    with pytest.raises(DataError, match="query is 2 wide, gallery 3; expected one width"):
        first_results(np.ones((1, 2)), np.ones((4, 3)), 1)
