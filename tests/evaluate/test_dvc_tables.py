"""What DVC shows of the metrics of thirteen models, in a terminal of 120 columns: its real output."""

import json
import re
from pathlib import Path

import pytest

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
    heads, *rows = lines(run.dvc("metrics", "diff"))
    assert heads.split() == ["Path", "Metric", "HEAD", "workspace", "Change"]
    assert [row.split()[1] for row in rows] == ["map", "map_margin"]
    assert max(map(len, (heads, *rows))) <= WIDTH
    before, after = (float(value) for value in rows[0].split()[2:4])
    assert (before, after) == pytest.approx((summary(run, "HEAD")["map"], summary(run)["map"]), abs=1e-5)


def test_all_numbers_of_metrics_json_can_be_compared_in_as_many_columns(run: StubRun) -> None:
    heads, *rows = lines(run.dvc("metrics", "diff", "--all", "--targets", "metrics.json"))
    assert len(rows) > 13 * 13
    assert max(map(len, (heads, *rows))) <= WIDTH


def test_experiments_stand_side_by_side_with_what_changed(run: StubRun) -> None:
    output = run.dvc("exp", "show", "--only-changed", "--no-pager")
    table = lines(output)
    assert max(map(len, table)) <= WIDTH
    heads = next(line for line in table if "Experiment" in line)
    for name in ("Created", "map", "map_margin", "model.lambda_corr"):
        assert re.search(rf"\s{name}\s", heads)
    half, main = (next(line for line in table if name in line) for name in ("half", "main"))
    assert f"{summary(run)['map']:.5f}" in half
    assert f"{summary(run, 'HEAD')['map']:.5f}" in main
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
