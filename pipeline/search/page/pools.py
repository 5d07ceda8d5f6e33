"""Processes that can be killed: where a pool breaks, as by a process that dies idle, another one begins."""

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import TimeoutError as TooLate
from concurrent.futures import wait
from concurrent.futures.process import BrokenProcessPool
from typing import TYPE_CHECKING, Any, TypeVar

from pipeline.clip_jobs.engines import processes
from pipeline.clip_jobs.engines.base import HEARTBEAT_SECONDS, Stopped, timed_out
from pipeline.clip_jobs.failures import refusal_of, refusal_of_stopped
from pipeline.errors import PipelineError
from pipeline.settings.interrupt import held_back_interrupts
from pipeline.settings.paths import AnyPath

if TYPE_CHECKING:
    from pipeline.clip_jobs.engines.worker_pool import WorkerPool

Made = TypeVar("Made")


class Pools:
    """Processes that are begun alike, and make something of files.

    Args:
        begin: what each process calls first.
        start: its argument.
        n_workers: processes.
        modules: that all processes need, loaded once.
    """

    def __init__(self, begin: Callable[[Any], None], start: object, n_workers: int, modules: Sequence[str]) -> None:
        self._begin, self._start, self._n_workers, self._lock = begin, start, n_workers, threading.Lock()
        processes.prepare(list(modules))
        self._pool, self._is_closed = self._begun(), False

    def made(self, path: AnyPath, seconds: float, function: Callable[..., Made], *args: object) -> Made:
        """Return what a function of a module makes in a process; how the process ended, if it did, becomes a refusal.

        Args:
            path: of the file that it is about.
            seconds: that it may take; then its process is killed.
            function: which is called there.
            args: of the function.

        Raises:
            ClipError: the file cannot be used, or has ended the process.
            PipelineError: whatever else of this program's own errors the function ends with.
        """
        from pebble import ProcessExpired

        try:
            return self._made_by_either(seconds, function, args)
        except PipelineError:
            raise
        except TooLate as error:
            raise refusal_of_stopped(str(path), timed_out(seconds)) from error
        except ProcessExpired as error:
            stopped = Stopped("crashed", f"the process that decoded it ended with {error.exitcode}")
            raise refusal_of_stopped(str(path), stopped) from error
        except Exception as error:
            raise refusal_of(str(path), error) from error

    def close(self) -> None:
        """End the processes."""
        with self._lock:
            self._is_closed = True
            self._pool.end()

    def _made_by_either(self, seconds: float, function: Callable[..., Made], args: Sequence[object]) -> Made:
        """What a process makes of a call; of one that breaks two pools, how the second one broke."""
        try:
            return self._asked(seconds, function, args)
        except BrokenProcessPool:
            return self._asked(seconds, function, args)

    def _asked(self, seconds: float, function: Callable[..., Made], args: Sequence[object]) -> Made:
        with self._lock:
            if self._is_closed:
                raise BrokenProcessPool("the processes were ended; expected no more calls")
            if not self._pool.active:
                self._pool.end()
                self._pool = self._begun()
            pool = self._pool
            call = pool.schedule(function, args=args, timeout=seconds)
        while not wait([call], HEARTBEAT_SECONDS).done:
            if not pool.active:  # it may have ended before it knew of the call
                raise BrokenProcessPool("the processes have ended; expected them to answer")
        return call.result()

    def _begun(self) -> "WorkerPool":
        """A pool whose processes are on their way."""
        from pipeline.clip_jobs.engines.worker_pool import WorkerPool

        with held_back_interrupts():
            pool = WorkerPool(self._n_workers, self._begin, [self._start])
            pool.schedule(os.getpid)  # the processes are made with the first call
        return pool
