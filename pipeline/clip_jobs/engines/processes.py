"""Calls in processes of this machine: one that hangs is killed, one that crashes takes only its own process along."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import forkserver
from tempfile import gettempdir
from typing import TYPE_CHECKING, Generic, TypeVar

from pipeline.clip_jobs.engines.base import HEARTBEAT_SECONDS, Stopped, WorkingClock, do_nothing, timed_out
from pipeline.errors import ParamsError
from pipeline.settings.interrupt import held_back_interrupts

if TYPE_CHECKING:
    from concurrent.futures import Future

    from pipeline.clip_jobs.engines.worker_pool import WorkerPool

Item = TypeVar("Item")
Answer = TypeVar("Answer")


def prepare(modules: Sequence[str]) -> None:
    """Start the process that workers are forked from, with modules loaded; this returns before they are.

    Raises:
        ParamsError: TMPDIR has too long a name.
    """
    preload = ["pipeline.clip_jobs.engines.quiet", *modules, "pebble.pool.process", "threadpoolctl"]
    multiprocessing.set_forkserver_preload(preload)
    _ensure_fork_server()


def _ensure_fork_server() -> None:
    """Start the process that workers are forked from, unless it runs; its socket lies among temporary files."""
    try:
        with held_back_interrupts():
            forkserver.ensure_running()
    except OSError as error:
        if "path too long" not in str(error):
            raise
        problem = f"TMPDIR={gettempdir()!r}: its name is too long for the socket of worker processes"
        raise ParamsError(f"{problem}; expected at most about 70 characters") from error


def run(
    function: Callable[[Item], Answer],
    items: Iterable[Item],
    n_workers: int,
    timeout_seconds: float,
    start: Callable[[], None] = do_nothing,
    n_gpus: int = 0,
) -> Iterator[tuple[Item, Answer | Stopped]]:
    """Yield every item with the function's answer, in the order in which they are done; two a worker may wait.

    Workers are forked from a process that runs nothing else (a fork of this one could copy a lock that is held), and
    end when this process does, however it ends.

    Args:
        function: is called with an item; an error that it raises is raised here.
        items: as many as you like; they are taken as workers become free.
        n_workers: calls at a time.
        timeout_seconds: a call that works longer is killed.
        start: is called once in each worker.
        n_gpus: that each worker takes up; here ``start`` has to choose them.
    """
    from pipeline.clip_jobs.engines.worker_pool import WorkerPool

    _ensure_fork_server()
    pool = WorkerPool(n_workers, _start_worker, [function, start, dict(os.environ)])
    calls = _Calls[Item, Answer](pool, timeout_seconds)
    try:
        for item in items:
            calls.pending[pool.schedule(function, args=[item])] = item
            if len(calls.pending) >= 2 * n_workers:
                yield from calls.answers_so_far()
        while calls.pending:
            yield from calls.answers_so_far()
    finally:
        pool.end()


class _Calls(Generic[Item, Answer]):
    """Calls whose answers are still to come; pebble's own time limit is one of the wall clock."""

    def __init__(self, pool: "WorkerPool", timeout_seconds: float) -> None:
        self.pending: dict[Future[Answer], Item] = {}
        self._pool, self._timeout_seconds = pool, timeout_seconds
        self._heartbeat_seconds = min(HEARTBEAT_SECONDS, max(timeout_seconds / 4, 0.01))
        self._clock = WorkingClock(2 * self._heartbeat_seconds)  # one long look is no proof that a call took as long
        self._started: dict[Future[Answer], float] = {}

    def answers_so_far(self) -> Iterator[tuple[Item, Answer | Stopped]]:
        """The items whose calls are done, with their answers; this waits for at least one."""
        self._cancel_late()
        while not (done := wait(self.pending, self._heartbeat_seconds, FIRST_COMPLETED).done):
            if not self._pool.active:
                raise BrokenProcessPool("the workers cannot start; expected their own messages above")
            self._cancel_late()
        for future in done:
            self._started.pop(future, None)
            answer: Answer | Stopped = _answer(future, self._timeout_seconds)
            yield self.pending.pop(future), answer

    def _cancel_late(self) -> None:
        """Have the workers killed whose calls are past their time; pebble does it where a running call is cancelled."""
        now = self._clock.seconds()
        for future in filter(lambda future: future.running(), self.pending):
            if now - self._started.setdefault(future, now) >= self._timeout_seconds:
                future.cancel()


def _answer(future: "Future[Answer]", timeout_seconds: float) -> Answer | Stopped:
    """What the call returned, or how its process ended."""
    from pebble import ProcessExpired

    try:
        return future.result()
    except CancelledError:
        return timed_out(timeout_seconds)
    except ProcessExpired as error:
        return _stopped(error.exitcode)


def _stopped(exit_code: int) -> Stopped:
    """What became of a call whose process ended by itself; one that takes too long is none of them."""
    if exit_code == -signal.SIGKILL:
        return Stopped("out_of_memory", "its process was killed (SIGKILL), as the system does where memory runs out")
    return Stopped("crashed", f"its process ended with {_exit_name(exit_code)}")


def _exit_name(exit_code: int) -> str:
    """An exit code in words; processes that a signal ended have a negative one."""
    return signal.Signals(-exit_code).name if exit_code < 0 else f"exit code {exit_code}"


def _start_worker(
    function: Callable[[Item], Answer], start: Callable[[], None], environment: Mapping[str, str]
) -> None:
    """Make a new process one worker of several: one thread for arithmetic, and an end when the parent ends.

    It is given the environment of now: the process that it was forked from has that of its own start.

    The function is here so that its modules are loaded by now. With its first call they would be loaded while pebble
    keeps the other workers from fetching theirs, which they do not bear for more than a minute.
    """
    from threadpoolctl import threadpool_limits

    os.environ.update(environment)
    threadpool_limits(1)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # pebble's own handler would wait for the call to return
    end_with_parent()
    start()


def end_with_parent() -> None:
    """Have this worker end, whatever it is at, once the process that started it is gone.

    What is to be cleaned up then is not for a worker: one without work ends by itself, at the same moment.
    """
    threading.Thread(target=_end_behind_parent, daemon=True).start()


def _end_behind_parent() -> None:
    if (parent := multiprocessing.parent_process()) is not None:
        parent.join()
        os._exit(1)
