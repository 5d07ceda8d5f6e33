"""The metrics of thirteen models in the tables of DVC, in a terminal of 120 columns, and in those of `avr check`."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.checked_runs import check, rows
from tests.helpers.stub_run import StubRun

WIDTH = 120


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> StubRun:
    """A committed run, and an experiment behind it whose main model has another weight of a loss."""
    made = StubRun(tmp_path_factory.mktemp("run"))
    made.dvc("exp", "run", "-n", "half", "-S", "model.lambda_corr=0.5")
    return made


def lines(output: str) -> list[str]:
    return [line.rstrip() for line in output.splitlines() if line.strip()]


def summary(run: StubRun, revision: str | None = None) -> dict[str, str | float]:
    text = run.run("git", "show", f"{revision}:summary.json") if revision else (run.folder / "summary.json").read_text()
    read: dict[str, str | float] = json.loads(text)
    return read


def test_metrics_show_is_one_row_of_the_main_model_the_best_other_one_and_chance(run: StubRun) -> None:
    heads, row = lines(run.dvc("metrics", "show"))
    assert max(map(len, (heads, row))) <= WIDTH
    shown = dict(zip(heads.split(), row.split(), strict=True))
    assert shown.pop("Path") == "summary.json"
    now = summary(run)
    assert shown.keys() == now.keys()
    assert {shown["model"], shown["best_other"]} == {now["model"], now["best_other"]}
    assert float(shown["map"]) == pytest.approx(now["map"], abs=1e-5)


def test_metrics_diff_is_a_row_for_each_number_that_changed(run: StubRun) -> None:
    heads, *changed = lines(run.dvc("metrics", "diff"))
    assert heads.split() == ["Path", "Metric", "HEAD", "workspace", "Change"]
    assert [row.split()[1] for row in changed] == ["map", "map_margin"]
    assert max(map(len, (heads, *changed))) <= WIDTH
    before, after = (float(value) for value in changed[0].split()[2:4])
    assert (before, after) == pytest.approx((summary(run, "HEAD")["map"], summary(run)["map"]), abs=1e-5)


def test_all_numbers_of_metrics_json_can_be_compared_in_as_many_columns(run: StubRun) -> None:
    heads, *changed = lines(run.dvc("metrics", "diff", "--all", "--targets", "metrics.json"))
    assert len(changed) > 13 * 13
    assert max(map(len, (heads, *changed))) <= WIDTH


def test_experiments_stand_side_by_side_with_what_changed(run: StubRun) -> None:
    output = run.dvc("exp", "show", "--only-changed", "--no-pager")
    table = lines(output)
    assert max(map(len, table)) <= WIDTH
    heads = next(line for line in table if "Experiment" in line)
    for name in ("Created", "map", "map_margin", "model.lambda_corr"):
        assert re.search(rf"\s{name}\s", heads)
    half, main = (next(line for line in table if name in line) for name in ("half", "main"))
    assert f"{round(summary(run)['map'], 5)}" in half
    assert f"{round(summary(run, 'HEAD')['map'], 5)}" in main
    assert re.search(r"\s0\.5\s", half)


def test_without_the_hashes_of_files_a_wide_table_is_no_wider_than_that(run: StubRun) -> None:
    words = ["exp", "show", "--only-changed", "--no-pager", "--drop", "(data|metrics|plots)"]
    assert max(map(len, lines(run.dvc(*words, width=1000)))) <= WIDTH


def test_metrics_json_is_in_git_and_not_in_dvc_s_cache(run: StubRun) -> None:
    tracked = run.run("git", "ls-files").split()
    assert {"metrics.json", "summary.json", "dvc.lock"} <= set(tracked)
    assert (
        json.loads(run.run("git", "show", "HEAD:metrics.json"))["models"].keys()
        == json.loads(Path(run.folder / "metrics.json").read_text())["models"].keys()
    )


def test_a_commit_and_an_experiment_are_compared_query_by_query_from_the_cache(
    run: StubRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(run.folder)
    before = json.loads(run.run("git", "show", "HEAD:metrics.json"))["models"]["dual_subspace"]["average"]["map"]
    result = check("--against", "HEAD", "--max-change", "0.9")
    cells = rows(result)["dual_subspace.average.map"]
    assert (result.exit_code, cells[0]) == (0, f"{before:.4f}")
    assert 0 < float(cells[3]) < 1
    assert rows(result)["cca.average.map"][2:4] == ["+0.0000", "1.0"]
    alone = "over 20 test clips one by one, as neither run says which share a sound, picture or source, corrected"
    assert alone in result.stdout
    assert rows(check("--against", "half"))["dual_subspace.average.map"][2] == "+0.0000"


def test_a_revision_that_is_not_there_is_named(run: StubRun, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(run.folder)
    result = check("metrics.json", "--against", "v9")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "v9: unknown Git revision 'v9'; expected a file, or a commit" in result.stderr


def test_tables_that_the_cache_has_lost_leave_the_numbers(run: StubRun, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    run.run("git", "clone", "-q", str(run.folder), str(clone))
    (clone / "metrics.json").write_text((run.folder / "metrics.json").read_text())
    words = [sys.executable, "-m", "pipeline.evaluate.check", "metrics.json", "--against", "HEAD"]
    done = subprocess.run(words, cwd=clone, env=run.env, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "| dual_subspace.average.map | " in done.stdout
    assert "No paired test: HEAD: plots/queries/dual_subspace.csv: it is not in DVC's cache; `dvc fetch`" in done.stdout
