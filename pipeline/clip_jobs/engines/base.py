"""What all engines say of a call that did not return."""

from typing import Literal, NamedTuple


class Stopped(NamedTuple):
    """A call that was stopped for taking too long, or that took its process down.

    Attributes:
        kind: the word for rejected.csv.
        problem: what happened, for the message.
    """

    kind: Literal["timeout", "crashed"]
    problem: str


def timed_out(timeout_seconds: float) -> Stopped:
    """Return what became of a call that was stopped at its time limit."""
    return Stopped("timeout", f"not done after {timeout_seconds:g} s")
