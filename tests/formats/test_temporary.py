"""A temporary folder goes with the program, however that ends, and however many files are in it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.helpers.project import ROOT

N_FILES = 3000  # long enough to remove for what ends at the same moment to be caught at it
PROGRAM = f"""
import os, time
from pipeline.formats.temporary import ended_in_order_by_sigterm, temporary_folder
with ended_in_order_by_sigterm(), temporary_folder("avr-test-") as folder:
    for number in range({N_FILES}):
        (folder / str(number)).touch()
    print("full", flush=True)
    {{then}}
"""


def begun(folder: Path, then: str) -> "subprocess.Popen[str]":
    """A program in a group of its own, whose temporary folder is full and lies in this one."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(folder)}
    command = [sys.executable, "-c", PROGRAM.format(then=then)]
    program = subprocess.Popen(command, env=environment, text=True, stdout=subprocess.PIPE, start_new_session=True)
    assert program.stdout is not None
    assert program.stdout.readline() == "full\n"
    return program


@pytest.mark.parametrize("send", [os.kill, os.killpg], ids=["alone", "with its group"])
@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGTERM], ids=lambda ending: ending.name)
def test_a_signal_leaves_no_folder(tmp_path: Path, ending: signal.Signals, send: Callable[[int, int], None]) -> None:
    program = begun(tmp_path, "time.sleep(600)")
    assert len(list(tmp_path.glob("avr-test-*/*"))) == N_FILES
    send(program.pid, ending)
    exit_code = program.wait(timeout=60)
    assert exit_code == -ending  # what waits for it, such as systemd, sees the signal
    if ending is signal.SIGKILL:
        wait_for_no_folder(tmp_path)
    assert list(tmp_path.iterdir()) == []


def wait_for_no_folder(folder: Path) -> None:
    end = time.monotonic() + 60
    while list(folder.iterdir()) and time.monotonic() < end:
        time.sleep(0.01)


def test_sigterm_that_comes_again_does_not_disturb_the_cleaning(tmp_path: Path) -> None:
    kill = "os.kill(os.getpid(), 15)"
    program = begun(tmp_path, f"try:\n        {kill}\n    finally:\n        {kill}")
    assert program.wait(timeout=60) == -signal.SIGTERM
    assert list(tmp_path.iterdir()) == []
