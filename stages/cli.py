"""The command line of every stage: its paths in order, a short message for a known error."""

import argparse
import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipeline.errors import PipelineError
from pipeline.formats.files import disk_errors
from pipeline.settings.interrupt import one_line_on_interrupt
from pipeline.settings.parent import end_with_dvc

HOW_TO_GO_ON = "run the same command again: finished stages and clips are kept"
OPTIONS = {"shard": ("I/N", "compute the I-th of N shares of the clips, into the clip cache only; write no OUT")}


def run(main: Callable[..., None]) -> None:
    """Call a stage's ``main`` with what the command line says; its module's docstring is the help text.

    Parameters are paths and words in their order; those after ``*`` are options (see OPTIONS). The last path is one
    that the stage writes; modules that know better name the file where a disk is full. A stage imports its modules
    inside ``main``, so that ``--help`` answers at once.
    """
    name = _name(main)
    with (
        one_line_on_interrupt(f"{name}: stopped by Ctrl-C; {HOW_TO_GO_ON}"),
        end_with_dvc(f"{name}: stopped, as the DVC that ran it is gone; {HOW_TO_GO_ON}"),
    ):
        arguments = _arguments(main, name)
        from pipeline.formats.run_times import noted_run_time

        out = [path for path in arguments.values() if isinstance(path, Path)][-1]
        try:
            with disk_errors(out), noted_run_time(out):
                main(**arguments)
        except PipelineError as error:
            sys.exit(f"{name}: {type(error).__name__}: {error}")
        except OSError as error:
            if error.filename is None:
                raise
            sys.exit(f"{name}: {error.filename}: {error.strerror}; expected what the stages before it write")


def _name(main: Callable[..., None]) -> str:
    """The stage's module below ``stages``, dotted where it lies in a folder; elsewhere the name of the file."""
    file = Path(inspect.getfile(main)).resolve().with_suffix("")
    folder = Path(__file__).resolve().parent
    return ".".join(file.relative_to(folder).parts) if file.is_relative_to(folder) else file.name


def _arguments(main: Callable[..., None], name: str) -> dict[str, Any]:
    """The command line by the names of ``main``'s parameters."""
    module = inspect.getmodule(main)
    parser = argparse.ArgumentParser(prog=f"python -m stages.{name}", description=module.__doc__ if module else None)
    for parameter in inspect.signature(main).parameters.values():
        _add(parser, parameter)
    return vars(parser.parse_args())


def _add(parser: argparse.ArgumentParser, parameter: inspect.Parameter) -> None:
    """One parameter of a stage to its command line."""
    if parameter.kind is parameter.KEYWORD_ONLY:
        metavar, text = OPTIONS[parameter.name]
        parser.add_argument(f"--{parameter.name}", default=parameter.default, metavar=metavar, help=text)
    else:
        kind = Path if parameter.annotation is Path else str
        parser.add_argument(parameter.name, type=kind, metavar=parameter.name.upper())
