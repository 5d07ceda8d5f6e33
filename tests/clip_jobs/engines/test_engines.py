import builtins
import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest
from pebble.pool.process import PoolManager

from pipeline.clip_jobs.engines import chosen_engine, prepare, processes, ray_cluster
from pipeline.clip_jobs.engines.base import Stopped, WorkingClock
from pipeline.clip_jobs.engines.worker_pool import WorkerPool
from pipeline.errors import ClipError, ParamsError
from pipeline.settings.environment import chosen_workers
from tests.helpers.clip_work import LoadsTogether, abort, meet, obey

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


@pytest.mark.parametrize("words", [["segfault"], ["nap", "segfault"]])
def test_a_worker_that_ends_before_it_is_heard_costs_its_own_call_only(
    words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a busy machine, where the thread that hears workers has to wait while the one that counts them does not."""
    hear = PoolManager.process_next_message

    def hear_late(manager: PoolManager, timeout: float) -> None:
        channel = manager.worker_manager.pool_channel
        with suppress(OSError):  # it is closed at the end
            if channel is not None and channel.poll(timeout):
                time.sleep(0.5)
        hear(manager, timeout)

    monkeypatch.setattr(PoolManager, "process_next_message", hear_late)
    answers = dict(processes.run(obey, words, 2, 60))
    assert answers.pop("segfault") == Stopped("crashed", "its process ended with SIGSEGV")
    assert answers == {word: word for word in words[:-1]}


def test_a_pool_that_breaks_between_two_items_is_named_so() -> None:
    def items() -> Iterator[str]:
        yield "a"
        while not (workers := [child for fork in psutil.Process().children() for child in fork.children()]):
            time.sleep(0.01)
        time.sleep(1)  # they wait for the next item
        for worker in workers:
            worker.kill()
        time.sleep(1)
        yield "b"

    with pytest.raises(BrokenProcessPool, match="expected workers that start, and live as long as the pool"):
        list(processes.run(obey, items(), 1, 60))


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


def test_workers_that_cannot_start_stop_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "_start_worker", abort)
    with pytest.raises(BrokenProcessPool, match=r"All workers expired|the workers cannot start"):  # pebble's or ours
        list(processes.run(obey, list("abcdef"), 2, 60))


def test_a_call_that_a_broken_pool_forgot_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "HEARTBEAT_SECONDS", 0.01)
    pool = WorkerPool(1, abort, [])
    pool.stop()  # type: ignore[no-untyped-call]  # pebble left it without types
    calls = processes._Calls[str, str](pool, 60)
    calls.pending[Future()] = "a"
    with pytest.raises(BrokenProcessPool, match="the workers cannot start; expected their own messages above"):
        list(calls.answers_so_far())


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


def test_the_engine_is_chosen_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AVR_ENGINE", raising=False)
    assert chosen_engine() is processes.run
    for name, run in (("", processes.run), ("processes", processes.run), ("ray", ray_cluster.run)):
        monkeypatch.setenv("AVR_ENGINE", name)
        assert chosen_engine() is run


def test_an_unknown_engine_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AVR_ENGINE", "spark")
    with pytest.raises(ParamsError, match=r"AVR_ENGINE='spark'; expected one of: processes, ray$"):
        chosen_engine()


@pytest.mark.parametrize(
    ("workers", "n_cores", "n_workers"), [("1", 5, 1), ("12", 5, 12), (None, 5, 5), ("", 5, 5), (None, None, 1)]
)
def test_there_are_as_many_workers_as_asked_for_or_one_a_core(
    monkeypatch: pytest.MonkeyPatch, workers: str | None, n_cores: int | None, n_workers: int
) -> None:
    monkeypatch.delenv("AVR_WORKERS", raising=False)
    if workers is not None:
        monkeypatch.setenv("AVR_WORKERS", workers)
    monkeypatch.delattr(os, "sched_getaffinity")  # as on systems that cannot tell
    monkeypatch.setattr(os, "cpu_count", lambda: n_cores)
    assert chosen_workers() == n_workers


def test_cores_that_the_process_may_not_use_get_no_worker() -> None:
    code = """
import os
from pipeline.settings.environment import chosen_workers
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
print(chosen_workers())
"""
    env = {name: value for name, value in os.environ.items() if name != "AVR_WORKERS"}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=env, capture_output=True, text=True, check=True)
    assert done.stdout == "1\n"


@pytest.mark.parametrize("workers", ["0", "-1", "many"])
def test_workers_that_make_no_sense_are_refused(monkeypatch: pytest.MonkeyPatch, workers: str) -> None:
    monkeypatch.setenv("AVR_WORKERS", workers)
    with pytest.raises(ParamsError, match=f"AVR_WORKERS='{workers}'; expected a whole number above 0$"):
        chosen_workers()


def test_without_ray_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    real_import = builtins.__import__

    def import_without_ray(name: str, *rest: Any) -> Any:  # noqa: ANN401 - as the real one
        if name == "ray":
            raise ModuleNotFoundError(name)
        return real_import(name, *rest)

    monkeypatch.setattr(builtins, "__import__", import_without_ray)
    with pytest.raises(ParamsError, match="AVR_ENGINE='ray': Ray is not installed; expected the extra `ray`"):
        list(ray_cluster.run(obey, ["a"], 1, 60))
