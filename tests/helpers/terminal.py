"""A command on a terminal of its own, as a user sees and interrupts it."""

import fcntl
import os
import pty
import signal
import subprocess
import termios
from collections.abc import Mapping, Sequence
from pathlib import Path


class Terminal:
    """A command in the foreground of a pseudo-terminal; what is typed there reaches it as from a keyboard."""

    def __init__(self, command: Sequence[str], folder: Path, env: Mapping[str, str]) -> None:
        self._keyboard, screen = pty.openpty()
        self._shown = b""
        self._process = subprocess.Popen(
            command,
            cwd=folder,
            env={"TERM": "xterm", **env},
            stdin=screen,
            stdout=screen,
            stderr=screen,
            start_new_session=True,
            preexec_fn=_take_terminal,
        )
        os.close(screen)
        self.process_id = self._process.pid

    @property
    def shown(self) -> str:
        """All that has come so far."""
        return self._shown.decode(errors="replace")

    def read_until(self, text: str, start: int = 0) -> None:
        """Wait for a text behind a place of what is shown."""
        while text not in self.shown[start:]:
            assert self._read(), f"{text!r} did not come: {self.shown}"

    def press_ctrl_c(self) -> None:
        """Press Ctrl-C: the system sends SIGINT to all processes of the foreground."""
        os.write(self._keyboard, b"\x03")

    def end(self) -> int:
        """Wait for the end of the command, and return its exit code."""
        while self._read():
            pass
        os.close(self._keyboard)
        return self._process.wait(timeout=60)

    def _read(self) -> bool:
        """Whether more was shown; Linux reports an error where all processes have left."""
        try:
            data = os.read(self._keyboard, 1 << 16)
        except OSError:
            return False
        self._shown += data
        return bool(data)


def _take_terminal() -> None:
    """Make the new session's terminal the one of its standard input, and Ctrl-C what it is at a prompt.

    On a pressed key the system throws away what the terminal has not taken yet. One before a user takes it at once;
    this one would lose lines on a busy machine.
    """
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    settings = termios.tcgetattr(0)
    settings[3] |= termios.NOFLSH  # the local modes
    termios.tcsetattr(0, termios.TCSANOW, settings)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
