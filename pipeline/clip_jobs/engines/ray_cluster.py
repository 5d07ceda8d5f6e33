"""Calls on a Ray cluster, or on a Ray of this machine's own: one actor a worker, which may hang or crash by itself."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from pipeline.clip_jobs.engines.base import HEARTBEAT_SECONDS, Stopped, WorkingClock, do_nothing, timed_out
from pipeline.errors import ParamsError

if TYPE_CHECKING:
    from ray import ObjectRef

Item = TypeVar("Item")
Answer = TypeVar("Answer")


def run(
    function: Callable[[Item], Answer],
    items: Iterable[Item],
    n_workers: int,
    timeout_seconds: float,
    start: Callable[[], None] = do_nothing,
) -> Iterator[tuple[Item, Answer | Stopped]]:
    """Yield every item with the function's answer, in the order in which they are done.

    $RAY_ADDRESS names a running cluster, whose machines need this project, the videos and the clip cache at the same
    paths; without it, Ray is started here and stopped at the end.

    Args:
        function: is called with an item; an error that it raises is raised here.
        items: what to call it with.
        n_workers: calls at a time.
        timeout_seconds: a call that works longer is killed.
        start: is called once in each worker.

    Raises:
        ParamsError: Ray is not installed.
    """
    ray = _started(n_workers)
    try:
        yield from _Actors(ray, (function, start), items, timeout_seconds).run(n_workers)
    finally:
        ray.shutdown()


def _started(n_workers: int) -> ModuleType:
    """Ray, connected to a cluster."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError as error:
        raise ParamsError("AVR_ENGINE='ray': Ray is not installed; expected the extra `ray`: '.[ray]'") from error
    where: dict[str, Any] = {} if os.environ.get("RAY_ADDRESS") else {"num_cpus": n_workers, "include_dashboard": False}
    ray.init(log_to_driver=False, **where)
    module: ModuleType = ray
    return module


class _Worker:
    """What runs in an actor: one call at a time, one thread for arithmetic."""

    def __init__(self, functions: tuple[Callable[[Any], Any], Callable[[], None]]) -> None:
        self._function, start = functions
        start()

    def is_ready(self) -> bool:
        return True

    def call(self, item: Any) -> Any:  # noqa: ANN401 - whatever the function takes and returns
        return self._function(item)


class _Call(NamedTuple):
    """What an actor is at: an item, until a time of the working clock; or its start, which may take long."""

    actor: Any
    item: Any = None
    deadline_seconds: float = float("inf")


class _Actors:
    """As many actors as there are workers; one that is lost is replaced."""

    def __init__(
        self,
        ray: ModuleType,
        functions: tuple[Callable[[Any], Any], Callable[[], None]],
        items: Iterable[Any],
        timeout_seconds: float,
    ) -> None:
        self._ray, self._timeout_seconds, self._clock = ray, timeout_seconds, WorkingClock()
        self._worker_class, self._functions = ray.remote(num_cpus=1, max_restarts=0)(_Worker), ray.put(functions)
        self._todo = deque(items)
        self._calls: dict[ObjectRef[Any], _Call] = {}

    def run(self, n_workers: int) -> Iterator[tuple[Any, Any]]:
        """All items with their answers; actors that never start are not waited for."""
        for _ in range(n_workers):
            self._start()
        while self._todo or any(call.item is not None for call in self._calls.values()):
            done, _ = self._ray.wait(list(self._calls), timeout=self._seconds_left())
            for ref in done:
                yield from self._taken(ref)
            for ref in self._late():
                yield self._killed(ref)

    def _start(self) -> None:
        """One actor more; its first call is over when it has started, so that no item's time runs before."""
        actor = self._worker_class.remote(self._functions)
        self._calls[actor.is_ready.remote()] = _Call(actor)

    def _give(self, actor: Any) -> None:  # noqa: ANN401 - Ray makes the class of actors as it runs
        """The next item, if there is one."""
        if self._todo:
            item = self._todo.popleft()
            self._calls[actor.call.remote(item)] = _Call(actor, item, self._clock.seconds() + self._timeout_seconds)

    def _taken(self, ref: "ObjectRef[Any]") -> Iterator[tuple[Any, Any]]:
        """The answer of a call that is over, if it was one with an item; its actor goes on."""
        call, errors = self._calls.pop(ref), self._ray.exceptions
        try:
            answer = self._ray.get(ref)
        except errors.RayTaskError as error:
            raise error.cause from error
        except (errors.RayActorError, errors.OutOfMemoryError) as error:
            if call.item is None:
                raise
            self._start()
            yield call.item, _stopped(error, errors.OutOfMemoryError)
        else:
            self._give(call.actor)
            if call.item is not None:
                yield call.item, answer

    def _killed(self, ref: "ObjectRef[Any]") -> tuple[Any, Stopped]:
        """What a call is worth that has taken too long; its actor is replaced."""
        call = self._calls.pop(ref)
        self._ray.kill(call.actor)
        self._start()
        return call.item, timed_out(self._timeout_seconds)

    def _late(self) -> "list[ObjectRef[Any]]":
        """The calls that are past their time."""
        now = self._clock.seconds()
        return [ref for ref, call in self._calls.items() if call.deadline_seconds <= now]

    def _seconds_left(self) -> float:
        """How long to wait for an answer before the next look at the clock."""
        deadline_seconds = min(call.deadline_seconds for call in self._calls.values())
        return min(HEARTBEAT_SECONDS, max(0.0, deadline_seconds - self._clock.seconds()))


def _stopped(error: Exception, out_of_memory: type[Exception]) -> Stopped:
    """What became of a call whose actor ended; of one that the kernel killed Ray does not tell by which signal."""
    if isinstance(error, out_of_memory) or "running low on memory" in str(error):
        return Stopped("out_of_memory", "its process was killed by Ray, as memory ran out")
    return Stopped("crashed", "its process ended")
