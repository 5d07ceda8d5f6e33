"""Where the work on clips is done, one task a clip or a few: $AVR_ENGINE names it, and it never changes the result.

An engine is one file of this folder. Its ``run`` takes a function, what to call it with, how many calls to run at a
time, how many seconds of work one may take, what each worker does at its start and how many GPUs it takes up; it yields
(item, answer) in any order, and ``Stopped`` in place of an answer where the function never returned. Functions, items
and answers travel between processes: they must be picklable.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Protocol, TypeAlias

from pipeline.clip_jobs.engines import processes, ray_cluster
from pipeline.errors import ParamsError
from pipeline.settings.environment import variable

Start: TypeAlias = Callable[[], None]


class Engine(Protocol):
    """What runs calls; its arguments are those of ``processes.run``."""

    def __call__(
        self,
        function: Callable[[Any], Any],
        items: Iterable[Any],
        n_workers: int,
        timeout_seconds: float,
        start: Start,
        n_gpus: int = 0,
        /,
    ) -> Iterator[tuple[Any, Any]]:
        """Yield every item with the function's answer."""


ENGINES: dict[str, Engine] = {"processes": processes.run, "ray": ray_cluster.run}


def chosen_engine() -> Engine:
    """Return the engine that the environment variable AVR_ENGINE names; without it, processes of this machine.

    Raises:
        ParamsError: there is no such engine.
    """
    name = _chosen_name()
    if name not in ENGINES:
        raise ParamsError(f"AVR_ENGINE={name!r}; expected one of: {', '.join(ENGINES)}")
    return ENGINES[name]


def prepare(modules: Sequence[str]) -> None:
    """Have these modules loaded, in the background, where workers of this machine are forked from.

    Call it before loading them here, so that both happen at the same time.
    """
    if _chosen_name() == "processes":
        processes.prepare(modules)


def _chosen_name() -> str:
    return variable("AVR_ENGINE") or "processes"
