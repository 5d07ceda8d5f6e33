"""The process of one way: it prepares the work, and then runs and times it whenever it is asked to.

Started as ``python -c START ROOT CHECKOUT MODULE FUNCTION SIZE FOLDER``: CHECKOUT is where ``pipeline`` and ``stages``
come from, ROOT where this code does. A line ``check PATH`` writes the outcome to a file, a line ``run`` times the work,
a line ``count`` counts its operations; each is answered by a line of JSON.
"""

import ctypes
import importlib
import json
import os
import re
import resource
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from benchmarks.bench.ways import Task

START = """
import sys
root, checkout = sys.argv[1:3]
# an editable installation would lend its modules to a checkout that lacks them: two revisions in one process
sys.meta_path = [finder for finder in sys.meta_path if "Editable" not in getattr(finder, "__name__", "")]
sys.path.insert(0, checkout)
import pipeline, stages
sys.path[0] = root
from benchmarks.bench.child import main
main()
"""
BECOME_SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER of prctl(2)
SHORTEST = 0.2  # processor seconds of what is timed


def main() -> None:
    """Prepare the way of the command line and answer the lines of the standard input."""
    module, function, size, folder = sys.argv[3:]
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever a library prints is no answer
    reap_orphans()
    try:
        task = getattr(importlib.import_module(module), function)(json.loads(size), Path(folder))
    except Exception as error:
        _answer(answers, {"error": in_words(error)})
        raise
    _answer(answers, {"ready": True})
    for line in sys.stdin:
        word, _, path = line.strip().partition(" ")
        answer_to: dict[str, Callable[[Task], dict[str, Any]]] = {
            "check": partial(_check, path=path),
            "run": timed,
            "count": _count,
        }
        try:
            _answer(answers, answer_to[word](task))
        except Exception as error:
            _answer(answers, {"error": in_words(error)})
            raise


def timed(task: "Task") -> dict[str, Any]:
    """Return the processor seconds of an item, and of the whole of each number of items where there are several."""
    if not task.stretch:
        return {"seconds": _long_enough(task.run) / task.n_items, "points": {}}
    points = {n_items: _cpu_seconds(run) for n_items, run in task.stretch}
    (fewest, least), (most, highest) = (list(points.items())[place] for place in (0, -1))
    return {"seconds": (highest - least) / (most - fewest), "points": points}


def in_words(error: Exception) -> str:
    """Return the kind and the message of an error, without the paths of this machine.

    >>> in_words(ImportError("cannot import name 'cca' from 'pipeline' (/home/me/before/pipeline/__init__.py)"))
    "ImportError: cannot import name 'cca' from 'pipeline'"
    """
    return re.sub(r" ?\(?/\S+", "", f"{type(error).__name__}: {error}")


def reap_orphans() -> None:
    """Have processes that outlive the one that started them become children of this one, so that their time counts."""
    ctypes.CDLL(None, use_errno=True).prctl(BECOME_SUBREAPER, 1, 0, 0, 0)


def wait_for_orphans() -> None:
    """Wait for every child that is left."""
    while True:
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def _check(task: "Task", path: str) -> dict[str, Any]:
    """Write the outcome as an npz file, if there is one; what is loaded or compiled on first use is so before a run."""
    import numpy as np

    outcome = task.outcome() if task.outcome else (None if task.stretch else task.run())
    if outcome is not None:
        np.savez(path, allow_pickle=False, **outcome)
    return {"compared": outcome is not None}


def _count(task: "Task") -> dict[str, Any]:
    """Return the operations and the bytes of an item, where the task counts them."""
    return {"work": task.work() if task.work else None}


def _long_enough(run: Callable[[], object]) -> float:
    """Mean processor time of as many runs as take ``SHORTEST`` together: a few milliseconds alone say little."""
    seconds, n_runs = 0.0, 0
    while seconds < SHORTEST:
        seconds, n_runs = seconds + _cpu_seconds(run), n_runs + 1
    return seconds / n_runs


def _cpu_seconds(run: Callable[[], object]) -> float:
    """Processor time of a run, user's and system's, of this process and the children that it has waited for."""
    start = _used_seconds()
    run()
    return _used_seconds() - start


def _used_seconds() -> float:
    """Processor time so far, to the microsecond; the clock of this process alone is finer than rusage's."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def _answer(answers: TextIO, content: dict[str, Any]) -> None:
    """One line of JSON."""
    print(json.dumps(content), file=answers, flush=True)
