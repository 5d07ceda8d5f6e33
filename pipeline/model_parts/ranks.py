"""Whether this process is one of those that torchrun started, without a look at torch, which takes seconds to load."""

import os
from contextlib import AbstractContextManager, nullcontext


def is_shared() -> bool:
    """Return whether torchrun started several processes that train together, or one."""
    return "WORLD_SIZE" in os.environ


def own_rank() -> int:
    """Return the number of this process among them, from 0; the first one writes."""
    return int(os.environ.get("RANK", "0")) if is_shared() else 0


def n_processes() -> int:
    """Return how many processes train together."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def joined_ranks() -> AbstractContextManager[None]:
    """Return what joins this process with the others while it is entered; without torchrun there is nothing to join."""
    if not is_shared():
        return nullcontext()
    from pipeline.model_parts.distributed import joined

    return joined()
