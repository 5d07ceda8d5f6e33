"""The films of a demo, made several at a time, each once."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol, TypeVar

from pipeline.settings.paths import AnyPath
from pipeline.settings.progress import track


class PlannedFilm(Protocol):
    """A film that may have to be made."""

    @property
    def path(self) -> str:
        """Where it lies in the folder."""
        ...


Planned = TypeVar("Planned", bound=PlannedFilm)


def make_films(folder: AnyPath, name: str, films: Sequence[Planned], write: Callable[[Planned, AnyPath], None]) -> None:
    """Write those films that the folder does not hold yet.

    Args:
        folder: where they go; the folders of their paths are made.
        name: of the demo, for the progress that is shown.
        films: all of them.
        write: makes a film at a path, and leaves nothing there where it fails.
    """
    folder = Path(folder)
    missing = [film for film in films if not (folder / film.path).exists()]

    def make(film: Planned) -> None:
        (folder / film.path).parent.mkdir(parents=True, exist_ok=True)
        write(film, folder / film.path)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        writing = pool.map(make, missing)
        try:
            for _ in track(writing, name, "clip", len(missing)):
                pass
        finally:
            pool.shutdown(cancel_futures=True)  # Ctrl-C waits for no clip that is not begun
