"""Folders of videos: one a class, or of any depth. What looks like a video and cannot be a clip is refused by name."""

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Literal, NamedTuple

from pipeline.dataset.base import refusal
from pipeline.errors import DataError, printable
from pipeline.formats.rejects import Reject
from pipeline.settings.limits import load_limits
from pipeline.settings.notices import tell_once
from pipeline.settings.paths import AnyPath

SUFFIXES = (
    *(".mp4", ".mov", ".mkv", ".webm", ".avi"),
    *(".m4v", ".mpg", ".mpeg", ".ts", ".mts", ".m2ts", ".ogv", ".3gp", ".flv", ".wmv"),
)
N_NAMED = 5  # kinds of files that a line counts


class FolderListing(NamedTuple):
    """What a folder and the folders in it hold, but for hidden names; each sorted, as paths from there.

    Attributes:
        videos: files whose names end as those of videos do.
        refused: what has such a name but is no file, and links that lead nowhere.
        others: the other files.
        known: folders that are read under another name, to which a link leads.
    """

    videos: list[str]
    refused: list[Reject]
    others: list[str]
    known: list[str]


def list_videos(root: AnyPath) -> FolderListing:
    """Return the videos of a folder and of all folders in it.

    Links are followed. A folder that is reached twice, as by a link to one above it, is read once, under its own name
    if it has one here.

    Args:
        root: the folder.

    Raises:
        DataError: there are more files and folders than ``limits.table_rows``.
        OSError: a folder may not be listed: it is an error, not empty.
    """
    root = Path(root)
    found = FolderListing([], [], [], [])
    for path, kind in _entries(root):
        name = path.relative_to(root).as_posix()
        if kind != "video":
            (found.others if kind == "other" else found.known).append(_utf8(name))
        elif reject := reject_of(name, path):
            found.refused.append(reject)
        else:
            found.videos.append(name)
    return FolderListing(sorted(found.videos), sorted(found.refused), sorted(found.others), sorted(found.known))


def list_classes(root: AnyPath) -> FolderListing:
    """Return the videos of all classes below a folder, as ``of_classes`` does.

    Args:
        root: the folder of the classes' folders.

    Raises:
        DataError, OSError: as ``list_videos``.
    """
    return of_classes(list_videos(root))


def of_classes(found: FolderListing) -> FolderListing:
    """Return the videos of all classes, ``CLASS/NAME.mp4`` or deeper; videos in no folder of a class are others.

    Args:
        found: what the folder of the classes' folders holds.
    """
    outside = [name for name in found.videos if "/" not in name]
    inside = [name for name in found.videos if "/" in name]
    return found._replace(videos=inside, others=sorted([*found.others, *outside]))


def list_named(names: Iterable[str]) -> FolderListing:
    """Return what of these paths are videos by their names; hidden files and folders are passed over.

    Args:
        names: of all files below a folder, as paths from there.
    """
    seen = [name for name in sorted(names) if not any(part.startswith(".") for part in name.split("/"))]
    videos = [name for name in seen if PurePosixPath(name).suffix.lower() in SUFFIXES]
    others = [name for name in seen if PurePosixPath(name).suffix.lower() not in SUFFIXES]
    return FolderListing(videos, [], others, [])


def tell_what_is_passed_over(root: AnyPath, found: FolderListing) -> None:
    """Say in a line how many files are no clips, by the endings of their names, and which folders are read once."""
    parts = []
    if found.others:
        kinds = Counter(map(_kind, found.others)).most_common()
        shown = [f"{kind} {count}" for kind, count in kinds[:N_NAMED]] + ["..."] * (len(kinds) > N_NAMED)
        parts.append(f"passed over {len(found.others)} files ({', '.join(shown)}), such as {found.others[0]!r}")
    if found.known:
        parts.append(f"{len(found.known)} folders are read under another name, such as {found.known[0]!r}")
    if parts:
        tell_once(printable(f"dataset: {root}: {'; '.join(parts)}"))


def _kind(name: str) -> str:
    """What a file that is no clip is called in a count."""
    suffix = PurePosixPath(name).suffix.lower()
    return "videos in no folder of a class" if suffix in SUFFIXES else suffix or "without an ending"


def _entries(root: Path) -> Iterator[tuple[Path, Literal["video", "other", "known"]]]:
    """The files below a folder, and the folders that were seen before; folders are read before links to folders."""
    limits, n_entries = load_limits(), 0
    folders: list[Path] = [root]
    links: list[Path] = []
    seen: set[tuple[int, int]] = set()
    while folders or links:
        folder = (folders or links).pop()
        status = folder.stat()
        if (status.st_dev, status.st_ino) in seen:
            yield folder, "known"
            continue
        seen.add((status.st_dev, status.st_ino))
        for path in sorted(_visible(folder), reverse=True):  # the first one is taken next
            n_entries += 1
            if n_entries > limits.table_rows:
                most = limits.named("table_rows")
                raise DataError(f"{root}: {n_entries} files and folders or more; expected at most {most}")
            is_named_so = path.suffix.lower() in SUFFIXES
            if path.is_dir() and not (is_named_so and folder != root):
                (links if path.is_symlink() else folders).append(path)
            else:
                yield path, "video" if is_named_so or _may_be_a_lost_folder(path, is_class=folder == root) else "other"


def _may_be_a_lost_folder(path: Path, *, is_class: bool) -> bool:
    """Whether a link leads nowhere where a folder with videos may have been."""
    return path.is_symlink() and not path.exists() and (is_class or not path.suffix)


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
