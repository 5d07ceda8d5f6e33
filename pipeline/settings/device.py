"""Where to compute."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from threadpoolctl import threadpool_limits

from pipeline.errors import ParamsError
from pipeline.settings.environment import variable


def chosen_device() -> torch.device:
    """Return the device that the environment variable AVR_DEVICE names; without it, CUDA if there is any, else the CPU.

    Raises:
        ParamsError: AVR_DEVICE is no device of this machine.
    """
    available = "cuda" if torch.cuda.is_available() else "cpu"
    name = variable("AVR_DEVICE") or available
    problem = f"AVR_DEVICE={name!r}: not a device of this machine; expected cpu, or cuda or cuda:N where there is a GPU"
    try:
        chosen = torch.device(name)
    except RuntimeError as error:
        raise ParamsError(problem) from error
    if chosen.type not in {"cpu", available} or (chosen.index or 0) >= max(1, torch.cuda.device_count()):
        raise ParamsError(problem)
    return chosen


@contextmanager
def one_thread() -> Iterator[None]:
    """Run the block on one CPU thread, torch's operators and BLAS alike, and give back the number there was.

    How many threads share a sum changes its last bits. And small matrices are not worth sharing: threads would wait for
    each other most of the time, and on a busy machine make a fit ten times slower.
    """
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1):
            yield
    finally:
        torch.set_num_threads(n_threads)
