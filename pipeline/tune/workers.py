"""What runs the fits of a search, several at a time."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context

from pipeline.settings.environment import chosen_workers
from pipeline.settings.interrupt import held_back_interrupts, kill_workers
from pipeline.tune.choice import FoldCurve

FoldKey = tuple[int, int]  # a trial's number, a fold
Outcome = tuple[FoldKey, FoldCurve, str]  # and what went wrong
Workers = Callable[[Callable[[FoldKey], Outcome], Sequence[FoldKey]], Iterable[Outcome]]


@contextmanager
def workers_of_machine() -> Iterator[Workers]:
    """Give what runs fits, $AVR_WORKERS at a time (default: one a core), each on one thread; outcomes come in order."""
    n_workers = chosen_workers()
    if n_workers == 1:
        yield map
        return
    with ProcessPoolExecutor(n_workers, get_context("spawn")) as pool:

        def in_order(run: Callable[[FoldKey], Outcome], keys: Sequence[FoldKey]) -> Iterable[Outcome]:
            with held_back_interrupts():
                return pool.map(run, keys)

        try:
            yield in_order
        except BaseException:
            kill_workers()  # which a pool waits for, perhaps for minutes
            raise
