"""The media files that a command line names: files as they are, folders with what lies below them."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from pipeline.dataset.layouts.class_folders import SUFFIXES as VIDEOS
from pipeline.errors import DataError
from pipeline.settings.paths import AnyPath

SOUNDS = (".wav", ".mp3", ".flac", ".ogg", ".opus", ".m4a", ".aac")
PICTURES = (".png", ".jpg", ".jpeg")


def media_files(paths: Iterable[AnyPath]) -> list[str]:
    """Return files as they were named, and of each folder all files below it with a name of a medium, sorted.

    Hidden files and folders are passed over, as are links to folders.

    Args:
        paths: of files, whatever their names, and of folders.

    Raises:
        DataError: a folder has no such file.

    Example:
        >>> Path("clips/dogs").mkdir(parents=True)
        >>> for name in ("dogs/bark.wav", "dogs/notes.txt", "dog.mp4"):
        ...     Path("clips", name).touch()
        >>> media_files(["clips"])
        ['clips/dog.mp4', 'clips/dogs/bark.wav']
    """
    found: list[str] = []
    for path in map(Path, paths):
        if not path.is_dir():
            found.append(str(path))
            continue
        below = sorted(map(str, _below(path)))
        if not below:
            raise DataError(f"{path}: no file that ends in {' '.join(VIDEOS + SOUNDS + PICTURES)}; expected one")
        found += below
    return list(dict.fromkeys(found))


def _below(folder: Path) -> Iterator[Path]:
    """All files with a name of a medium."""
    for path in folder.iterdir():
        if path.name.startswith("."):
            continue
        if path.is_dir() and not path.is_symlink():
            yield from _below(path)
        elif path.suffix.lower() in VIDEOS + SOUNDS + PICTURES:
            yield path
