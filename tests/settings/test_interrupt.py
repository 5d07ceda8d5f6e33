"""Ctrl-C at any moment: one line, exit code 130, nobody left."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LINE = "work: stopped; go on\n"
START = """
import os, signal, sys, time
from pathlib import Path
from pipeline.settings.interrupt import held_back_interrupts, one_line_on_interrupt
signal.signal(signal.SIGINT, signal.default_int_handler)  # what starts the tests may ignore it, as `&` in a script does
def press():
    os.kill(os.getpid(), signal.SIGINT)
"""


def work(block: str, folder: Path, start: str = START, **env: str) -> "subprocess.CompletedProcess[str]":
    """What becomes of a program that runs a block of lines under the guard."""
    lines = "\n".join(f"    {line}" for line in block.splitlines())
    code = f'{start}\nwith one_line_on_interrupt("work: stopped; go on"):\n{lines}\n'
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{folder}", **env}
    return subprocess.run([sys.executable, "-c", code], cwd=folder, env=environment, capture_output=True, text=True)


def assert_one_line(done: "subprocess.CompletedProcess[str]") -> None:
    assert (done.returncode, done.stderr) == (130, LINE)


def test_what_is_at_work_cleans_up_behind_itself(tmp_path: Path) -> None:
    done = work("try:\n    press()\n    time.sleep(60)\nfinally:\n    Path('clean').touch()", tmp_path)
    assert_one_line(done)
    assert (tmp_path / "clean").exists()


def test_an_import_that_makes_another_error_of_it_is_not_asked(tmp_path: Path) -> None:
    press = "import os, signal\ntry:\n    os.kill(os.getpid(), signal.SIGINT)"
    (tmp_path / "heavy.py").write_text(f"{press}\nexcept BaseException:\n    raise ImportError")
    assert_one_line(work("import heavy", tmp_path))


def test_what_was_printed_before_is_not_lost(tmp_path: Path) -> None:
    (tmp_path / "heavy.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGINT)")
    assert work("print('said')\nimport heavy", tmp_path).stdout == "said\n"


def test_an_interrupted_finalizer_does_not_swallow_it(tmp_path: Path) -> None:
    block = "class Dying:\n    def __del__(self):\n        press()\nDying()\ntime.sleep(60)"
    assert_one_line(work(block, tmp_path))


def test_another_error_of_the_cleaning_up_is_not_shown(tmp_path: Path) -> None:
    assert_one_line(work("try:\n    press()\nexcept KeyboardInterrupt:\n    raise ValueError('half done')", tmp_path))


def test_the_second_one_ends_at_once(tmp_path: Path) -> None:
    block = "try:\n    press()\nfinally:\n    press()\n    time.sleep(60)\n    Path('late').touch()"
    assert_one_line(work(block, tmp_path))
    assert not (tmp_path / "late").exists()


def test_one_while_the_program_ends_changes_nothing(tmp_path: Path) -> None:
    assert_one_line(work("import atexit\natexit.register(press)\npress()", tmp_path))


def test_one_while_python_takes_itself_apart_changes_nothing(tmp_path: Path) -> None:
    """A finalizer of a module's name runs when Python has forgotten all handlers, which would kill the program."""
    last = "import types\nclass Last:\n    def __del__(self, kill=os.kill, us=os.getpid()):\n        kill(us, 2)\n"
    keep = "sys.modules['last'] = types.ModuleType('last')\nsys.modules['last'].kept = Last()\n"
    assert_one_line(work(f"{last}{keep}press()", tmp_path))
    done = work(f"{last}{keep}print('done')", tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")


def test_a_second_one_amid_the_line_does_not_lose_it(tmp_path: Path) -> None:
    """The second press comes between the note that the line is said and the saying."""
    block = "real = os.isatty\ndef pressed(file):\n    press()\n    return real(file)\nos.isatty = pressed\npress()"
    assert_one_line(work(block, tmp_path))


def test_a_program_that_nobody_interrupts_ends_as_it_would(tmp_path: Path) -> None:
    done = work("pass", tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    done = work("sys.exit('its own words')", tmp_path)
    assert (done.returncode, done.stderr) == (1, "its own words\n")


def test_other_finalizers_that_fail_are_still_told(tmp_path: Path) -> None:
    done = work("class Dying:\n    def __del__(self):\n        raise ValueError('odd')\nDying()", tmp_path)
    assert done.returncode == 0
    assert "ValueError: odd" in done.stderr


@pytest.mark.parametrize("last", ["pass", "sys.exit('its own words')"])
def test_one_that_comes_when_all_is_done_is_one_line_too(tmp_path: Path, last: str) -> None:
    done = work(f"import atexit\natexit.register(press)\n{last}", tmp_path)
    assert (done.returncode, done.stderr.removeprefix("its own words\n")) == (130, LINE)


def test_a_program_in_the_background_of_a_script_stays_uninterrupted(tmp_path: Path) -> None:
    ignores = START + "signal.signal(signal.SIGINT, signal.SIG_IGN)"
    done = work("press()\nprint('goes on')", tmp_path, ignores)
    assert (done.returncode, done.stdout, done.stderr) == (0, "goes on\n", "")


def test_of_several_ranks_the_first_one_speaks(tmp_path: Path) -> None:
    done = work("press()", tmp_path, RANK="1")
    assert (done.returncode, done.stderr) == (130, "")
    assert_one_line(work("press()", tmp_path, RANK="0"))


def test_one_that_was_held_back_comes_at_the_end_of_the_block(tmp_path: Path) -> None:
    block = "with held_back_interrupts():\n    press()\n    print('start', flush=True)\nprint('late')"
    done = work(block, tmp_path)
    assert_one_line(done)
    assert done.stdout == "start\n"


@pytest.mark.parametrize("how", ["spawn", "forkserver"])
def test_workers_that_are_started_with_it_held_back_are_silent_and_end(tmp_path: Path, how: str) -> None:
    (tmp_path / "worker.py").write_text("import time\ndef nap(path):\n    path.touch()\n    time.sleep(1000)")
    block = f"""
import multiprocessing
from worker import nap
with held_back_interrupts():
    worker = multiprocessing.get_context({how!r}).Process(target=nap, args=[Path('started')])
    worker.start()
while not Path('started').exists():
    time.sleep(0.01)
print(worker.pid, flush=True)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
os.killpg(0, signal.SIGINT)
time.sleep(60)"""
    done = work(block, tmp_path, START + "os.setpgrp()")
    assert_one_line(done)
    with pytest.raises(ProcessLookupError):
        os.kill(int(done.stdout), 0)


def test_while_python_starts_it_is_held_back(tmp_path: Path) -> None:
    """A Python that is interrupted before it has run a line, as by a press in the first hundredths of a second."""
    early = tmp_path / ".venv" / "bin" / "python"
    early.parent.mkdir(parents=True)
    lines = [
        f"#!{sys.executable} -S",
        "import os, signal, sys",
        "os.kill(os.getpid(), signal.SIGINT)",
        f"os.execv({sys.executable!r}, [{sys.executable!r}, *sys.argv[1:]])",
    ]
    early.write_text("\n".join(lines))
    early.chmod(0o755)
    command = [str(ROOT / "stages" / "run"), "logmel", "clips.csv", "out"]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    line = "logmel: stopped by Ctrl-C; run the same command again: finished stages and clips are kept\n"
    assert (done.returncode, done.stderr) == (130, line)
