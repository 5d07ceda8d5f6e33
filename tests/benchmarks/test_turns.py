import dataclasses
from pathlib import Path

import numpy as np
import pytest

from benchmarks.bench import turns
from benchmarks.bench.ways import BenchRow, CountedWork, Way
from pipeline.errors import DataError
from tests.helpers.project import ROOT

OURS, SAME = Way("ours", "ours", "short"), {"sum": 0.0}


def row(*ways: Way, rounds: int = 2) -> BenchRow:
    return BenchRow("row", "group", "what", "ms", "tests.helpers.bench_ways", {"rows": 3}, ways, rounds)


@pytest.fixture(scope="module")
def measured() -> turns.Turns:
    ways = [
        OURS,
        Way("equal", "peer", "short", "numpy", SAME),
        Way("told", "peer", "told", bounds=SAME, environment={"TOLD": "3"}),
        Way("elsewhere", "peer", "short", "no-such-package"),
        Way("broken", "peer", "broken"),
        Way("in a child", "peer", "in_a_child"),
        Way("stretched", "limit", "stretched"),
    ]
    return turns.measure(dataclasses.replace(row(*ways, rounds=1), runs=2), ROOT)


def test_each_way_is_timed_an_item_in_each_run_of_a_round(measured: turns.Turns) -> None:
    assert {name: [len(runs) for runs in rounds] for name, rounds in measured.seconds.items()} == {
        way: [2] for way in ("ours", "equal", "told", "in a child", "stretched", turns.BEFORE)
    }
    for name in ("ours", turns.BEFORE):  # a busy machine adds to the processor time of 20 ms for two items
        assert all(0.0099 < seconds < 0.05 for seconds in measured.seconds[name][0])


def test_the_time_of_children_counts(measured: turns.Turns) -> None:
    assert min(measured.seconds["in a child"][0]) >= 0.3


def test_of_several_numbers_of_items_the_slope_counts_and_the_whole_is_kept(measured: turns.Turns) -> None:
    assert all(0.003 < seconds < 0.05 for seconds in measured.seconds["stretched"][0])
    assert {
        n: least for n, least in {2: 0.04, 5: 0.07, 10: 0.12}.items() if measured.points["stretched"][n] < least
    } == {}


def test_a_peer_that_is_not_there_or_does_not_load_is_named_with_the_reason(measured: turns.Turns) -> None:
    assert measured.absent == {
        "elsewhere": "not installed",
        "broken": "does not run: OSError: libavutil.so.56: cannot open shared object file",
    }


def test_what_is_compared_is_said_as_a_share_of_its_bound(measured: turns.Turns) -> None:
    assert measured.differences == {"equal": 0.0, "told": 0.0, turns.BEFORE: 0.0}


def test_a_way_with_another_result_is_an_error_and_not_a_number() -> None:
    with pytest.raises(DataError, match=r"row: wrong: sum differ by 0.001 from ours; expected at most 0.0001"):
        turns.measure(row(OURS, Way("wrong", "peer", "wrong", bounds={"sum": 1e-4})))


def test_a_limit_that_does_not_run_is_an_error() -> None:
    with pytest.raises(DataError, match="row: broken: OSError"):
        turns.measure(row(OURS, Way("broken", "limit", "broken")))


def test_bytes_of_pictures_are_compared_by_the_mean_and_numbers_by_the_largest_difference() -> None:
    dark, light = np.zeros(4, np.uint8), np.array([0, 0, 0, 255], np.uint8)
    assert turns.difference(light, dark) == 255 / 4
    assert turns.difference(light.astype(float), dark.astype(float)) == 255
    assert turns.difference(light[:2], dark) == float("inf")


def test_a_result_that_is_no_number_is_not_equal() -> None:
    with pytest.raises(DataError, match="differ by nan"):
        turns.share_of_bounds(
            "row", Way("peer", "peer", "", bounds={"map": 1.0}), {"map": np.array(np.nan)}, {"map": np.array(1.0)}
        )


def test_another_way_begins_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    ways = [turns.WayProcess(Way(name, "peer", ""), None, Path()) for name in "abc"]  # type: ignore[arg-type]
    monkeypatch.setattr(turns.WayProcess, "seconds", lambda one: order.append(one.way.name) or 0.0)
    found = turns.Turns()
    for number in range(2):
        turns.add_round(found, ways, 2, number)
    assert found.seconds == {name: [[0.0, 0.0]] * 2 for name in "abc"}
    assert "".join(order) == "abcbcacababc"


@pytest.mark.parametrize(("starts_anew", "n_processes"), [(True, 3), (False, 1)])
def test_each_round_has_new_processes_unless_the_row_keeps_them(
    tmp_path: Path, starts_anew: bool, n_processes: int
) -> None:
    ours = Way("ours", "ours", "noted", environment={"NOTES": str(tmp_path / "notes")})
    several = dataclasses.replace(row(ours, rounds=3), starts_anew=starts_anew, runs=2)
    assert [len(runs) for runs in turns.measure(several).seconds["ours"]] == [2, 2, 2]
    processes = (tmp_path / "notes").read_text().split()
    assert (len(processes), len(set(processes))) == (6, n_processes)


def test_what_is_counted_comes_with_what_is_timed() -> None:
    found = turns.measure(row(Way("ours", "ours", "counting"), rounds=1))
    assert found.work == {"ours": CountedWork(12.0, 24.0, "float64")}
