"""How every command ends, shown by a small one of our own."""

import subprocess
import sys

import pytest

from tests.helpers.project import ROOT

COMMAND = """
import os, signal, time
from pathlib import Path
from pipeline.command_line import new_app, run
from pipeline.errors import DataError

signal.signal(signal.SIGINT, signal.default_int_handler)  # what starts the tests may ignore it
app = new_app("A command of the tests.")

@app.command()
def good() -> None:
    print("done")

@app.command()
def bad() -> None:
    raise DataError("a.csv: no rows; expected one at least")

@app.command()
def missing() -> None:
    Path("a folder/a file").read_text()

@app.command()
def broken() -> None:
    raise ZeroDivisionError("a fault of ours")

@app.command()
def nap() -> None:
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(60)

run(app, "trial")
"""


def run(*words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, "-c", COMMAND, *words], capture_output=True, text=True, cwd=ROOT)


@pytest.mark.parametrize(
    ("word", "code", "out", "err"),
    [
        ("good", 0, "done\n", ""),
        ("bad", 1, "", "trial: DataError: a.csv: no rows; expected one at least\n"),
        ("missing", 1, "", "trial: a folder/a file: No such file or directory\n"),
        ("nap", 130, "", "trial: stopped by Ctrl-C; run the same command again: what is finished is kept\n"),
    ],
)
def test_a_command_ends_with_a_code_and_one_line_at_most(word: str, code: int, out: str, err: str) -> None:
    done = run(word)
    assert (done.returncode, done.stdout, done.stderr) == (code, out, err)


@pytest.mark.parametrize("words", [["unknown"], ["good", "--unknown"], ["good", "too many"], []])
def test_a_command_line_that_cannot_be_understood_shows_the_usage(words: list[str]) -> None:
    done = run(*words)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("Usage: trial ")


def test_a_fault_of_the_program_keeps_its_traceback() -> None:
    assert "ZeroDivisionError: a fault of ours" in run("broken").stderr


def test_help_is_plain_text_where_there_is_no_terminal() -> None:
    helped = run("--help").stdout
    assert helped.startswith("Usage: trial [OPTIONS] COMMAND [ARGS]...\n\n  A command of the tests.\n")
    assert helped.isascii()
    assert "\x1b" not in helped
