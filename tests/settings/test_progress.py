"""What a loop shows of itself: a bar on a terminal, lines in a log."""

import os
import re
import subprocess
import sys
from multiprocessing import get_context
from pathlib import Path

import pytest

from pipeline.errors import ParamsError
from pipeline.settings.progress import _rate, progress, track
from tests.helpers.terminal import Terminal

ROOT = Path(__file__).parents[2]
FIVE_CLIPS = """
from pipeline.settings.progress import progress
with progress("logmel", 5, "clip", interval_seconds={}) as advance:
    for _ in range(5):
        advance()
"""


def python(code: str, **env: str) -> "subprocess.CompletedProcess[bytes]":
    """What code writes where there is no terminal."""
    command = [sys.executable, "-c", code]
    return subprocess.run(command, cwd=ROOT, env={**without_settings(), **env}, capture_output=True, check=True)


def without_settings() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in ("AVR_PROGRESS", "DVC_STAGE")}


def on_terminal(code: str, **env: str) -> str:
    terminal = Terminal([sys.executable, "-c", code], ROOT, {**without_settings(), **env})
    assert terminal.end() == 0
    return terminal.shown


def test_a_log_has_plain_lines_that_say_done_rate_and_time_left() -> None:
    log = python(FIVE_CLIPS.format(0.0)).stderr
    assert not re.search(rb"[\r\x1b]", log)
    line = re.compile(r"logmel: (\d) of 5 clips, \d+\.\d (?:clips/s|s/clip), \d\d:\d\d left")
    found = [line.fullmatch(text) for text in log.decode().splitlines()]
    assert [match[1] if match else "" for match in found] == list("12345")
    assert log.endswith(b", 00:00 left\n")


@pytest.mark.parametrize("interval_seconds", ["10.0", "3600.0"])
def test_a_loop_that_ends_before_the_first_line_is_due_leaves_nothing_in_a_log(interval_seconds: str) -> None:
    done = python(FIVE_CLIPS.format(interval_seconds))
    assert (done.stdout, done.stderr) == (b"", b"")


def test_lines_are_ten_seconds_apart_unless_asked_for() -> None:
    assert python(FIVE_CLIPS.replace(", interval_seconds={}", "")).stderr == b""


def test_a_terminal_has_a_live_bar_that_stays_when_it_is_full() -> None:
    shown = on_terminal(FIVE_CLIPS.format(10.0))
    assert shown.startswith("logmel\r\n\r  0%|")
    assert re.search(r"\r100%\|[^\r]*\| 5/5 \[[^\r]* clip/s\]\r\n$", shown)


@pytest.mark.parametrize(("style", "n_lines"), [("none", 0), ("lines", 5)])
def test_the_style_can_be_chosen_on_a_terminal_too(style: str, n_lines: int) -> None:
    shown = on_terminal(FIVE_CLIPS.format(0.0), AVR_PROGRESS=style).replace("\r\n", "\n")
    assert "\r" not in shown
    assert len(shown.splitlines()) == n_lines


def test_a_bar_can_be_chosen_without_a_terminal() -> None:
    assert b"5/5" in python(FIVE_CLIPS.format(0.0), AVR_PROGRESS="bar").stderr


def test_an_unknown_style_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AVR_PROGRESS", "loud")
    with pytest.raises(ParamsError, match=r"AVR_PROGRESS='loud'; expected one of: auto, bar, lines, none$"):
        list(track("abc", "letters", "letter"))


def test_what_was_done_before_counts_as_done_but_not_for_the_rate(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("logmel", 10**9, "clip", done=10**9 - 2, interval_seconds=0.0) as advance:
        advance()
    line = capsys.readouterr().err
    assert line.startswith("logmel: 999999999 of 1000000000 clips, ")
    assert line.endswith(", 00:00 left\n")  # one clip more, which took no second
    assert float(line.split(", ")[1].split()[0]) < 10**8


def test_other_facts_stand_in_every_line_and_the_device_in_the_first(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("train, seed 3", 2, "epoch", device="cpu", interval_seconds=0.0) as advance:
        advance("loss 0.5, validation MAP 0.1")
        advance("loss 0.4, validation MAP 0.2")
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith("train, seed 3 on cpu: 1 of 2 epochs, loss 0.5, validation MAP 0.1, ")
    assert second.startswith("train, seed 3: 2 of 2 epochs, loss 0.4, validation MAP 0.2, ")


def test_a_slow_loop_says_how_long_one_item_takes() -> None:
    assert (_rate(2.5, "trial"), _rate(0.125, "trial")) == ("2.5 s/trial", "8.0 trials/s")


def test_a_loop_within_another_is_silent(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("tune", 1, "trial", interval_seconds=0.0) as advance:
        with progress("train", 1, "epoch", interval_seconds=0.0) as advance_within:
            advance_within()
        assert capsys.readouterr().err == ""
        advance()
    assert capsys.readouterr().err.startswith("tune: 1 of 1 trials")


def test_a_silent_rank_a_worker_and_a_loop_that_is_done_show_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    with progress("train", 1, "epoch", is_silent=True, interval_seconds=0.0) as advance:
        advance()
    with progress("logmel", 5, "clip", done=5, interval_seconds=0.0):
        pass
    worker = get_context("spawn").Process(target=advance_once)
    worker.start()
    worker.join()
    assert worker.exitcode == 0
    assert capfd.readouterr().err == ""


def advance_once() -> None:
    """For a worker."""
    with progress("logmel", 1, "clip", interval_seconds=0.0) as advance:
        advance()


@pytest.mark.parametrize("total", [None, 3])
def test_tracked_items_come_as_they_are(total: int | None) -> None:
    assert list(track(iter("abc") if total else "abc", "letters", "letter", total)) == ["a", "b", "c"]
