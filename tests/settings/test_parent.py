"""A stage ends with the process that runs it, however that one ends, and leaves no worker behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.settings.parent import parents
from tests.clip_jobs.engines.test_engines import is_held
from tests.helpers.project import ROOT

STAGE = """
from pathlib import Path
from pipeline.clip_jobs.engines import prepare, processes
from stages.cli import run
from tests.helpers.clip_work import hold

def main(out: Path) -> None:
    prepare(["tests.helpers.clip_work"])
    list(processes.run(hold, [out / "1", out / "2"], 2, 1000))

if __name__ == "__main__":
    run(main)
"""
RUNS_IT = "import subprocess, sys; subprocess.run(sys.argv[1:])"


def wait_until(is_time: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not is_time():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def start(folder: Path, shell: list[str], stage: str) -> "subprocess.Popen[bytes]":
    """A process that runs the stage as DVC would, and is not DVC."""
    (folder / "hold.py").write_text(STAGE)
    env = {**os.environ, "PYTHONPATH": str(ROOT), "DVC_STAGE": stage}
    command = [sys.executable, "hold.py", str(folder)]
    words = [*shell, " ".join(command) + "; true"] if shell else command  # with two commands the shell stays
    with (folder / "said").open("wb") as said:
        return subprocess.Popen([sys.executable, "-c", RUNS_IT, *words], cwd=folder, env=env, stderr=said)


def holders(folder: Path) -> bool:
    return is_held(folder / "1") and is_held(folder / "2")


@pytest.mark.parametrize("shell", [[], ["/bin/sh", "-c"]])
def test_a_stage_whose_dvc_is_killed_ends_with_its_workers(tmp_path: Path, shell: list[str]) -> None:
    dvc = start(tmp_path, shell, "logmel")
    wait_until(lambda: holders(tmp_path))
    dvc.send_signal(signal.SIGKILL)
    dvc.wait()
    wait_until(lambda: not is_held(tmp_path / "1") and not is_held(tmp_path / "2"))
    wait_until(lambda: bool((tmp_path / "said").read_text()))
    line = (
        "hold: stopped, as the DVC that ran it is gone; run the same command again: finished stages and clips are kept"
    )
    said = (tmp_path / "said").read_text()
    assert said.startswith(f"{line}\n")
    assert "Traceback" not in said


def test_without_dvc_a_stage_outlives_the_shell_that_it_was_started_from(tmp_path: Path) -> None:
    (tmp_path / "code.py").write_text("""
import os, time
from pathlib import Path
from pipeline.settings import parent
parent.LOOK_SECONDS = 0.01
before = os.getppid()
with parent.end_with_dvc("gone"):
    Path("ready").touch()
    while os.getppid() == before:
        time.sleep(0.01)
    time.sleep(0.5)
    Path("done").touch()
""")
    env = {**os.environ, "PYTHONPATH": str(ROOT), "DVC_STAGE": ""}
    words = [sys.executable, "-c", RUNS_IT, sys.executable, "code.py"]
    shell = subprocess.Popen(words, cwd=tmp_path, env=env)
    wait_until((tmp_path / "ready").exists)
    shell.kill()
    shell.wait()
    wait_until((tmp_path / "done").exists)


def test_the_parents_are_those_up_to_the_first_that_is_no_shell() -> None:
    code = "from pipeline.settings.parent import parents; print(*parents())"
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = f"{sys.executable} -c '{code}'; true"
    shell = subprocess.Popen(["/bin/sh", "-c", command], env=env, stdout=subprocess.PIPE, text=True)
    said, _ = shell.communicate()
    assert said.split() == [str(shell.pid), str(os.getpid())]
    assert parents()[0] == os.getppid()
