"""Of which code a result is: a change that can alter it gives it another name, a comment does not."""

from functools import cache
from modulefinder import ModuleFinder
from pathlib import Path
from types import ModuleType

from pipeline.settings.fingerprint import fingerprint

PROJECT = Path(__file__).parents[2]
PACKAGES = ("numpy", "scipy", "scikit-learn", "torch")
SEARCH, FIT = (
    "pipeline/tune/__main__.py",
    "studies/comparison/fits.py",
)  # the scripts of the project that results are made by
_CARRIERS = [
    "pipeline.clip_jobs.cache",
    "pipeline.clip_jobs.engines",
]  # write files and start processes: no result depends on them


@cache
def code_hash(script: str, model: str, project: Path = PROJECT) -> str:
    """Return a hash of the code that a model's results depend on, and of the versions of the packages they need.

    Args:
        script: what makes them, ``SEARCH`` or ``FIT``.
        model: its name.
        project: folder of the code.
    """
    return fingerprint({}, modules(script, model, project), PACKAGES)


def modules(script: str, model: str, project: Path = PROJECT) -> list[ModuleType]:
    """Return the project's modules behind a model's results, not run: a script, the model, and all that they import."""
    finder = ModuleFinder([str(project)], excludes=_CARRIERS)
    for file in (script, f"pipeline/models/{model}.py"):
        finder.load_file(str(project / file))
    files = {name: vars(module)["__file__"] for name, module in finder.modules.items()}  # of a built-in one None
    return [_not_run(name, file) for name, file in files.items() if file and Path(file).stat().st_size]


def _not_run(name: str, file: str) -> ModuleType:
    """A module that knows its name and file and nothing else."""
    module = ModuleType(name)
    module.__file__ = file
    return module
