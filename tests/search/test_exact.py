"""The nearest rows equal those of a naive loop over all cosines, ties and missing sides included."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from pipeline.search import exact
from pipeline.search.exact import Side, nearest


def cosine(first: NDArray[np.floating], second: NDArray[np.floating]) -> float:
    """By the definition, in exactly rounded sums."""
    dot = math.fsum(float(a) * float(b) for a, b in zip(first, second, strict=True))
    norms = [math.sqrt(math.fsum(float(a) ** 2 for a in vector)) for vector in (first, second)]
    return dot / (norms[0] * norms[1]) if all(norms) else 0.0


def naive(
    sides: list[Side], top: int, tie_order: NDArray[np.int64], allowed: NDArray[np.bool_]
) -> tuple[list[int], list[float]]:
    """Rows by their mean cosine, equal ones (to 2**-36) by the given order."""
    scores = {}
    for row in range(len(tie_order)):
        values = [cosine(side.query, side.items[row]) for side in sides if side.has[row]]
        if values and allowed[row]:
            scores[row] = math.fsum(values) / len(values)
    rows = sorted(scores, key=lambda row: (-round(scores[row] * 2**36), tie_order[row]))[:top]
    return rows, [scores[row] for row in rows]


def a_side(rng: np.random.Generator, n: int, width: int, decimals: int) -> Side:
    items = rng.normal(size=(n, width)).round(decimals)
    has = rng.random(n) < 0.8
    norms = np.linalg.norm(items, axis=1, keepdims=True)
    items = np.divide(items, norms, out=np.zeros_like(items), where=norms > 0)
    items[~has] = 0
    return Side(rng.normal(size=width).round(decimals) + 1e-3, items.astype(np.float32), has)


@given(st.integers(0, 2**32), st.integers(1, 40), st.integers(1, 3), st.integers(1, 12), st.sampled_from([0, 1, 8]))
@settings(max_examples=60, deadline=None)
def test_the_nearest_rows_are_those_of_a_naive_loop(seed: int, n: int, n_sides: int, top: int, decimals: int) -> None:
    rng = np.random.default_rng(seed)
    sides = [a_side(rng, n, 5, decimals) for _ in range(n_sides)]
    order, allowed = rng.permutation(n), rng.random(n) < 0.7
    found = nearest(sides, top, order, allowed)
    rows, scores = naive(sides, top, order, allowed)
    assert found.rows.tolist() == rows
    np.testing.assert_allclose(found.scores, scores, atol=1e-10)


def test_rows_that_float32_cannot_tell_apart_stand_in_their_exact_order() -> None:
    rng = np.random.default_rng(1)
    query, rows = rng.normal(size=64), []
    base = rng.normal(size=64)
    for step in range(300):
        rows.append(base + step * 1e-7 * query)  # rising cosines, some of them below the step of float32
    items = np.array(rows)
    items = (items / np.linalg.norm(items, axis=1, keepdims=True)).astype(np.float32)
    side, order = Side(query, items, np.ones(300, bool)), np.arange(300)
    assert nearest([side], 20, order).rows.tolist() == naive([side], 20, order, np.ones(300, bool))[0]


def test_the_size_of_a_block_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    side = a_side(np.random.default_rng(2), 50, 6, 2)
    whole = nearest([side], 10, np.arange(50))
    monkeypatch.setattr(exact, "ROWS_PER_PRODUCT", 7)
    assert nearest([side], 10, np.arange(50)).rows.tolist() == whole.rows.tolist()


def test_equal_rows_stand_in_the_order_that_is_given() -> None:
    side = Side(np.ones(3), np.full((5, 3), 3**-0.5, np.float32), np.ones(5, bool))
    assert nearest([side], 3, np.array([4, 2, 0, 1, 3])).rows.tolist() == [2, 3, 1]


def test_without_any_row_that_may_be_found_nothing_is() -> None:
    side = a_side(np.random.default_rng(3), 4, 3, 8)
    assert len(nearest([side], 3, np.arange(4), np.zeros(4, bool)).rows) == 0
