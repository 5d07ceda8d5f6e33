"""Pools whose processes end before they are heard, between two calls, or before the first one."""

import time
from collections.abc import Iterator
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress

import psutil
import pytest
from pebble.pool.process import PoolManager

from pipeline.clip_jobs.engines import prepare, processes
from pipeline.clip_jobs.engines.base import Stopped
from pipeline.clip_jobs.engines.worker_pool import WorkerPool
from tests.helpers.clip_work import abort, obey


@pytest.fixture(scope="module", autouse=True)
def _workers_start_warm() -> None:
    prepare(["pipeline.clip_jobs.loop", "tests.helpers.clip_work"])


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
