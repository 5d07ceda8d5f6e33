"""What the check of ratios finds, on made results."""

from collections.abc import Sequence

import numpy as np
import pytest

from benchmarks.bench.regressions import findings, suspects
from benchmarks.bench.results import Beside, MeasuredRow, Measurement, Spread, spread
from benchmarks.bench.turns import BEFORE

STEADY, UNSTEADY = (0.0,), (-0.3, -0.2, 0.0, 0.2, 0.3)
RATIOS = {"floor": 1.2, "loop": 3.0, "other": 5.0}  # the first is a limit, the others are peers
ROUNDS = 5
SLOWER_THAN_ALL = (
    "ours worse by 6 %: ours / floor 1.2 (1.2 to 1.2) before, now 1.27 (1.27 to 1.27); loop / ours 3 (3 to 3) before, "
    "now 2.83 (2.83 to 2.83); other / ours 5 (5 to 5) before, now 4.72 (4.72 to 4.72)"
)


def around(median: float, apart: Sequence[float] = STEADY) -> Spread:
    return spread([median * (1 + share) for share in apart])


def ratios(slower: float = 1.0, apart: Sequence[float] = STEADY, **others: float) -> dict[str, Spread]:
    """Ratios where we are so many times slower; ``others`` say how many times slower we are beside one way alone."""
    times = {way: slower * others.get(way, 1.0) for way in RATIOS}
    return {
        way: around(ratio * times[way] if way == "floor" else ratio / times[way], apart)
        for way, ratio in RATIOS.items()
    }


def made(
    found: dict[str, Spread] | None = None, *, rows: str = "ab", version: str = "1", clips: int = 3
) -> Measurement:
    """A measurement with the ratios of RATIOS, where nothing else is said; the version is that of the way ``other``."""
    beside = [
        Beside(
            way=way, role="limit" if way == "floor" else "peer", ratio=ratio, version=version if way == "other" else "1"
        )
        for way, ratio in (found or ratios()).items()
    ]
    measured = tuple(
        MeasuredRow(
            name=name, group=name, what=name, unit="ms", size={"clips": clips}, revision="r", rounds=ROUNDS, ours=1.0,
            milliseconds={"ours": 1.0}, beside=tuple(beside),
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
    assert said(made(ratios(0.5))) == ([], [])


@pytest.mark.parametrize(("slower", "worse"), [(1.04, []), (1.06, [f"a: {SLOWER_THAN_ALL}"])])
def test_a_row_may_be_slower_by_five_percent(slower: float, worse: list[str]) -> None:
    assert said(made(ratios(slower))) == (worse, [])


@pytest.mark.parametrize("way", RATIOS)
def test_one_ratio_alone_is_named_and_fails_nothing(way: str) -> None:
    worse, noted = said(made(ratios(**{way: 1.16})))
    assert worse == []
    assert len(noted) == 1
    assert way in noted[0]
    assert noted[0].endswith(": worse by 16 %, not beside the other ways")


def test_most_ratios_of_a_row_are_enough() -> None:
    assert len(said(made(ratios(floor=1.1, other=1.1)))[0]) == 1


def test_where_there_is_one_ratio_it_decides() -> None:
    was, now = ({"floor": ratios(slower)["floor"]} for slower in (1.0, 1.1))
    assert len(said(made(now), made(was))[0]) == 1


def test_what_the_spread_of_either_run_explains_is_not_worse_but_is_named() -> None:
    unsteady = ratios(apart=UNSTEADY)
    for committed, fresh in ((unsteady, ratios(1.3)), (ratios(), ratios(1.3, UNSTEADY))):
        assert said(made(fresh), made(committed)) == ([], ["a: too unsteady to tell less than 40 %"])


def test_more_than_the_spread_explains_is_worse() -> None:
    assert len(said(made(ratios(2.0, UNSTEADY)))[0]) == 1


def test_a_row_that_seems_worse_deserves_a_second_look_whatever_its_spread() -> None:
    assert suspects(made(), made(ratios(1.04, UNSTEADY))) == set()
    assert suspects(made(), made(ratios(1.06, UNSTEADY))) == {"a", "b"}
    assert suspects(None, made(ratios(1.06))) == set()


def drawn(rng: np.random.Generator, slower: float, of_a_process: float) -> dict[str, Spread]:
    """Ratios of rounds whose processes, ours too, are each faster or slower by so much (a standard deviation)."""
    luck = dict(zip(("ours", *RATIOS), np.exp(rng.normal(0, of_a_process, (4, ROUNDS))), strict=True))
    return {
        way: spread(
            list(
                ratio * slower * luck["ours"] / luck[way]
                if way == "floor"
                else ratio / slower / luck["ours"] * luck[way]
            )
        )
        for way, ratio in RATIOS.items()
    }


@pytest.mark.parametrize(
    ("slower", "of_a_process", "least", "most"),
    [(1.0, 0.02, 0, 0), (1.0, 0.08, 0, 10), (1.1, 0.02, 97, 100), (1.2, 0.08, 70, 100)],
)
def test_lucky_processes_are_seldom_taken_for_a_slowdown_and_seldom_hide_one(
    slower: float, of_a_process: float, least: int, most: int
) -> None:
    rng = np.random.default_rng(0)
    runs = [(drawn(rng, 1.0, of_a_process), drawn(rng, slower, of_a_process)) for _ in range(100)]
    assert least <= sum(bool(said(made(fresh), made(committed))[0]) for committed, fresh in runs) <= most


def test_a_row_that_is_missing_is_worse_if_its_group_was_asked_for() -> None:
    assert said(made(rows="b"), groups="ab")[0] == ["a: has committed ratios, and was not measured"]
    assert said(made(rows="b"), groups="b") == ([], [])


def test_a_row_of_another_size_is_not_compared_and_that_is_said() -> None:
    assert said(made(ratios(9.0), clips=4)) == ([], ["a: of another size than the committed one: not compared"])
    assert suspects(made(), made(ratios(9.0), clips=4)) == set()


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
    gone = "a: other / ours 5 (5 to 5) before, now not installed"
    assert said(without("other", "not installed")) == ([], [gone])
    assert said(without("floor")) == (["a: ours / floor 1.2 (1.2 to 1.2) before, now was not measured"], [])


def test_a_peer_of_another_version_may_be_faster() -> None:
    worse, noted = said(made(ratios(other=1.5), version="2"))
    assert worse == []
    assert noted[0].endswith("worse by 50 %, by 1 then, 2 now")


@pytest.mark.parametrize(("ratio", "n_worse"), [(1.04, 0), (1.06, 1)])
def test_another_checkout_that_took_turns_is_compared_without_committed_ratios(ratio: float, n_worse: int) -> None:
    fresh = made(rows="a")
    before = Beside(way=BEFORE, role="before", ratio=around(ratio))
    row = fresh.rows[0].model_copy(update={"beside": (*fresh.rows[0].beside, before)})
    beside_before = fresh.model_copy(update={"rows": (row,)})
    assert len(said(beside_before)[0]) == n_worse
    assert len(suspects(None, beside_before)) == n_worse
