import doctest
import re
import subprocess
from pathlib import Path

import pytest

from benchmarks.bench import __main__ as bench
from benchmarks.bench import child, groups, machine, page, results
from benchmarks.bench.results import Measurement
from benchmarks.bench.turns import BEFORE, Turns
from benchmarks.bench.ways import Aim, BenchRow, Way
from pipeline.errors import DataError
from tests.helpers.project import ROOT

ROW = BenchRow(
    "map 10", "map", "MAP of 10", "ms a query", "", {"items": 10},
    [Way("ours", "ours", ""), Way("loop", "peer", ""), Way("gone", "peer", "", "gone"), Way("product", "limit", "")],
    3,
)  # fmt: skip


def turns(**seconds: list[float]) -> Turns:
    """Three rounds, in each of which every way ran once."""
    return Turns({way: [[one] for one in found] for way, found in seconds.items()}, absent={"gone": "not installed"})


SECONDS = {"ours": [0.1, 0.2, 0.4], "loop": [0.3, 0.4, 0.4], "product": [0.05, 0.1, 0.1], BEFORE: [0.1, 0.1, 0.1]}
TURNS = turns(**SECONDS)


def measurement(found: Turns = TURNS, date: str = "2026-01-01") -> Measurement:
    about = {"processor": "p", "date": date, "before": "b", "versions": {"python": "3"}}
    return Measurement(**about, rows=(results.measured(ROW, found, "r"),))


def test_ratios_are_taken_within_a_round() -> None:
    row = measurement().rows[0]
    assert row.ours == 200
    found = {
        one.way: (one.role, one.ratio.median, one.ratio.lowest, one.ratio.highest) for one in row.beside if one.ratio
    }
    assert found == {
        "loop": ("peer", 2.0, 1.0, 3.0),
        "product": ("limit", 2.0, 2.0, 4.0),
        BEFORE: ("before", 2.0, 1.0, 4.0),
    }


def test_a_round_of_several_runs_counts_by_their_median() -> None:
    found = results.measured(
        ROW,
        Turns(
            {"ours": [[1, 2, 9], [2, 2, 2]], "loop": [[2, 2, 2]] * 2, "product": [[1, 1, 1]] * 2}, absent=TURNS.absent
        ),
        "r",
    )
    ratio = found.ratio("product")
    assert ratio is not None
    assert (ratio.lowest, ratio.highest) == (2, 2)


def test_a_way_without_a_number_keeps_its_place_and_the_reason() -> None:
    (gone,) = (one for one in measurement().rows[0].beside if one.way == "gone")
    assert (gone.ratio, gone.absent) == (None, "not installed")
    assert "loop 2 (1 to 3); gone: not installed" in page.cells(measurement().rows[0])


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    kinds = {"b": measurement(), "a": measurement(date="2026-02-02")}
    results.write(kinds, tmp_path / "results.json")
    assert results.read(tmp_path / "results.json") == kinds
    assert results.read(tmp_path / "none.json") == {}


def test_another_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "results.json").write_text('{"kind": {"rows": []}}')
    with pytest.raises(DataError, match=r"results.json: Field required; expected what `make bench WRITE=1` writes"):
        results.read(tmp_path / "results.json")


def test_rows_that_were_not_measured_stay() -> None:
    old, new = measurement(), measurement(date="2026-02-02")
    other = old.rows[0].model_copy(update={"name": "other"})
    both = results.merged(old.model_copy(update={"rows": (other, *old.rows)}), new)
    assert ([row.name for row in both.rows], both.date) == (["other", "map 10"], "2026-02-02")


def test_minutes_are_those_of_a_run_of_all_rows() -> None:
    old, new = (measurement().model_copy(update={"minutes": minutes}) for minutes in (40.0, 30.0))
    other = old.rows[0].model_copy(update={"name": "other"})
    assert results.merged(old, new).minutes == 30
    assert results.merged(old.model_copy(update={"rows": (*old.rows, other)}), new).minutes is None


def test_kinds_of_processors_differ_by_maker_family_and_vectors() -> None:
    assert doctest.testmod(machine).attempted == 2
    assert [doctest.testmod(module).failed for module in (child, machine, page, results)] == [0] * 4


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose committed ratios are of this kind of processor."""
    monkeypatch.setattr(page, "aims", lambda: {"map 10": Aim("product", 2.5, "a reason")})
    monkeypatch.setattr(machine, "this_kind", lambda: "some kind")
    (tmp_path / "benchmarks").mkdir()
    assert bench.finish(bench.BenchRun(measurement(), []), ["map"], True, tmp_path) == 0
    return tmp_path


def test_writing_leaves_the_numbers_the_page_and_its_picture(folder: Path) -> None:
    assert results.read(folder / "benchmarks/results.json") == {"some kind": measurement()}
    text = (folder / "docs/performance.md").read_text()
    assert (
        "| MAP of 10 | 200 ms a query | loop 2 (1 to 3); gone: not installed | product **2** (2 to 4) | 2 (1 to 4) |"
        in text
    )
    assert "| MAP of 10 | product | 2.5 | 2 (2 to 4), met | a reason |" in text
    assert (folder / "docs/pictures/performance_map.svg").read_text().startswith("<?xml")


def test_the_run_fails_where_a_ratio_is_worse(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert bench.finish(bench.BenchRun(measurement(), []), ["map"], False, folder) == 0
    since = turns(**{**SECONDS, BEFORE: [0.05] * 3})  # ours / before is 2, 4 and 8
    assert bench.finish(bench.BenchRun(measurement(since), []), ["map"], False, folder) == 1
    slower = turns(**{**SECONDS, "ours": [1.0, 2.0, 4.0]})
    capsys.readouterr()
    assert bench.finish(bench.BenchRun(measurement(slower), []), ["map"], False, folder) == 1
    assert "WORSE: map 10: " in capsys.readouterr().out


def test_a_row_that_fails_is_named_and_loses_no_other(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    new = measurement(date="2026-02-02")
    for is_written in (False, True):
        assert (
            bench.finish(
                bench.BenchRun(new, ["cca: three products: ended with -9"]), ["map", "cca"], is_written, folder
            )
            == 1
        )
        assert "FAILED: cca: three products: ended with -9" in capsys.readouterr().out
    assert results.read(folder / "benchmarks/results.json")["some kind"].date == "2026-02-02"


def test_groups_are_kept_as_they_are_finished_whatever_fails(tmp_path: Path) -> None:
    helper, kept = "tests.helpers.bench_ways", list[Measurement]()
    a, b, c = (
        BenchRow(name, name, name, "ms", helper, {"rows": 3}, [Way("ours", "ours", prepare)], 1)
        for name, prepare in (("a", "counting"), ("b", "broken"), ("c", "counting"))
    )
    found = bench.measure([a, b, c], None, kept.append)
    assert [[row.name for row in one.rows] for one in kept] == [["a"], ["a"], ["a", "c"]]
    assert found.failures == ["b: ours: OSError: libavutil.so.56: cannot open shared object file"]
    assert len({row.revision for row in found.measurement.rows}) == 1
    assert {row.work["ours"].operations for row in found.measurement.rows} == {12}


def test_pages_and_results_do_not_make_a_revision_another_one(tmp_path: Path) -> None:
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org"]
    for name in ("docs/a.md", "code.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("a")
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "a"]):
        subprocess.run([*git, *words], cwd=tmp_path, check=True)
    clean = bench.revision(tmp_path)
    (tmp_path / "docs/a.md").write_text("b")
    assert bench.revision(tmp_path) == clean
    (tmp_path / "code.py").write_text("b")
    assert bench.revision(tmp_path) == f"{clean}-dirty"


def test_another_kind_of_processor_has_nothing_to_be_compared_with(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(machine, "this_kind", lambda: "another kind")
    assert bench.finish(bench.BenchRun(measurement(), []), ["map"], False, folder) == 0
    assert "no committed ratios of this kind of processor (another kind), only of: some kind" in capsys.readouterr().out


def test_the_page_has_the_committed_numbers() -> None:
    committed = results.read()
    assert page.rendered(committed) == (ROOT / "docs/performance.md").read_text()
    for name in re.findall(r"\((pictures/performance_\w+\.svg)\)", page.rendered(committed)):
        assert (ROOT / "docs" / name).exists()


def test_the_committed_rows_are_those_that_are_measured() -> None:
    rows = {row.name: dict(row.size) for row in groups.rows_of(list(groups.GROUPS), is_quick=False)}
    for kind, committed in results.read().items():
        assert {row.name: row.size for row in committed.rows} == rows, kind
