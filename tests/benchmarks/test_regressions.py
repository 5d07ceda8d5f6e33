"""What the check of ratios finds, on made results."""

from collections.abc import Sequence

import pytest

from benchmarks.bench.regressions import findings
from benchmarks.bench.results import Beside, MeasuredRow, Measurement, Spread, spread
from benchmarks.bench.turns import BEFORE

STEADY, UNSTEADY = (0.0,), (-0.3, -0.2, 0.0, 0.2, 0.3)


def around(median: float, apart: Sequence[float] = STEADY) -> Spread:
    return spread([median * (1 + share) for share in apart])


def made(
    limit: Spread | None = None, peer: Spread | None = None, *, rows: str = "ab", version: str = "1", clips: int = 3
) -> Measurement:
    """A measurement whose rows have a limit at 1.2 and a peer at 3, where nothing else is said."""
    beside = (
        Beside(way="floor", role="limit", ratio=limit or around(1.2)),
        Beside(way="other", role="peer", version=version, ratio=peer or around(3.0)),
    )
    measured = tuple(
        MeasuredRow(
            name=name, group=name, what=name, unit="ms", size={"clips": clips}, revision="r", rounds=5, ours=1.0,
            milliseconds={"ours": 1.0}, beside=beside,
        )
        for name in rows
    )  # fmt: skip
    about = {"processor": "p", "date": "2026-01-01", "before": None, "versions": {}}
    return Measurement(**about, rows=measured)


def said(fresh: Measurement, committed: Measurement | None = None, groups: str = "a") -> tuple[list[str], list[str]]:
    """What is worse, and what is only noted."""
    found = findings(committed or made(), fresh, groups)
    return [one.text for one in found if one.is_worse], [one.text for one in found if not one.is_worse]


def test_equal_and_better_ratios_are_not_mentioned() -> None:
    assert said(made()) == ([], [])
    assert said(made(around(0.6), around(9.0))) == ([], [])


@pytest.mark.parametrize(("share", "is_worse"), [(0.04, False), (0.06, True)])
def test_ours_beside_the_limit_may_rise_by_five_percent(share: float, is_worse: bool) -> None:
    worse, noted = said(made(limit=around(1.2 * (1 + share))))
    assert worse == ([f"a: ours / floor: 1.2 (1.2 to 1.2) before, now {1.2 * (1 + share):.3g} (1.27 to 1.27): "
                      "worse by 6 %"] if is_worse else [])  # fmt: skip
    assert noted == []


@pytest.mark.parametrize(("share", "is_worse"), [(0.04, False), (0.06, True)])
def test_a_peer_beside_ours_may_fall_by_five_percent(share: float, is_worse: bool) -> None:
    worse, _ = said(made(peer=around(3.0 / (1 + share))))
    assert [text.rpartition(": ")[2] for text in worse] == (["worse by 6 %"] if is_worse else [])


def test_what_the_spread_of_either_run_explains_is_not_worse_but_is_named() -> None:
    cases = ((around(1.2, UNSTEADY), around(1.4), 37), (around(1.2), around(1.4, UNSTEADY), 50))
    for committed, fresh, percent in cases:
        worse, noted = said(made(limit=fresh), made(limit=committed))
        assert worse == []
        assert [text.rpartition(": ")[2] for text in noted] == [f"too unsteady to tell less than {percent} %"]


def test_more_than_the_spread_explains_is_worse() -> None:
    assert len(said(made(limit=around(2.4, UNSTEADY)))[0]) == 1


def test_a_row_that_is_missing_is_worse_if_its_group_was_asked_for() -> None:
    assert said(made(rows="b"), groups="ab")[0] == ["a: has committed ratios, and was not measured"]
    assert said(made(rows="b"), groups="b") == ([], [])


def test_a_row_of_another_size_is_not_compared_and_that_is_said() -> None:
    assert said(made(around(9.0), clips=4)) == ([], ["a: of another size than the committed one: not compared"])


def without(way: str, absent: str = "") -> Measurement:
    fresh = made()
    rows = [
        row.model_copy(
            update={
                "beside": tuple(
                    one if one.way != way else one.model_copy(update={"ratio": None, "absent": absent})
                    for one in row.beside
                )
            }
        )
        for row in fresh.rows
    ]
    return fresh.model_copy(update={"rows": tuple(rows)})


def test_a_peer_that_is_gone_is_named_and_a_limit_that_is_gone_is_worse() -> None:
    gone = "a: other / ours: 3 (3 to 3) before, now not installed"
    assert said(without("other", "not installed")) == ([], [gone])
    assert said(without("floor")) == (["a: ours / floor: 1.2 (1.2 to 1.2) before, now was not measured"], [])


def test_a_peer_of_another_version_may_be_faster() -> None:
    worse, noted = said(made(peer=around(2.0), version="2"))
    assert worse == []
    assert noted[0].endswith("worse by 50 %, but by 1 then and 2 now")


@pytest.mark.parametrize(("ratio", "n_worse"), [(1.04, 0), (1.06, 1)])
def test_another_checkout_that_took_turns_is_compared_without_committed_ratios(ratio: float, n_worse: int) -> None:
    fresh = made(rows="a")
    before = Beside(way=BEFORE, role="before", ratio=around(ratio))
    row = fresh.rows[0].model_copy(update={"beside": (*fresh.rows[0].beside, before)})
    assert len(said(fresh.model_copy(update={"rows": (row,)}))[0]) == n_worse
