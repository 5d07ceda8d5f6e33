"""Calls in processes of this machine: one that hangs is killed, one that crashes takes only its own process along."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import forkserver
from typing import TYPE_CHECKING, TypeVar

from pipeline.clip_jobs.engines.base import Stopped, timed_out
from pipeline.settings.interrupt import held_back_interrupts

if TYPE_CHECKING:
    from concurrent.futures import Future

    from pebble import ProcessPool

HEARTBEAT_SECONDS = 1.0  # how often to look whether there are workers at all

Item = TypeVar("Item")
Answer = TypeVar("Answer")


def prepare(modules: Sequence[str]) -> None:
    """Start the process that workers are forked from, with modules loaded; this returns before they are."""
    preload = ["pipeline.clip_jobs.engines.quiet", *modules, "pebble.pool.process", "threadpoolctl"]
    multiprocessing.set_forkserver_preload(preload)
    with held_back_interrupts():
        forkserver.ensure_running()


def run(
    function: Callable[[Item], Answer], items: Iterable[Item], n_workers: int, timeout_seconds: float
) -> Iterator[tuple[Item, Answer | Stopped]]:
    """Yield every item with the function's answer, in the order in which they are done; two a worker may wait.

    Workers are forked from a process that runs nothing else (a fork of this one could copy a lock that is held), and
    end when this process does, however it ends.

    Args:
        function: is called with an item; an error that it raises is raised here.
        items: as many as you like; they are taken as workers become free.
        n_workers: calls at a time.
        timeout_seconds: a call that takes longer is killed.
    """
    from pebble import ProcessPool

    with held_back_interrupts():
        forkserver.ensure_running()
    context = multiprocessing.get_context("forkserver")
    pool = ProcessPool(n_workers, initializer=_start_worker, initargs=[function], context=context)
    pending: dict[Future[Answer], Item] = {}
    try:
        for item in items:
            pending[pool.schedule(function, args=[item], timeout=timeout_seconds)] = item
            if len(pending) >= 2 * n_workers:
                yield from _answers_so_far(pool, pending, timeout_seconds)
        while pending:
            yield from _answers_so_far(pool, pending, timeout_seconds)
    finally:
        pool.stop()  # type: ignore[no-untyped-call]  # pebble left it without types
        pool.join()


def _answers_so_far(
    pool: "ProcessPool", pending: "dict[Future[Answer], Item]", timeout_seconds: float
) -> Iterator[tuple[Item, Answer | Stopped]]:
    """The items whose calls are done, with their answers; this waits for at least one."""
    while not (done := wait(pending, HEARTBEAT_SECONDS, FIRST_COMPLETED).done):
        if not pool.active:
            raise BrokenProcessPool("the workers cannot start; expected their own messages above")
    for future in done:
        answer = _answer(future, timeout_seconds)
        yield pending.pop(future), answer


def _answer(future: "Future[Answer]", timeout_seconds: float) -> Answer | Stopped:
    """What the call returned, or how its process ended."""
    from pebble import ProcessExpired

    try:
        return future.result()
    except TimeoutError:
        return timed_out(timeout_seconds)
    except ProcessExpired as error:
        return Stopped("crashed", f"its process ended with {_exit_name(error.exitcode)}")


def _exit_name(exit_code: int) -> str:
    """An exit code in words; processes that a signal ended have a negative one."""
    return signal.Signals(-exit_code).name if exit_code < 0 else f"exit code {exit_code}"


def _start_worker(function: Callable[[Item], Answer]) -> None:
    """Make a new process one worker of several: one thread for arithmetic, and an end when the parent ends.

    The function is here so that its modules are loaded by now. With its first call they would be loaded while pebble
    keeps the other workers from fetching theirs, which they do not bear for more than a minute.
    """
    from threadpoolctl import threadpool_limits

    threadpool_limits(1)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # pebble's own handler would wait for the call to return
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """End this process, whatever it is at, once the one that started the workers is gone."""
    if (parent := multiprocessing.parent_process()) is not None:
        parent.join()
        os._exit(1)
