"""A stage ends with the DVC that runs it: where only that one is killed, no stage runs on beside the next one."""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NoReturn

from pipeline.settings.interrupt import kill_workers

LOOK_SECONDS = 0.5  # from one look at the parents to the next
SHELLS = ("sh", "bash", "dash", "zsh", "ksh", "fish", "busybox")  # DVC runs a stage's command in the user's shell
EXIT_CODE = 1


@contextmanager
def end_with_dvc(line: str) -> Iterator[None]:
    """Run the block, and end the program with its workers once the DVC is gone that runs it as a stage.

    Outside of DVC, where $DVC_STAGE is not set, a program outlives the shell that it was started from.

    Args:
        line: what is said on stderr then.
    """
    if os.environ.get("DVC_STAGE"):
        threading.Thread(target=_watch, args=(parents(), line), daemon=True).start()
    yield


def parents() -> list[int]:
    """Return the process that started this one, and as long as those are shells, the one that started them."""
    found = [os.getppid()]
    while (facts := _name_and_parent(found[-1])) is not None and facts[0] in SHELLS:
        found.append(facts[1])
    return found


def _watch(before: list[int], line: str) -> NoReturn:
    """End this process when one of its parents is gone: what that one had started gets another parent."""
    while parents() == before:
        time.sleep(LOOK_SECONDS)
    with suppress(OSError):
        os.write(2, f"{line}\n".encode())
    kill_workers()
    os._exit(EXIT_CODE)


def _name_and_parent(process: int) -> tuple[str, int] | None:
    """The name of a process and the one that started it; None where the system does not say (other than Linux)."""
    try:
        text = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    name, _, rest = text.partition("(")[2].rpartition(")")  # it may hold parentheses and spaces
    return name, int(rest.split()[1])
