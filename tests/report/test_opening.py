"""The command `avr report`: the page with what is true on this machine only."""

import os
import subprocess
import sys
import webbrowser
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from pipeline.formats.clips import write_clips, write_root
from pipeline.report.opening import MARK, app
from tests.helpers.project import ROOT


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with a page and videos, whose name means something to HTML."""
    folder = tmp_path / "a <b> & c"
    for name in ("report", "data", "films"):
        (folder / name).mkdir(parents=True)
    (folder / "report/index.html").write_text(f"<header>{MARK}</header>")
    (folder / "metrics.json").write_text("{}")
    write_clips(folder / "data/clips.csv", [])
    write_root(folder / "data/clips.csv", folder / "films")
    os.utime(folder / "metrics.json", (0, 90 * 60))
    return folder


def report(*words: object) -> Result:
    return CliRunner().invoke(app, [*map(str, words)])


def git(folder: Path, *words: str) -> None:
    who = ["-c", "user.name=x", "-c", "user.email=x@example.org"]
    subprocess.run(["git", "-C", str(folder), *who, *words], check=True, capture_output=True)


def test_the_copy_says_when_where_and_that_there_is_no_repository(project: Path) -> None:
    before = (project / "report/index.html").read_bytes()
    assert report(project, "--no-open").stdout == f"report: {project / 'data/report.html'}\n"
    text = (project / "data/report.html").read_text()
    assert "a &lt;b&gt; &amp; c" in text
    assert "<b>" not in text
    assert "<strong>Measured:</strong> 1970-01-01 01:30 UTC" in text
    assert "<strong>Run time:</strong> not noted" in text
    assert "none: the folder is no repository of git" in text
    assert "films" in text
    assert (project / "report/index.html").read_bytes() == before
    assert (project / "data/videos").resolve() == project / "films"


def test_the_commit_is_that_of_git_and_changes_are_said(project: Path) -> None:
    (project / ".gitignore").write_text("/data/\n")
    git(project, "init", "-q")
    git(project, "add", "-A")
    git(project, "commit", "-qm", "Better <i>numbers</i>")
    report(project, "--no-open")
    commit = subprocess.run(["git", "-C", project, "rev-parse", "--short", "HEAD"], capture_output=True, text=True)
    text = (project / "data/report.html").read_text()
    assert f"<strong>Commit:</strong> {commit.stdout.strip()} of " in text
    assert "Better &lt;i&gt;numbers&lt;/i&gt;<br>" in text
    (project / "metrics.json").write_text("{} ")
    report(project, "--no-open")
    assert "(with changes that are not committed)" in (project / "data/report.html").read_text()


def test_the_copy_is_opened_in_the_browser(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", lambda address: bool(opened.append(address)))
    result = report(project)
    assert opened == [(project / "data/report.html").as_uri()]
    assert "no browser was found; open the file with one" in result.stdout


def test_videos_that_are_gone_are_said_to_be(project: Path) -> None:
    (project / "films").rmdir()
    report(project, "--no-open")
    assert "<strong>Videos:</strong> not in their place" in (project / "data/report.html").read_text()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "index.html: .*No such file.*; expected the page of a finished run: run `dvc repro`"),
        ("<html>", "index.html: no place for the facts; expected a page of this version: run `dvc repro`"),
    ],
)
def test_a_page_that_is_missing_or_old_is_named(project: Path, text: str | None, message: str) -> None:
    page = project / "report/index.html"
    page.unlink()
    if text:
        page.write_text(text)
    with pytest.raises(Exception, match=message):
        raise report(project).exception or AssertionError


def test_help_loads_no_heavy_library() -> None:
    heavy = ("numpy", "matplotlib", "jinja2", "torch", "pyarrow", "librosa")
    code = f"import sys, pipeline.report.opening; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
