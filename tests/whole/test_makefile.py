"""What `make` says, and what it refuses before anything is downloaded."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.project import ROOT

MAKE, UV = shutil.which("make"), Path(sys.executable).with_name("uv")
pytestmark = pytest.mark.skipif(MAKE is None, reason="no make")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The project as `make` sees it before the first call."""
    for name in ("Makefile", "pyproject.toml", "requirements.lock"):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def make(folder: Path, *words: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    env = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    return subprocess.run([str(MAKE), *words], cwd=folder, env=env | variables, capture_output=True, text=True)


def write_python(path: Path, version: str, is_supported: bool) -> None:
    """A stand-in for a Python of some version."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(
        f'#!/bin/sh\n[ "$1" = --version ] && echo "Python {version}" && exit\nexit {int(not is_supported)}\n'
    )
    path.chmod(0o755)


@pytest.mark.parametrize("words", [[], ["help"]], ids=["make", "make help"])
def test_make_alone_lists_every_target_and_starts_nothing(folder: Path, words: list[str]) -> None:
    before = sorted(folder.iterdir())
    done = make(folder, *words)
    phony = re.search(r"^\.PHONY: (.*)$", (folder / "Makefile").read_text(), re.MULTILINE)
    assert phony is not None
    listed = re.findall(r"^make (\S+) +\S.{8,}$", done.stdout, re.MULTILINE)
    assert sorted(listed) == sorted(phony[1].split())
    columns = {match.end() for match in map(re.compile(r"(make )?\S+ +").match, done.stdout.splitlines()) if match}
    assert len(columns) == 1
    assert (done.returncode, done.stderr) == (0, "")
    assert max(map(len, done.stdout.splitlines())) <= 120
    assert sorted(folder.iterdir()) == before


def test_a_python_outside_of_the_range_is_refused_and_nothing_is_made(folder: Path) -> None:
    write_python(folder / "bin" / "python", "3.10.13", is_supported=False)
    done = make(folder, "install", "PYTHON=bin/python")
    assert done.returncode == 2
    assert done.stdout.startswith(
        "bin/python: Python 3.10.13; expected Python 3.11, 3.12 or 3.13: install one, or name"
    )
    assert not (folder / ".venv").exists()


def test_the_first_python_of_the_range_is_taken(folder: Path) -> None:
    for version, is_supported in (("3.11", False), ("3.12", True), ("3.13", True)):
        write_python(folder / "bin" / f"python{version}", version, is_supported)
    done = make(folder, "--dry-run", "install", PATH=str(folder / "bin"))
    assert "\npython3.12 -m venv .venv\n" in done.stdout


def environment(folder: Path) -> Path:
    """An empty environment with uv in it."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", ".venv"], cwd=folder, check=True)
    (folder / ".venv" / "bin" / "uv").symlink_to(UV)
    return folder / ".venv"


@pytest.mark.skipif(not UV.exists(), reason="an environment that make did not make")
def test_without_a_way_to_the_cpu_builds_one_line_says_what_to_do(folder: Path) -> None:
    installed = environment(folder)
    done = make(folder, "install", "CPU=1", UV_OFFLINE="1", UV_NO_CACHE="1")
    assert done.returncode == 2
    assert re.fullmatch(r"CPU=1: no builds of torch without CUDA can be had .*: leave CPU=1 out: .*\n", done.stdout)
    assert "network was disabled" in (installed / "cpu-builds.txt").read_text()
    assert not (installed / "installed").exists()


def test_cpu_builds_do_not_take_the_place_of_cuda_builds_unseen(folder: Path) -> None:
    (environment(folder) / "installed").touch()
    done = make(folder, "install", "CPU=1")
    assert (done.returncode, done.stdout) == (
        2,
        ".venv has the CUDA builds of torch already: run make clean, then this again\n",
    )


def test_a_run_ends_with_where_the_results_are_and_how_to_share_them(folder: Path) -> None:
    lines = make(folder, "--dry-run", "repro").stdout.splitlines()
    after = "\n".join(lines[lines.index(".venv/bin/dvc repro") :])
    for words in (f"{folder}/report/index.html", f"{folder}/metrics.json", ".venv/bin/dvc remote add -d NAME URL"):
        assert words in after


STAGES = """\
stages:
  {first}:
    foreach: [demo]
    do:
      cmd: echo ${{item}} > films
      outs: [films]
      always_changed: true
  train:
    cmd: cat films code > model
    deps: [films, code]
    outs: [model]
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("edited", "named"), [(None, []), ("code", ["dvc.lock"]), ("separation/code", ["separation/dvc.lock"])]
)
def test_a_stale_lock_is_named_where_the_data_is_not_here(folder: Path, edited: str | None, named: list[str]) -> None:
    (folder / ".venv/bin").mkdir(parents=True)
    (folder / ".venv/bin/dvc").symlink_to(Path(sys.executable).with_name("dvc"))
    for name in ("bin/uv", "installed"):
        (folder / ".venv" / name).touch()
    (folder / "separation").mkdir()
    for pipeline, first in ((folder, "'dataset'"), (folder / "separation", "clips")):
        (pipeline / "dvc.yaml").write_text(STAGES.format(first=first))
        (pipeline / "code").write_text("1")
    (folder / "Makefile").write_text((folder / "Makefile").read_text().replace("'dataset'", "'dataset@demo'"))
    for words in (["init", "--no-scm"], ["repro", "--all-pipelines"]):
        subprocess.run([folder / ".venv/bin/dvc", *words], cwd=folder, check=True, capture_output=True)
    for name in ("films", "model", "separation/films", "separation/model"):
        (folder / name).unlink()
    shutil.rmtree(folder / ".dvc/cache")
    if edited:
        (folder / edited).write_text("2")
    done = make(folder, "check-lock")
    assert re.findall(r"^(\S+) is stale: run ", done.stdout, re.MULTILINE) == named
    assert done.returncode == (2 if named else 0)
