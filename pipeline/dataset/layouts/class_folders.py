"""Folders of videos: one a class, or of any depth. What looks like a video and cannot be a clip is refused by name."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from pipeline.dataset.base import refusal
from pipeline.errors import printable
from pipeline.formats.rejects import Reject
from pipeline.settings.paths import AnyPath

SUFFIXES = (".mp4", ".mov", ".mkv", ".webm", ".avi")


def list_videos(root: AnyPath) -> tuple[list[str], list[Reject]]:
    """Return the videos of all classes, as sorted ``CLASS/NAME.mp4``, and what has such a name but is no file.

    Hidden files and folders, files of other kinds and deeper folders are passed over; a link to a class that is not
    there is not.

    Args:
        root: the folder of the classes' folders.
    """
    root = Path(root)
    visible = _visible(root)
    paths = [path for path in visible if path.is_symlink() and not path.exists()]
    for folder in filter(Path.is_dir, visible):
        paths += [path for path in _visible(folder) if path.suffix.lower() in SUFFIXES]
    return _told_apart(root, paths)


def list_all_videos(root: AnyPath) -> tuple[list[str], list[Reject]]:
    """Return the videos of a folder and of all folders in it, as sorted paths from there, and what only looks like one.

    Hidden files and folders and files of other kinds are passed over. Links are followed; a folder that is reached
    twice, as by a link to one above it, is read once.

    Args:
        root: the folder.
    """
    root = Path(root)
    return _told_apart(root, _videos_below(root, set()))


def _videos_below(folder: Path, seen: set[tuple[int, int]]) -> Iterator[Path]:
    """The files of a video's name in a folder and in those below it, but for folders that were seen."""
    status = folder.stat()
    place = (status.st_dev, status.st_ino)
    if place in seen:
        return
    seen.add(place)
    for path in sorted(_visible(folder)):
        if path.is_dir():
            yield from _videos_below(path, seen)
        elif path.suffix.lower() in SUFFIXES:
            yield path


def _told_apart(root: Path, paths: Iterable[Path]) -> tuple[list[str], list[Reject]]:
    """The names of videos from ``root`` on, and what has such a name but is no file; both sorted."""
    videos, refused = [], []
    for path in paths:
        name = path.relative_to(root).as_posix()
        reject = reject_of(name, path)
        if reject:
            refused.append(reject)
        else:
            videos.append(name)
    return sorted(videos), sorted(refused)


def _visible(folder: Path) -> list[Path]:
    """What a folder holds, but for hidden names; a folder that may not be listed is an error, not empty."""
    return [path for path in folder.iterdir() if not path.name.startswith(".")]


def reject_of(name: str, path: AnyPath) -> Reject | None:
    """Return why a name is no clip, or None where it is one; a pipe, which would be waited for without end, is none."""
    path = Path(path)
    if (letters := _utf8(name)) != name:
        return refusal(letters, "bad_name", "the bytes of its name are no UTF-8", "a name that clips.csv can hold")
    if (letters := printable(name)) != name:
        return refusal(letters, "bad_name", "a control character in its name", "a name that can be printed")
    if path.is_symlink() and not path.exists():
        target = _utf8(str(path.readlink()))
        return refusal(name, "missing", f"a link to {target!r}, which is not there", "a file")
    if not path.is_file():
        return refusal(name, "unreadable", "a folder" if path.is_dir() else "neither file nor folder", "a file")
    return None


def _utf8(name: str) -> str:
    """A name with its bytes that are no UTF-8 as backslash escapes."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
