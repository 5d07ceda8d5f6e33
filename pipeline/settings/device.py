"""Where to compute."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from threadpoolctl import threadpool_limits

from pipeline.errors import ParamsError


def chosen_device() -> torch.device:
    """Return the device that the environment variable DEVICE names; without it, CUDA if there is any, else the CPU.

    Raises:
        ParamsError: DEVICE is no device of this machine.
    """
    available = "cuda" if torch.cuda.is_available() else "cpu"
    name = os.environ.get("DEVICE") or available
    problem = f"DEVICE={name!r}: not a device of this machine; expected cpu, or cuda or cuda:N where there is a GPU"
    try:
        chosen = torch.device(name)
    except RuntimeError as error:
        raise ParamsError(problem) from error
    if chosen.type not in {"cpu", available} or (chosen.index or 0) >= max(1, torch.cuda.device_count()):
        raise ParamsError(problem)
    return chosen


def device_in_words(device: torch.device) -> str:
    """Return a device as a reader knows it: ``cpu``, or a GPU with its name, such as ``cuda:0 (NVIDIA H200)``."""
    if device.type != "cuda":
        return device.type
    index = torch.cuda.current_device() if device.index is None else device.index
    return f"cuda:{index} ({torch.cuda.get_device_name(index)})"


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
