"""Time limits for work in this process, which count the seconds in which the process could work."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TypeVar

TICK_SECONDS, LEAST_TICK_SECONDS = 1.0, 0.05


Value = TypeVar("Value")


class WorkTimeoutError(Exception):
    """The block of a ``time_limit`` took too long."""


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """End the block with an error once it has worked for so long; what hangs in C code ends when that returns.

    An alarm rings every second and is counted: of all that fall into a time in which the machine or the process is
    suspended, only one is heard. Alarms reach the main thread only, so in another one there is no limit.

    Args:
        seconds: above 0; infinity for no limit.

    Raises:
        WorkTimeoutError: the block was not done in time.
    """
    if seconds == float("inf") or threading.current_thread() is not threading.main_thread():
        yield
        return
    tick_seconds, n_ticks, is_over = max(LEAST_TICK_SECONDS, min(TICK_SECONDS, seconds)), 0, False

    def count(_: int, __: FrameType | None) -> None:
        nonlocal n_ticks
        n_ticks += 1
        if n_ticks * tick_seconds >= seconds and not is_over:
            raise WorkTimeoutError(f"not done after {seconds:g} s")

    handler, alarm = signal.signal(signal.SIGALRM, count), signal.getitimer(signal.ITIMER_REAL)
    try:
        try:
            signal.setitimer(signal.ITIMER_REAL, tick_seconds, tick_seconds)
            yield
        finally:
            is_over = True
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
        signal.setitimer(signal.ITIMER_REAL, *alarm)


@contextmanager
def outside_of_time_limit() -> Iterator[None]:
    """Let no time of the ``time_limit`` around the block pass while this process only waits for others."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    alarm = signal.setitimer(signal.ITIMER_REAL, 0)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, *alarm)


def call_within(seconds: float, function: Callable[[], Value]) -> Value:
    """Return what a function returns; one that hangs, even in C code, is left behind in a thread of its own.

    Use it for what only waits, such as for a network: a thread cannot be ended, and lasts as long as the process then.

    Args:
        seconds: above 0.
        function: what to call.

    Raises:
        WorkTimeoutError: it was not done in time; any error of its own passes.

    Example:
        >>> call_within(60.0, lambda: "done")
        'done'
    """
    results: list[Value] = []
    errors: list[BaseException] = []

    def work() -> None:
        try:
            results.append(function())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=work, daemon=True)
    tick_seconds, n_ticks = min(TICK_SECONDS, seconds), 0
    thread.start()
    while thread.is_alive() and n_ticks * tick_seconds < seconds:
        thread.join(tick_seconds)  # of a time in which the process is suspended, one tick counts
        n_ticks += 1
    if errors:
        raise errors[0]
    if not results:
        raise WorkTimeoutError(f"not done after {seconds:g} s")
    return results[0]
