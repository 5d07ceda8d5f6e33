"""The command ``python -m studies.protocols``: its messages begin with its name."""

import subprocess
import sys
from pathlib import Path

from tests.helpers.project import ROOT


def run(data: Path) -> "subprocess.CompletedProcess[str]":
    words = [sys.executable, "-m", "studies.protocols", str(data)]
    return subprocess.run(words, capture_output=True, text=True, cwd=ROOT)


def test_without_a_run_it_ends_with_one_line(tmp_path: Path) -> None:
    done = run(tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith(f"protocols: DataError: {tmp_path / 'clips.csv'}: ")
    assert len(done.stderr.splitlines()) == 1
