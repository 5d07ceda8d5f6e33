"""A time limit for work in this process, which counts the seconds in which the process could work."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

TICK_SECONDS, LEAST_TICK_SECONDS = 1.0, 0.05


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
