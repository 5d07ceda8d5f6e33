"""The work behind the page, several pieces at a time that end up as files; a search for parameters is one."""

import math
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeVar

from pipeline.clip_jobs.engines import processes
from pipeline.clip_jobs.engines.base import Stopped
from pipeline.errors import DataError, PipelineError
from pipeline.settings.environment import chosen_workers
from pipeline.tune.trials import Budget, tune

Task = TypeVar("Task")


class Search(NamedTuple):
    """The search for a model's parameters on a set: arguments of ``pipeline.tune.trials.tune``."""

    features: Path
    model: str
    section: str
    budget: Budget
    out: Path
    clips: Path | None

    def __str__(self) -> str:
        """For the line of progress."""
        return f"{self.features.stem}: {self.model}, search"


def search(job: Search) -> None:
    """Write the tables of trials and curves, in this process alone."""
    os.environ["AVR_WORKERS"] = "1"
    tune(job.features, job.model, job.section, job.budget, job.out, clips=job.clips)


def run(function: Callable[[Task], None], jobs: Iterable[Task]) -> None:
    """Call the function with every job, $AVR_WORKERS at a time, and print what is done.

    A job that fails does not keep the others from their end.

    Raises:
        DataError: a job failed, or its process ended before it was done; the first such job is named.
    """
    todo, start, failures = list(jobs), time.monotonic(), []
    for number, (job, failure) in enumerate(_outcomes(partial(_attempt, function), todo), start=1):
        minutes = (time.monotonic() - start) / 60
        print(f"{function.__name__} {number} of {len(todo)} after {minutes:.1f} min: {job}{failure}", flush=True)
        failures += [f"{job}{failure}"] if failure else []
    if failures:
        raise DataError(f"{len(failures)} of {len(todo)} failed; expected results of all: {failures[0]}")


def _outcomes(attempt: Callable[[Task], str], jobs: Sequence[Task]) -> Iterator[tuple[Task, str]]:
    """The jobs as they end, each with its failure in words."""
    n_workers = chosen_workers()
    if n_workers == 1:
        yield from ((job, attempt(job)) for job in jobs)
        return
    for job, answer in processes.run(attempt, jobs, n_workers, timeout_seconds=math.inf):
        yield job, f": {answer.problem}" if isinstance(answer, Stopped) else answer


def _attempt(function: Callable[[Task], None], job: Task) -> str:
    """What went wrong with a job, or nothing."""
    try:
        function(job)
    except PipelineError as error:
        return f": {type(error).__name__}: {error}"
    return ""
