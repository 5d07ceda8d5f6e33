"""What all engines say of a call that did not return, and the clock that its time limit is measured with."""

import time
from typing import Literal, NamedTuple

HEARTBEAT_SECONDS = 1.0  # how often to look what has become of the calls


class Stopped(NamedTuple):
    """A call that was stopped for taking too long, that took its process down, or whose machine was lost.

    Attributes:
        kind: the word for rejected.csv.
        problem: what happened, for the message.
    """

    kind: Literal["timeout", "crashed", "out_of_memory", "lost"]
    problem: str


def timed_out(timeout_seconds: float) -> Stopped:
    """Return what became of a call that was stopped at its time limit."""
    return Stopped("timeout", f"not done after {timeout_seconds:g} s")


def do_nothing() -> None:
    """Do nothing, at the start of a worker that needs nothing."""


class WorkingClock:
    """Seconds in which this program ran: while the machine or the program was suspended, no time passes.

    Two looks that are further apart than ``longest_step_seconds`` count as so many seconds, so look more often.
    """

    def __init__(self, longest_step_seconds: float = 2 * HEARTBEAT_SECONDS) -> None:
        self._longest_step_seconds = longest_step_seconds
        self._looked, self._seconds = time.monotonic(), 0.0

    def seconds(self) -> float:
        """Return the seconds since the clock was made."""
        looked = time.monotonic()
        self._seconds += min(looked - self._looked, self._longest_step_seconds)
        self._looked = looked
        return self._seconds
