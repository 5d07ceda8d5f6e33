"""What environment variables say: folders and workers. None of it changes the answer."""

import os
from pathlib import Path

from pipeline.errors import ParamsError


def cache_folder() -> Path:
    """Return the folder for everything that can be computed again: $CACHE_DIR, or one in the user's cache folder.

    A relative $XDG_CACHE_HOME does not count, as its specification demands.
    """
    if folder := os.environ.get("CACHE_DIR"):
        return Path(folder).absolute()  # workers of a cluster may be in another folder
    home = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (home if home.is_absolute() else Path.home() / ".cache") / "dual-subspace-retrieval"


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


def weights_folder() -> Path:
    """Return the folder for weights: $WEIGHTS_DIR, or one in the user's cache folder."""
    if folder := os.environ.get("WEIGHTS_DIR"):
        return Path(folder)
    home = Path(os.environ.get("XDG_CACHE_HOME", ""))  # which must be absolute to count
    return (home if home.is_absolute() else Path.home() / ".cache") / "dual-subspace-retrieval" / "weights"
