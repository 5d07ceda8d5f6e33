"""Temporary folders that go with the program, however that ends."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType
from typing import NoReturn

from pipeline.settings.paths import AnyPath

EXIT_CODE_OF_SIGTERM = 128 + signal.SIGTERM  # as shells count it
_REMOVE_AT_END_OF_INPUT = """
import shutil, signal, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
sys.stdin.read()
shutil.rmtree(sys.argv[1], ignore_errors=True)
"""


@contextmanager
def temporary_folder(prefix: str, beside: AnyPath | None = None) -> Iterator[Path]:
    """Give a new folder, which is removed behind the block.

    A process that does nothing else removes it where this one cannot any more, as after ``kill -9``. It waits for the
    end of its input, which the system closes with this process; Ctrl-C and signals to a group do not reach it.

    Args:
        prefix: how its name begins.
        beside: the folder that it lies in; None: that of the system for temporary files.
    """
    with TemporaryDirectory(prefix=prefix, dir=beside) as folder:
        command = [sys.executable, "-I", "-S", "-c", _REMOVE_AT_END_OF_INPUT, folder]
        with subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True):
            yield Path(folder)


@contextmanager
def ended_in_order_by_sigterm() -> Iterator[None]:
    """Run the block, in the main thread, so that SIGTERM leaves it as an error does: with all that cleans up behind it.

    The program then ends with exit code 143. SIGTERM that comes again does not disturb the cleaning.
    """
    before = signal.signal(signal.SIGTERM, _exit)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _exit(_: int, __: FrameType | None) -> NoReturn:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.exit(EXIT_CODE_OF_SIGTERM)
