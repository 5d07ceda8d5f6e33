"""Where a killed training of a separator goes on from: a file beside what the stage writes, gone when it has ended."""

import copy
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import torch

from pipeline.errors import PipelineError, in_words
from pipeline.formats.files import replacing
from pipeline.model_parts import distributed
from pipeline.settings.notices import tell_once
from pipeline.settings.paths import AnyPath
from pipeline.settings.regular_files import open_regular

SECONDS_BETWEEN = 300.0  # at most so much work is lost; how often it is kept changes no weight


class Resumable(Protocol):
    """A training that can be put down and taken up again."""

    def state(self) -> dict[str, Any]:
        """Return all that it needs, of tensors, numbers, texts, lists and dicts."""
        ...

    def go_on_from(self, state: dict[str, Any]) -> None:
        """Take the place of the training whose ``state`` it was."""
        ...


class Checkpoint:
    """A training's file, which belongs to it by a key.

    Args:
        path: the file; None: nothing is kept.
        key: a hash of all that decides the weights.
        clock: seconds, for tests.
    """

    def __init__(self, path: AnyPath | None, key: str = "", clock: Callable[[], float] = time.monotonic) -> None:
        self._path, self._key, self._clock = None if path is None else Path(path), key, clock
        self._last = clock()

    def part(self, name: str) -> "Checkpoint":
        """Return the file of one of several trainings of a separator, by its name."""
        if self._path is None:
            return self
        return Checkpoint(self._path.with_name(f"{self._path.stem}-{name}.pt"), f"{self._key} {name}", self._clock)

    def resume(self, training: Resumable) -> None:
        """Have a training go on from the file; without one, or with one of another training, it begins anew."""
        if self._path is None or not self._path.exists():
            return
        before = copy.deepcopy(training.state())
        try:
            with open_regular(self._path) as file:
                kept = torch.load(file, map_location="cpu", weights_only=True)
            if kept["key"] == self._key:
                training.go_on_from(kept["state"])
        except Exception as error:  # a damaged file can make anything of torch's reader
            training.go_on_from(before)
            tell_once(f"{self._path}: cannot be used ({in_words(error)}); it only saves time, and training begins anew")

    def keep(self, training: Resumable, *, is_due: bool) -> None:
        """Write the file where it is due, or the last time is long ago; of torchrun's ranks the first one does."""
        if self._path is None or distributed.rank() > 0:
            return
        if is_due or self._clock() - self._last >= SECONDS_BETWEEN:
            self._last = self._clock()
            try:
                with replacing(self._path) as aside:
                    torch.save({"key": self._key, "state": training.state()}, aside)
            except (OSError, RuntimeError, PipelineError) as error:
                tell_once(f"{in_words(error)}; it only saves time, and the training goes on without it")


NO_CHECKPOINT = Checkpoint(None)
