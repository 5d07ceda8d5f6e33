"""Where the work on clips is done, one task a clip: $ENGINE names it, and it never changes the result.

An engine is one file of this folder. Its ``run`` takes a function, what to call it with, how many calls to run at a
time and how many seconds one may take; it yields (item, answer) in any order, and ``Stopped`` in place of an answer
where the function never returned. Function, items and answers travel between processes: they must be picklable.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeAlias

from pipeline.engines import processes, ray_cluster
from pipeline.errors import ParamsError

Engine: TypeAlias = Callable[[Callable[[Any], Any], Iterable[Any], int, float], Iterator[tuple[Any, Any]]]
ENGINES: dict[str, Engine] = {"processes": processes.run, "ray": ray_cluster.run}


def chosen_engine() -> Engine:
    """Return the engine that the environment variable ENGINE names; without it, processes of this machine.

    Raises:
        ParamsError: there is no such engine.
    """
    name = _chosen_name()
    if name not in ENGINES:
        raise ParamsError(f"ENGINE={name!r}; expected one of: {', '.join(ENGINES)}")
    return ENGINES[name]


def prepare(modules: Sequence[str]) -> None:
    """Have these modules loaded, in the background, where workers of this machine are forked from.

    Call it before loading them here, so that both happen at the same time.
    """
    if _chosen_name() == "processes":
        processes.prepare(modules)


def chosen_workers() -> int:
    """Return how many clips to work on at a time: $WORKERS, or one for each core that this process may use.

    Raises:
        ParamsError: WORKERS is not a whole number above 0.
    """
    text = os.environ.get("WORKERS") or str(_n_cores())
    if not text.isdecimal() or int(text) < 1:
        raise ParamsError(f"WORKERS={text!r}; expected a whole number above 0")
    return int(text)


def _n_cores() -> int:
    """The cores of this process: of a machine of a cluster, a job may have but a few."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _chosen_name() -> str:
    return os.environ.get("ENGINE") or "processes"
