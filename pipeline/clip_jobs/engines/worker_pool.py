"""Pebble's pool of processes, which looks whose call has ended with a process when it has heard all that it said."""

import multiprocessing
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.context import BaseContext
from types import MappingProxyType
from typing import Any, TypeVar

from pebble import ProcessFuture, ProcessPool
from pebble.pool.base_pool import PoolContext
from pebble.pool.process import PoolManager

Made = TypeVar("Made")


class WorkerPool(ProcessPool):
    """Processes that are forked from one that runs nothing else; they are made with the first call.

    Args:
        n_workers: processes.
        begin: what each calls first.
        begin_with: its arguments.
    """

    def __init__(self, n_workers: int, begin: Callable[..., None], begin_with: Sequence[object]) -> None:
        context = multiprocessing.get_context("forkserver")
        super().__init__(n_workers, initializer=begin, initargs=begin_with, context=context)
        self._pool_manager = _HearingManager(self._context, context)

    def schedule(
        self,
        function: Callable[..., Made],
        args: Iterable[Any] = (),
        kwargs: Mapping[str, Any] = MappingProxyType({}),
        timeout: float | None = None,
    ) -> "ProcessFuture[Made]":
        """Return the future of a call, as pebble's own method does.

        Raises:
            BrokenProcessPool: the pool has ended, as it does when a process dies before the first call or between two.
        """
        try:
            return super().schedule(function, args, dict(kwargs), timeout)
        except RuntimeError as error:
            raise BrokenProcessPool(f"{error}; expected workers that start, and live as long as the pool") from error

    def end(self) -> None:
        """End the processes, whatever they are at."""
        self.stop()  # type: ignore[no-untyped-call]  # pebble left it without types
        self.join()


class _HearingManager(PoolManager):
    """Hears what workers have sent before it believes that one has ended.

    Pebble looks for ended workers and for messages in threads of their own. A worker that takes a call and ends in the
    same moment has said so, but where the first thread comes before the second, nobody knows yet whose call it was:
    pebble would take the pool for broken, or wait for a call that no process is at.
    """

    def __init__(self, context: PoolContext, mp_context: BaseContext) -> None:
        super().__init__(context, mp_context)
        self._hearing = threading.Lock()

    def process_next_message(self, timeout: float) -> None:
        """Wait for a message, but not for the lock: the other thread takes it too."""
        if self._has_message(timeout):
            with self._hearing:
                super().process_next_message(0)

    def handle_worker_expiration(self, expiration: tuple[int, int]) -> None:
        """Find the call of a worker that has ended."""
        with self._hearing:
            while self._has_message(0):
                super().process_next_message(0)
            super().handle_worker_expiration(expiration)

    def _has_message(self, timeout: float) -> bool:
        """Whether there is one to take within so many seconds; a channel that fails says how when it is read."""
        channel = self.worker_manager.pool_channel
        try:
            return channel is None or channel.poll(timeout)
        except OSError:
            return True
