"""Calls on a Ray cluster, or on a Ray of this machine's own: one actor a worker, which may hang or crash by itself.

A machine of the cluster that is lost, or that runs out of memory, costs no item: what was computed there is tried again
elsewhere, a few times.
"""

import os
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from pipeline.clip_jobs.engines.base import HEARTBEAT_SECONDS, Stopped, WorkingClock, do_nothing, timed_out
from pipeline.errors import ParamsError
from pipeline.settings.notices import tell_once

if TYPE_CHECKING:
    from ray import ObjectRef

TRIES = 3  # of a call whose end was no fault of its own, as far as Ray can tell
LOST_STARTS = 100  # of actors, with no answer in between
_LOST_NODE = re.compile(r"\bnode (has died|was terminated|is dead|died)", re.IGNORECASE)
TRIED_AGAIN = ("lost", "out_of_memory")
Item = TypeVar("Item")
Answer = TypeVar("Answer")


def run(
    function: Callable[[Item], Answer],
    items: Iterable[Item],
    n_workers: int,
    timeout_seconds: float,
    start: Callable[[], None] = do_nothing,
    n_gpus: int = 0,
) -> Iterator[tuple[Item, Answer | Stopped]]:
    """Yield every item with the function's answer, in the order in which they are done.

    $RAY_ADDRESS names a running cluster, whose machines need this project, the videos and the clip cache, if that is a
    folder, at the same paths; without it, Ray is started here and stopped at the end.

    Args:
        function: is called with an item; an error that it raises is raised here.
        items: what to call it with; they are taken as workers become free.
        n_workers: calls at a time.
        timeout_seconds: a call that works longer is killed.
        start: is called once in each worker.
        n_gpus: that Ray keeps for each worker, which sees no others.

    Raises:
        ParamsError: Ray is not installed.
    """
    ray = _started(n_workers)
    if n_gpus and not ray.cluster_resources().get("GPU"):
        tell_once("Ray: its cluster has no GPU now, and workers wait for one; AVR_DEVICE=cpu needs none")
    try:
        yield from _Actors(ray, (function, start), items, timeout_seconds, n_gpus).run(n_workers)
    finally:
        ray.shutdown()


def _started(n_workers: int) -> ModuleType:
    """Ray, connected to a cluster."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError as error:
        raise ParamsError("AVR_ENGINE='ray': Ray is not installed; expected the extra `ray`: '.[ray]'") from error
    # one of its own: without an address Ray would join any cluster that another program has on this machine
    own: dict[str, Any] = {"address": "local", "num_cpus": n_workers, "include_dashboard": False}
    ray.init(log_to_driver=False, **({} if os.environ.get("RAY_ADDRESS") else own))
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
    n_tries: int = 0
    deadline_seconds: float = float("inf")

    @property
    def is_start(self) -> bool:
        return self.n_tries == 0


class _Todo:
    """Items to hand out, each taken when it is asked for; those that are tried again come first."""

    def __init__(self, items: Iterable[Any]) -> None:
        self._new = iter(items)
        self._next = deque[tuple[Any, int]]()

    def has_more(self) -> bool:
        """Whether there is an item left."""
        if not self._next:
            self._next.extend((item, 1) for item in islice(self._new, 1))
        return bool(self._next)

    def take(self) -> tuple[Any, int]:
        """An item, and which of its tries this is; ask ``has_more`` first."""
        return self._next.popleft()

    def again(self, item: Any, n_tries: int) -> None:  # noqa: ANN401 - whatever the function takes
        """Have an item tried once more, after so many tries."""
        self._next.appendleft((item, n_tries + 1))


class _Actors:
    """As many actors as there are workers; one that is lost is replaced."""

    def __init__(
        self,
        ray: ModuleType,
        functions: tuple[Callable[[Any], Any], Callable[[], None]],
        items: Iterable[Any],
        timeout_seconds: float,
        n_gpus: int = 0,
    ) -> None:
        self._ray, self._timeout_seconds, self._clock = ray, timeout_seconds, WorkingClock()
        self._worker_class = ray.remote(num_cpus=1, num_gpus=n_gpus, max_restarts=0)(_Worker)
        self._functions = ray.put(functions)
        self._todo = _Todo(items)
        self._calls: dict[ObjectRef[Any], _Call] = {}
        self._n_lost_starts = 0

    def run(self, n_workers: int) -> Iterator[tuple[Any, Any]]:
        """All items with their answers; actors that never start are not waited for."""
        for _ in range(n_workers):
            self._start()
        while self._todo.has_more() or not all(call.is_start for call in self._calls.values()):
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
        """The next item; where there is none the actor ends, as its place is needed if a machine is lost now."""
        if not self._todo.has_more():
            self._ray.kill(actor)
            return
        item, n_tries = self._todo.take()
        deadline_seconds = self._clock.seconds() + self._timeout_seconds
        self._calls[actor.call.remote(item)] = _Call(actor, item, n_tries, deadline_seconds)

    def _taken(self, ref: "ObjectRef[Any]") -> Iterator[tuple[Any, Any]]:
        """The answer of a call that is over, if it was one with an item; its actor goes on."""
        call, errors = self._calls.pop(ref), self._ray.exceptions
        try:
            answer = self._ray.get(ref)
        except errors.RayTaskError as error:
            raise error.cause from error
        except (errors.RayActorError, errors.OutOfMemoryError) as error:
            stopped = _stopped(error, errors)
            if call.is_start:
                self._check_start(error, stopped)
            yield from self._without_actor(call, stopped)
        else:
            self._give(call.actor)
            if not call.is_start:
                self._n_lost_starts = 0
                yield call.item, answer

    def _without_actor(self, call: _Call, stopped: Stopped) -> Iterator[tuple[Any, Stopped]]:
        """What a call is worth whose actor is gone, unless it is tried again; the actor is replaced."""
        self._ray.kill(call.actor)  # one that is only out of reach is not to go on
        if stopped.kind in TRIED_AGAIN and 0 < call.n_tries < TRIES:
            self._todo.again(call.item, call.n_tries)
        elif not call.is_start:
            yield call.item, stopped
        self._start()

    def _check_start(self, error: Exception, stopped: Stopped) -> None:
        """Raise what ended the start of an actor, unless its machine was lost, and not one after the other."""
        self._n_lost_starts += 1
        if stopped.kind != "lost" or self._n_lost_starts > LOST_STARTS:
            raise error

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


def _stopped(error: Exception, errors: Any) -> Stopped:  # noqa: ANN401 - Ray's module of exceptions
    """What became of a call whose actor ended; of one that the kernel killed Ray does not tell by which signal."""
    if isinstance(error, errors.OutOfMemoryError) or "running low on memory" in str(error):
        return Stopped("out_of_memory", "its process was killed by Ray, as memory ran out")
    if isinstance(error, errors.ActorUnavailableError) or _LOST_NODE.search(str(error)):
        return Stopped("lost", f"the machine that worked on it was lost, {TRIES} times")
    return Stopped("crashed", "its process ended")
