"""The command line of every stage: its paths in order, a short message for a known error."""

import argparse
import inspect
import sys
from collections.abc import Callable
from pathlib import Path

from pipeline.errors import PipelineError, disk_errors


def run(main: Callable[..., None]) -> None:
    """Call a stage's ``main`` with the paths of the command line; its module's docstring is the help text.

    The last path is one that the stage writes; rooms that know better name the file where a disk is full.
    A stage imports its rooms inside ``main``, so that ``--help`` answers at once.
    """
    module = inspect.getmodule(main)
    name = Path(inspect.getfile(main)).stem
    parser = argparse.ArgumentParser(prog=f"python -m stages.{name}", description=module.__doc__ if module else None)
    for parameter in inspect.signature(main).parameters.values():
        kind = Path if parameter.annotation is Path else str
        parser.add_argument(parameter.name, type=kind, metavar=parameter.name.upper())
    options = vars(parser.parse_args())
    try:
        with disk_errors([path for path in options.values() if isinstance(path, Path)][-1]):
            main(**options)
    except PipelineError as error:
        sys.exit(f"{name}: {type(error).__name__}: {error}")
