import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from pipeline.clip_jobs.engines import prepare, processes, ray_cluster
from pipeline.clip_jobs.engines.base import Stopped, WorkingClock
from pipeline.errors import ClipError
from tests.helpers.clip_work import LoadsTogether, meet, obey

ROOT = Path(__file__).parents[3]
WORDS = ["segfault", "a", "hang", *"bcdefgh"]


@pytest.fixture(scope="module", autouse=True)
def _workers_start_warm() -> None:
    prepare(["pipeline.clip_jobs.loop", "tests.helpers.clip_work"])


def test_calls_that_hang_or_crash_cost_themselves_only() -> None:
    answers = dict(processes.run(obey, WORDS, 2, 3))
    assert {word: answers.pop(word) for word in "abcdefgh"} == {word: word for word in "abcdefgh"}
    assert answers == {
        "hang": Stopped("timeout", "not done after 3 s"),
        "segfault": Stopped("crashed", "its process ended with SIGSEGV"),
    }


def test_a_call_whose_process_is_killed_from_outside_names_memory_as_the_reason() -> None:
    answers = dict(processes.run(obey, ["killed", "a"], 1, 60))
    assert answers == {
        "a": "a",
        "killed": Stopped(
            "out_of_memory", "its process was killed (SIGKILL), as the system does where memory runs out"
        ),
    }


def test_a_wall_clock_that_jumps_ahead_stops_no_call(monkeypatch: pytest.MonkeyPatch) -> None:
    real = time.time
    started = time.monotonic()
    monkeypatch.setattr(time, "time", lambda: real() + 1e6 * (time.monotonic() - started))
    assert dict(processes.run(obey, ["nap"], 1, 60)) == {"nap": "nap"}


def test_the_time_in_which_a_run_is_suspended_does_not_count() -> None:
    code = """
from pipeline.clip_jobs.engines import prepare, processes
from tests.helpers.clip_work import obey
prepare(["tests.helpers.clip_work"])
print("ready", flush=True)
print(dict(processes.run(obey, ["nap"], 1, 4)))
"""
    run = subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, start_new_session=True, stdout=subprocess.PIPE, text=True
    )
    assert run.stdout is not None
    assert run.stdout.readline() == "ready\n"
    time.sleep(0.5)
    os.killpg(run.pid, signal.SIGSTOP)
    time.sleep(5)
    os.killpg(run.pid, signal.SIGCONT)
    assert run.communicate(timeout=60)[0] == "{'nap': 'nap'}\n"


def test_a_clock_of_work_counts_a_long_time_without_a_look_as_a_short_one() -> None:
    clock = WorkingClock(longest_step_seconds=0.01)
    time.sleep(0.2)
    assert clock.seconds() == 0.01
    assert clock.seconds() < 0.02


def test_a_hanging_call_keeps_no_other_worker_waiting() -> None:
    started = time.monotonic()
    answers = processes.run(obey, ["hang", *map(str, range(50))], 2, 60)
    first = [next(answers)[0] for _ in range(50)]
    answers.close()  # type: ignore[attr-defined]  # a generator
    assert sorted(first) == sorted(map(str, range(50)))
    assert time.monotonic() - started < 30


def test_an_error_of_the_function_comes_back_whole() -> None:
    with pytest.raises(ClipError, match="clip 'a path': no sound in it; expected an audio stream") as caught:
        list(processes.run(obey, ["bad"], 1, 60))
    assert (caught.value.kind, caught.value.clip_id) == ("no_audio", "a path")


def test_as_many_calls_run_at_a_time_as_there_are_workers_forked_from_a_process_of_their_own(tmp_path: Path) -> None:
    calls = dict(processes.run(partial(meet, n_calls=3), [tmp_path / name for name in "123"], 3, 60)).values()
    workers, parents = zip(*calls, strict=True)
    assert len({os.getpid(), *workers, *parents}) == 1 + 3 + 1


@pytest.mark.slow
def test_ray_runs_as_many_calls_at_a_time_reports_to_nobody_and_stops_at_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import ray

    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.delenv("RAY_USAGE_STATS_ENABLED", raising=False)
    monkeypatch.setenv("RAY_raylet_start_wait_time_s", "200")  # a busy machine takes longer than Ray expects
    answers = ray_cluster.run(partial(meet, n_calls=2), [tmp_path / name for name in ("1", "2", "bad")], 2, 60)
    assert not isinstance(next(answers)[1], Stopped)  # so both have met; the third call may overtake the other answer
    with pytest.raises(ClipError, match="clip 'a path': no sound in it; expected an audio stream") as caught:
        list(answers)
    assert type(caught.value) is ClipError  # Ray's own error would be one too, of a class made for it
    assert (caught.value.kind, caught.value.clip_id) == ("no_audio", "a path")
    assert (os.environ["RAY_USAGE_STATS_ENABLED"], ray.is_initialized()) == ("0", False)


def test_a_call_may_take_longer_than_a_heartbeat(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "HEARTBEAT_SECONDS", 0.01)
    ((_, answer),) = processes.run(obey, ["hang"], 1, 0.2)
    assert answer == Stopped("timeout", "not done after 0.2 s")


def test_workers_do_not_wait_for_each_other_to_load_what_they_run(tmp_path: Path) -> None:
    assert dict(processes.run(LoadsTogether(tmp_path), list("abcd"), 2, 60)) == {word: word for word in "abcd"}


def test_two_items_a_worker_are_taken_ahead_and_no_more() -> None:
    taken = 0

    def items() -> Iterator[str]:
        nonlocal taken
        for number in range(20):
            taken += 1
            yield str(number)

    taken_at_an_answer = [taken for _ in processes.run(obey, items(), 2, 60)]
    assert taken_at_an_answer[0] == 2 * 2
    assert all(taken <= done + 2 * 2 for done, taken in enumerate(taken_at_an_answer))


def is_held(path: Path) -> bool:
    """Whether a living process has locked the file."""
    if not path.exists() or path.read_text() != "locked":
        return False
    with path.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def wait_until(is_time: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not is_time():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_no_worker_outlives_the_run(tmp_path: Path, how: signal.Signals) -> None:
    locks = [tmp_path / "1", tmp_path / "2"]
    code = f"""
import signal
from pathlib import Path
from pipeline.clip_jobs.engines import prepare, processes
from tests.helpers.clip_work import hold
signal.signal(signal.SIGINT, signal.default_int_handler)  # what starts the tests may ignore it, as `&` in a script does
prepare(["tests.helpers.clip_work"])
list(processes.run(hold, [Path({str(locks[0])!r}), Path({str(locks[1])!r})], 2, 1000))
"""
    run = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stderr=subprocess.DEVNULL)
    wait_until(lambda: all(map(is_held, locks)))
    run.send_signal(how)
    run.wait(timeout=30)
    wait_until(lambda: not any(map(is_held, locks)))


@pytest.mark.parametrize("moment", ["loading", "working"])
def test_workers_say_nothing_of_a_ctrl_c_that_reaches_them_too(tmp_path: Path, moment: str) -> None:
    lines = ["import time", "from pathlib import Path", "Path('loading').touch()"]
    (tmp_path / "slow.py").write_text("\n".join([*lines, "time.sleep(60)"] if moment == "loading" else lines))
    code = """
import os, signal, time
from pathlib import Path
from pipeline.clip_jobs.engines import prepare, processes
from pipeline.settings.interrupt import one_line_on_interrupt
from tests.helpers.clip_work import hold
signal.signal(signal.SIGINT, signal.default_int_handler)
with one_line_on_interrupt("stopped"):
    prepare(["slow", "tests.helpers.clip_work"])
    list(processes.run(hold, [Path("working")], 1, 1000))
"""
    env = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}"}
    run = subprocess.Popen(
        [sys.executable, "-c", code], cwd=tmp_path, env=env, start_new_session=True, stderr=subprocess.PIPE, text=True
    )
    wait_until((tmp_path / moment).exists)
    os.killpg(run.pid, signal.SIGINT)
    assert (run.communicate(timeout=30)[1], run.returncode) == ("stopped\n", 130)
    wait_until(lambda: not is_held(tmp_path / "working"))


def test_a_worker_has_one_thread_for_arithmetic() -> None:
    code = """
from pipeline.clip_jobs.engines import prepare, processes
from tests.helpers.clip_work import n_threads
prepare(["tests.helpers.clip_work"])
print(dict(processes.run(n_threads, ["numpy"], 1, 60)))
"""
    env = {**os.environ, "OMP_NUM_THREADS": "2"}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=env, capture_output=True, text=True, check=True)
    assert done.stdout == "{'numpy': 1}\n"
