"""Of which code a result is: a change that can alter it gives it another name, a comment does not."""

from functools import cache
from pathlib import Path

from pipeline.settings.fingerprint import fingerprint
from pipeline.settings.imports import PROJECT

SEARCH, FIT = "pipeline.tune.trials", "studies.comparison.fits"  # what makes results


@cache
def code_hash(maker: str, model: str, project: Path = PROJECT) -> str:
    """Return a hash of the code that a model's results depend on, and of the versions of the packages they need.

    Args:
        maker: the module that makes them, ``SEARCH`` or ``FIT``.
        model: its name.
        project: folder of the code.
    """
    return fingerprint({}, [maker, f"pipeline.models.{model}"], project)
