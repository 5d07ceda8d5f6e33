"""Which code runs: the project's files and the packages that they call, while a block does its work."""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path
from types import FrameType
from typing import NamedTuple

from pipeline.settings.imports import PROJECT, ROOTS

INSTALLED = {
    module: [package.lower() for package in packages]
    for module, packages in packages_distributions().items()
    if module not in ROOTS
}


class Ran(NamedTuple):
    """What ran.

    Attributes:
        files: of the project, whose functions were called.
        calls: (file, package): a file of the project called a function of an installed package.
    """

    files: set[Path]
    calls: set[tuple[Path, str]]

    def packages(self, files: set[Path]) -> set[str]:
        """The packages that functions of these files called, by the names they are installed under, in lower case."""
        return {package for file, package in self.calls if file in files}


@contextmanager
def recorded() -> Iterator[Ran]:
    """Record the functions that the block calls, in this thread and in those that it starts.

    It takes long while modules are imported: run what the block does once before.
    """
    ran = Ran(set(), set())

    def note(frame: FrameType, event: str, callee: object) -> None:
        if event == "call":
            if (file := _project_file(frame.f_code.co_filename)) and frame.f_code.co_name != "<module>":
                ran.files.add(file)
            if frame.f_back and (file := _project_file(frame.f_back.f_code.co_filename)):
                add_call(file, str(frame.f_globals.get("__name__")))
        elif event == "c_call" and (file := _project_file(frame.f_code.co_filename)):
            add_call(file, _module_of(callee))

    def add_call(file: Path, module: str) -> None:
        ran.calls.update((file, package) for package in INSTALLED.get(module.partition(".")[0], []))

    threading.setprofile(note)
    sys.setprofile(note)
    try:
        yield ran
    finally:
        sys.setprofile(None)
        threading.setprofile(None)  # type: ignore[arg-type]  # as its documentation says


@cache
def _project_file(name: str) -> Path | None:
    """The file of that name, where it is the pipeline's or a stage's."""
    path = Path(name)
    return path if path.is_relative_to(PROJECT / "pipeline") or path.is_relative_to(PROJECT / "stages") else None


def _module_of(callee: object) -> str:
    """Where a function that is not written in Python comes from."""
    owner = getattr(callee, "__self__", None)
    of_owner = type(owner).__module__ if owner is not None else ""
    return str(getattr(callee, "__module__", None) or of_owner)
