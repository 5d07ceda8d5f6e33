"""Ctrl-C ends a program with one line, exit code 130 and no process left behind, whatever it is at."""

import atexit
import os
import signal
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import NoReturn

EXIT_CODE = 128 + signal.SIGINT  # as shells count it


@contextmanager
def one_line_on_interrupt(line: str) -> Iterator[None]:
    """Run the block, the last one of a program, so that Ctrl-C ends it with one line on stderr, and exit code 130.

    The first Ctrl-C raises KeyboardInterrupt, so that what is at work cleans up behind itself. Another one ends the
    program at once, and so does the first one where nothing is to be cleaned up: behind the block, while functions of
    ``atexit`` run, and in an import, of which some libraries make other errors. The last thing that Python does, taking
    itself apart, nobody can interrupt: it would forget this handler there, and be killed without the exit code. A
    program that was started with Ctrl-C switched off, as ``&`` in a script does, keeps it so.

    Args:
        line: what was stopped, and how to go on. Of torchrun's ranks the first one says it.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        yield
        return
    ending = _Ending(line)
    atexit.register(signal.signal, signal.SIGINT, signal.SIG_IGN)  # runs behind all that the block registers
    signal.signal(signal.SIGINT, ending.on_signal)
    sys.unraisablehook = ending.on_unraisable
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})  # stages/run holds it back while Python starts
        yield
    except BaseException as error:
        if ending.has_begun or isinstance(error, KeyboardInterrupt):
            traceback.clear_frames(error.__traceback__)  # closes bars
            ending.say()
            sys.exit(EXIT_CODE)
        raise
    finally:
        ending.has_begun = True


@contextmanager
def held_back_interrupts() -> Iterator[None]:
    """Run the block with Ctrl-C held back until its end; processes that are started in it never get one.

    Ctrl-C reaches all processes of a terminal, and each would print where it was interrupted. Python's own process for
    shared resources is started first, since starting it lets Ctrl-C through again.
    """
    from multiprocessing import resource_tracker

    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def kill_workers() -> None:
    """End all processes of ``multiprocessing`` that this one has started, whatever they are at."""
    active_children = getattr(sys.modules.get("multiprocessing"), "active_children", list)  # it may not be loaded yet
    for process in active_children():
        process.kill()


class _Ending:
    """The end of a program: begun by a first Ctrl-C, or because all is done."""

    def __init__(self, line: str) -> None:
        self._line, self.has_begun, self._is_said = line, False, False

    def on_signal(self, _: int, frame: FrameType | None) -> None:
        """Interrupt what is at work, or end the program where that does not help."""
        if self.has_begun or _is_in_import(frame):
            self._end_at_once()
        self.has_begun = True
        raise KeyboardInterrupt

    def on_unraisable(self, caught: "sys.UnraisableHookArgs") -> None:
        """End the program where Python cannot pass a KeyboardInterrupt on, such as from a finalizer."""
        if issubclass(caught.exc_type, KeyboardInterrupt):
            self._end_at_once()
        sys.__unraisablehook__(caught)

    def say(self) -> None:
        """Write the line over what the terminal shows of the pressed keys, and end all workers."""
        self.has_begun = True
        kill_workers()
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # one amid these lines would end without it
        if os.environ.get("RANK", "0") == "0" and not self._is_said:
            self._is_said = True
            text = f"\r{self._line}\x1b[K\n" if os.isatty(2) else f"{self._line}\n"
            os.write(2, text.encode())  # not by sys.stderr, which may just be writing
        signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def _end_at_once(self) -> NoReturn:
        """End the program without what it would do at its end, but for shared resources, which Python would miss."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        with suppress(Exception):  # it may just be writing
            sys.stdout.flush()
        self.say()
        with suppress(Exception):
            sys.modules["multiprocessing.util"]._run_finalizers(0)  # nothing public does
        os._exit(EXIT_CODE)


def _is_in_import(frame: FrameType | None) -> bool:
    """Whether a frame is part of an import."""
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False
