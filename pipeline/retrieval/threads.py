"""Work that is cut into blocks, in threads: numpy's sorts and products let other threads run meanwhile."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from threadpoolctl import threadpool_limits

from pipeline.settings.environment import chosen_workers

Result = TypeVar("Result")

_SCORES_OF_ONE_THREAD = 2**22  # a tenth of a second


def in_threads(calls: Sequence[Callable[[], Result]], n_scores: int) -> list[Result]:
    """Return what the calls return, in their order; where there is much to do in threads, one a core.

    The first error of a call is that of all, and what is not begun by then never is.

    Args:
        calls: blocks of the work; none depends on another.
        n_scores: similarities that all of them look at.
    """
    n_threads = min(len(calls), chosen_workers()) if n_scores > _SCORES_OF_ONE_THREAD else 1
    if n_threads == 1:
        return [call() for call in calls]
    with threadpool_limits(1, "blas"), ThreadPoolExecutor(n_threads) as pool:
        running = [pool.submit(call) for call in calls]
        try:
            return [task.result() for task in running]
        finally:
            pool.shutdown(cancel_futures=True)  # after an error, or Ctrl-C, nothing is begun that is not
