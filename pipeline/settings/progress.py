"""How far a loop is: a live bar on a terminal, plain lines elsewhere, nothing with AVR_PROGRESS=none."""

import multiprocessing
import shutil
import sys
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from typing import NamedTuple, TypeAlias, TypeVar

from tqdm import tqdm

from pipeline.errors import ParamsError
from pipeline.settings.dvc_stage import stage_in_words
from pipeline.settings.environment import variable

INTERVAL_SECONDS = 10.0  # between two lines
STYLES = ("auto", "bar", "lines", "none")

Advance: TypeAlias = Callable[..., None]  # called with what else is known of the item, such as its loss, or nothing
Item = TypeVar("Item")

_is_inner = ContextVar("_is_inner", default=False)


def chosen_style() -> str:
    """Return how progress is shown: $AVR_PROGRESS, or by the kind of stderr: ``bar``, ``lines`` or ``none``.

    Raises:
        ParamsError: AVR_PROGRESS is none of STYLES.
    """
    style = variable("AVR_PROGRESS") or "auto"
    if style not in STYLES:
        raise ParamsError(f"AVR_PROGRESS={style!r}; expected one of: {', '.join(STYLES)}")
    if style == "auto":
        return "bar" if sys.stderr.isatty() else "lines"
    return style


@contextmanager
def progress(
    task: str,
    total: int,
    unit: str,
    *,
    done: int = 0,
    device: str = "",
    is_silent: bool = False,
    interval_seconds: float = INTERVAL_SECONDS,
) -> Iterator[Advance]:
    """Give the function that counts one item more, and show on stderr what is done, how fast, and the time left.

    A loop within another one is silent, as are worker processes and loops with nothing left to do.

    Args:
        task: what is done, such as the name of a stage; where DVC runs the stage, its place among all comes first.
        total: items in all.
        unit: the word for one item.
        done: items that were done before.
        device: where it is computed; said once.
        is_silent: show nothing.
        interval_seconds: least time between two lines.

    Raises:
        ParamsError: AVR_PROGRESS is unknown.

    Examples:
        >>> with progress("logmel", 2, "clip") as advance:
        ...     for clip in ("a.mp4", "b.mp4"):
        ...         advance()
    """
    style, loop = chosen_style(), _Loop(task, total, unit, done, device)
    is_worker = multiprocessing.parent_process() is not None
    if style == "none" or is_silent or is_worker or _is_inner.get() or done >= total:
        yield lambda facts="": None
        return
    token = _is_inner.set(True)
    try:
        with _bar(loop) if style == "bar" else nullcontext(_Lines(loop, interval_seconds).advance) as advance:
            yield advance
    finally:
        _is_inner.reset(token)


def track(items: Iterable[Item], task: str, unit: str, total: int | None = None) -> Iterator[Item]:
    """Yield the items, and show how many of them are done.

    Args:
        items: what to go through.
        task: what is done, as ``progress`` takes it.
        unit: the word for one item.
        total: how many items there are, where they cannot say so themselves.

    Raises:
        ParamsError: AVR_PROGRESS is unknown.

    Examples:
        >>> list(track("abc", "evaluate", "model"))
        ['a', 'b', 'c']
    """
    with progress(task, len(items) if isinstance(items, Collection) else total or 0, unit) as advance:
        for item in items:
            yield item
            advance()


class _Loop(NamedTuple):
    """What ``progress`` is told of a loop."""

    task: str
    total: int
    unit: str
    done: int
    device: str

    def title(self, *, with_device: bool) -> str:
        """What is done, and where."""
        words = stage_in_words(self.task)
        return f"{words} on {self.device}" if with_device and self.device else words


@contextmanager
def _bar(loop: _Loop) -> Iterator[Advance]:
    """A live bar on stderr below its title, so that loss and score fit 80 columns."""
    print(loop.title(with_device=True), file=sys.stderr)
    columns, rows = shutil.get_terminal_size()  # tqdm would show nothing on a terminal without a size
    with tqdm(
        total=loop.total, initial=loop.done, unit=f" {loop.unit}", ncols=columns, nrows=rows, file=sys.stderr
    ) as bar:

        def advance(facts: str = "") -> None:
            bar.set_postfix_str(facts, refresh=False)
            bar.update()

        yield advance


class _Lines:
    """Plain lines on stderr: the first one after ``interval_seconds``, and none at the end, of which stages tell."""

    def __init__(self, loop: _Loop, interval_seconds: float) -> None:
        self._loop, self._interval_seconds = loop, interval_seconds
        self._n_done, self._n_lines = loop.done, 0
        self._started = self._written = time.monotonic()

    def advance(self, facts: str = "") -> None:
        """Count one item more, and write a line if the last one is old."""
        self._n_done += 1
        now = time.monotonic()
        if now - self._written >= self._interval_seconds:
            print(self._line(now - self._started, facts), file=sys.stderr, flush=True)
            self._written = now
            self._n_lines += 1

    def _line(self, elapsed_seconds: float, facts: str) -> str:
        """All that is known by now; the device in the first line."""
        _, total, unit, done, _ = self._loop
        seconds_each = elapsed_seconds / (self._n_done - done)
        left = tqdm.format_interval(seconds_each * (total - self._n_done))
        counts = f"{self._loop.title(with_device=not self._n_lines)}: {self._n_done} of {total} {unit}s"
        return ", ".join(filter(None, [counts, facts, _rate(seconds_each, unit), f"{left} left"]))


def _rate(seconds_each: float, unit: str) -> str:
    """Items a second, or seconds an item where it takes longer than one."""
    return f"{seconds_each:.1f} s/{unit}" if seconds_each > 1 else f"{1 / max(seconds_each, 1e-9):.1f} {unit}s/s"
