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

_REMOVE_AT_END_OF_INPUT = """
import os, shutil, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
sys.stdin.read()
for _ in range(100):  # what the program has started may still be writing
    shutil.rmtree(sys.argv[1], ignore_errors=True)
    if not os.path.lexists(sys.argv[1]):
        break
    time.sleep(0.1)
"""


@contextmanager
def temporary_folder(prefix: str, beside: AnyPath | None = None) -> Iterator[Path]:
    """Give a new folder, which is removed behind the block.

    A process that does nothing else removes it where this one cannot any more, as after ``kill -9``. It waits for the
    end of its input, which the system closes with this process; Ctrl-C and signals to a group do not reach it. Only
    what kills all processes of a container or a job at once leaves the folder.

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

    The signal then does what it did before, which is to end the program. It does not disturb the cleaning where it
    comes again.
    """
    has_come = False

    def leave(_: int, __: FrameType | None) -> NoReturn:
        nonlocal has_come
        has_come = True
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise SystemExit

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
        if has_come:
            sys.stdout.flush()
            sys.stderr.flush()
            signal.raise_signal(signal.SIGTERM)
