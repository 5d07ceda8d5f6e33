"""The run time on the page that `avr report` opens."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipeline.formats.run_times import FILE, RunTime, note, sampled_sha256
from pipeline.report.opening import MARK, app
from pipeline.report.stage_times import ELSEWHERE, as_table, in_short, stage_times
from tests.helpers.html_page import Page


def written(project: Path, stage: str, seconds: float, device: str = "CPU, 2 cores") -> None:
    """An out of a stage, and the note of its run."""
    out = project / stage
    out.write_text("")
    run = RunTime(
        ended=60, seconds=seconds, cpu_seconds=2 * seconds, device=device, out=stage, sha256=sampled_sha256(out)
    )
    note(project / FILE, {stage: run})


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "dvc.yaml").write_text("stages: {b: {}, train: {foreach: '${models}'}, a: {}}")
    (tmp_path / "params.yaml").write_text("models: {x<: 1}")
    return tmp_path


def test_times_come_in_the_order_of_the_pipeline_and_gone_stages_are_left_out(project: Path) -> None:
    for stage in ("a", "b", "train@x<", "gone"):
        written(project, stage, 61)
    assert list(stage_times(project)) == ["b", "train@x<", "a"]
    assert (
        in_short(stage_times(project))
        == "3 min 3 s of all 3 stages, one after the other; 6 min 6 s of CPU; on CPU, 2 cores"
    )


def test_a_stage_whose_files_are_of_another_run_has_no_time(project: Path) -> None:
    written(project, "a", 5)
    written(project, "b", 7, "NVIDIA <H200>")
    (project / "a").write_text("from the cache")
    times = stage_times(project)
    assert in_short(times) == "7.0 s of 1 of 3 stages, one after the other; 14.0 s of CPU; on NVIDIA <H200>"
    (table,) = Page(as_table(times)).tables
    assert [row[:2] for row in table[1:]] == [["b", "7.0"], ["train@x<", ""], ["a", ""]]
    assert [table[2][-1], table[3][-1]] == [ELSEWHERE] * 2


def test_without_a_note_the_page_says_so_and_has_no_table(project: Path) -> None:
    (project / "report").mkdir()
    (project / "report/index.html").write_text(MARK)
    assert CliRunner().invoke(app, [str(project), "--no-open"]).exit_code == 0
    text = (project / "data/report.html").read_text()
    assert "<strong>Run time:</strong> not noted: the files came from DVC" in text
    assert "<details>" not in text
    (project / "dvc.yaml").write_text("[")
    assert stage_times(project) == {}
