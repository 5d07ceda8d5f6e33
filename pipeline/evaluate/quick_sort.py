"""Where numpy's AVX-512 sort is the slow one, ranking starts again without it: of a large test split it is most of all.

AMD's Zen 4 stores compressed vectors by microcode, which makes that sort four to five times slower than the one with
AVX2. What is measured decides, not the name of a processor. Sorted keys are the same bytes either way.
"""

import os
import subprocess
import sys
import time

import numpy as np
from numpy.typing import NDArray

from pipeline.settings.environment import may_have_gpu

SCORES_WORTH_A_LOOK = 2**30  # ten to thirty seconds of a core; to look takes a quarter of one
SWITCH = "NPY_DISABLE_CPU_FEATURES"
AVX512 = "X86_V4 AVX512_ICL"
_WORTH = 0.7  # of the time; a start takes one to two seconds
_ROWS, _KEYS = 5, 28_000


def start_again_if_quicker(n_scores: int) -> None:
    """Start this program again with its own command line where sorting is quicker without AVX-512, and worth it.

    It is decided once: a program that was started with features switched off, by this function or by its user, goes on.
    Where there may be a GPU, that is where ranking is done.

    Args:
        n_scores: similarities that are to be sorted in all.
    """
    if n_scores < SCORES_WORTH_A_LOOK or SWITCH in os.environ or may_have_gpu():
        return
    seconds, without = sort_seconds(), seconds_without_avx512()
    if without < _WORTH * seconds:
        print(f"evaluate: sorts {seconds / without:.1f} times as fast without numpy's AVX-512: started again so")
        sys.stdout.flush()
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], {**os.environ, SWITCH: AVX512})


def sort_seconds() -> float:
    """Return the least CPU seconds in which this process sorts 28,000 keys of a ranking."""
    keys = np.random.default_rng(0).integers(-(2**30), 2**30, (_ROWS, _KEYS), np.int32)
    return min(_seconds_of(row) for row in keys)


def seconds_without_avx512() -> float:
    """Return what `sort_seconds` says in a process without AVX-512; infinity where it says nothing."""
    code = f"from {__name__} import sort_seconds; print(sort_seconds())"
    command, environment = [sys.executable, "-W", "ignore", "-c", code], {**os.environ, SWITCH: AVX512}
    try:
        answer = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=True)
        return float(answer.stdout)
    except (OSError, subprocess.SubprocessError, ValueError):
        return float("inf")


def _seconds_of(row: NDArray[np.int32]) -> float:
    """The CPU seconds in which keys (n,) are sorted in their place."""
    start = time.process_time()
    row.sort()
    return time.process_time() - start
