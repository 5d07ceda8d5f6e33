"""The time limit of work in this process."""

import ctypes
import signal
import threading
import time
from collections.abc import Iterator

import pytest

from pipeline.settings.time_limit import WorkTimeoutError, call_within, outside_of_time_limit, time_limit


@pytest.fixture(autouse=True)
def _no_alarm_before() -> Iterator[None]:
    """The time limit of the tests themselves may be an alarm; it waits until the test is over."""
    handler, alarm = signal.getsignal(signal.SIGALRM), signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, *alarm)


def test_an_alarm_that_was_set_before_goes_on_behind_the_block() -> None:
    signal.setitimer(signal.ITIMER_REAL, 1000.0)
    with time_limit(60):
        pass
    assert 900 < signal.setitimer(signal.ITIMER_REAL, 0)[0] <= 1000


def test_a_block_that_takes_too_long_ends_and_leaves_no_alarm_behind() -> None:
    with pytest.raises(WorkTimeoutError, match=r"not done after 0.2 s"), time_limit(0.2):
        time.sleep(100)
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    assert signal.getsignal(signal.SIGALRM) == signal.SIG_DFL


def test_a_block_that_is_done_in_time_leaves_no_alarm_behind() -> None:
    with time_limit(60):
        assert signal.getitimer(signal.ITIMER_REAL)[0] > 0
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_a_limit_of_several_alarms_ends_the_block_at_the_last_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.settings.time_limit.TICK_SECONDS", 0.05)
    started = time.monotonic()
    with pytest.raises(WorkTimeoutError, match=r"not done after 0.3 s"), time_limit(0.3):
        time.sleep(100)
    assert time.monotonic() - started > 0.25


def test_alarms_that_come_together_after_a_suspension_count_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.settings.time_limit.TICK_SECONDS", 0.05)
    with time_limit(0.3):
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})  # as while a process is stopped
        time.sleep(0.5)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGALRM})


def test_a_wait_for_others_takes_none_of_the_time_and_the_rest_is_still_limited() -> None:
    @time_limit(0.1)
    def wait_and_hang() -> None:
        with outside_of_time_limit():
            time.sleep(0.3)
        time.sleep(60)

    with pytest.raises(WorkTimeoutError):
        wait_and_hang()
    with time_limit(1.0), outside_of_time_limit():
        time.sleep(1.2)
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


def test_without_a_limit_and_outside_of_the_main_thread_no_alarm_is_set() -> None:
    with time_limit(float("inf")):
        assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    heard: list[tuple[float, float]] = []

    def work() -> None:
        with time_limit(60):
            heard.append(signal.getitimer(signal.ITIMER_REAL))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert heard == [(0.0, 0.0)]


def test_a_call_that_hangs_in_c_code_is_left_behind() -> None:
    start = time.monotonic()
    with pytest.raises(WorkTimeoutError, match=r"not done after 0.3 s"):
        call_within(0.3, lambda: ctypes.CDLL(None).sleep(20))
    assert time.monotonic() - start < 10


def test_what_a_call_returns_or_raises_comes_back() -> None:
    assert call_within(60, lambda: None) is None
    with pytest.raises(ZeroDivisionError):
        call_within(60, lambda: 1 // 0)
