# ruff: noqa: ANN401 - as Ray has it
"""What the engine asks of Ray, in this process: actors that answer at once, or end as they are told."""

from collections.abc import Callable, Iterable
from types import SimpleNamespace
from typing import Any

from ray import exceptions

Ends = Callable[[Any, int], Exception | None]  # of an item and which of its tries it is: how its actor ends


class PretendedRay:
    """A module of Ray with one machine that never has enough.

    Args:
        ends: how the actor ends that is given an item; None: it answers.
        start_ends: how actors end while they start, one after the other; None: this one starts.
    """

    def __init__(self, ends: Ends, start_ends: Iterable[Exception | None] = ()) -> None:
        self.exceptions = exceptions
        self.given: list[Any] = []
        self.n_started = self.n_killed = 0
        self.asked_for: dict[str, Any] = {}
        self._ends, self._start_ends, self._outcomes = ends, iter(start_ends), dict[int, Any]()

    def remote(self, **resources: Any) -> Callable[[type], Any]:
        self.asked_for = resources
        return lambda worker_class: SimpleNamespace(remote=lambda functions: self._actor(worker_class(functions)))

    def put(self, functions: Any) -> Any:
        return functions

    def cluster_resources(self) -> dict[str, float]:
        return {"CPU": 1.0}

    def shutdown(self) -> None:
        """Leave nothing behind: there is nothing."""

    def kill(self, actor: Any) -> None:
        self.n_killed += 1

    def wait(self, refs: list[int], timeout: float) -> tuple[list[int], list[int]]:
        return refs[:1], refs[1:]

    def get(self, ref: int) -> Any:
        outcome = self._outcomes[ref]
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def _actor(self, worker: Any) -> Any:
        self.n_started += 1

        def ready() -> int:
            return self._noted(next(self._start_ends, None) or True)

        def call(item: Any) -> int:
            self.given.append(item)
            return self._noted(self._ends(item, self.given.count(item)) or worker.call(item))

        return SimpleNamespace(is_ready=SimpleNamespace(remote=ready), call=SimpleNamespace(remote=call))

    def _noted(self, outcome: Any) -> int:
        self._outcomes[len(self._outcomes)] = outcome
        return len(self._outcomes) - 1
