import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from studies import ablation
from tests.helpers.project import ROOT, Project


def test_a_preset_becomes_the_words_of_a_named_experiment() -> None:
    words = ablation.command("plain-concatenation", ["dataset.source=folder"])
    assert words[1:7] == ["-m", "dvc", "exp", "run", "--temp", "--name"]
    assert words[7:] == ["ablation-plain-concatenation", "-S", "dataset.source=folder", "-S", "model.fusion=none"]


def test_the_table_of_the_experiments_has_the_presets_in_order() -> None:
    shown = "Experiment,rev,map,map_margin\nmain,1,0.9,0.1\nablation-paper,2,0.5004,0.02\nablation-full,3,0.6,\n"
    lines = list(ablation.table(shown, ["full", "paper"]))
    assert lines[2:] == ["| full | 0.600 | 0.000 |", "| paper | 0.500 | 0.020 |"]


@pytest.mark.slow
def test_a_dvc_command_that_fails_is_named(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "studies.ablation"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        text=True,
        capture_output=True,
    )
    assert done.returncode == 1
    assert re.search(r"^ablation: .* dvc exp list --name-only ended with exit code \d+$", done.stderr, re.MULTILINE)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_presets_run_as_experiments_and_leave_the_params_as_they_are(tmp_path: Path) -> None:
    project = Project(tmp_path / "project", tmp_path / "cache")
    params = (project.folder / "params.yaml").read_bytes()
    command = [sys.executable, "-m", "studies.ablation", "--presets"]
    for presets in (["plain-concatenation", "full"], ["full"]):  # the second call replaces the experiment
        done = subprocess.run([*command, *presets], cwd=project.folder, env=project.env, text=True, capture_output=True)
        assert done.returncode == 0, done.stderr
        maps = dict(re.findall(r"^\| ([a-z-]+) \| (0\.\d+) \| 0\.\d+ \|$", done.stdout, re.MULTILINE))
        assert list(maps) == presets
        assert len(set(maps.values())) == len(presets)
    assert (project.folder / "params.yaml").read_bytes() == params
