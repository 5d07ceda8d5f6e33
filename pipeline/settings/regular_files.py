"""Opening files that a user names: regular ones alone, so that no pipe is waited for and no device is read."""

import io
import os
import stat
from pathlib import Path

from pipeline.errors import DataError
from pipeline.settings.paths import AnyPath

LARGEST_TEXT_BYTES = 1 << 30  # of what is read whole, such as a table; rows by the million fit
KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFLNK: "a link",
}


def check_regular(path: AnyPath, max_bytes: int | None = None, *, follow_link: bool = True) -> os.stat_result:
    """Return the facts of a regular file, for a library that opens its path itself.

    Args:
        path: the file.
        max_bytes: what its size may be; None: any. A sparse file counts with all its holes, which a reader fills.
        follow_link: whether the path may be a link to the file.

    Raises:
        DataError: it is a folder, a pipe, a device, a socket or a link that is not followed, or is too large; or no
            file can have such a name.
        OSError: it is missing, or the system does not show it.
    """
    try:
        facts = os.stat(path, follow_symlinks=follow_link)  # noqa: PTH116 - a cache looks at 30,000 files
    except ValueError as error:
        raise DataError(f"{os.fspath(path)!r}: {error}; expected the path of a file") from error
    _check(path, facts, max_bytes)
    return facts


def open_regular(path: AnyPath, max_bytes: int | None = None, *, follow_link: bool = True) -> io.BufferedReader:
    """Return a regular file, open for reading bytes; nothing else is opened, not even for a moment of waiting.

    Args:
        path: the file.
        max_bytes: what its size may be; None: any.
        follow_link: whether the path may be a link to the file.

    Raises:
        DataError, OSError: as `check_regular`; or the file cannot be read.
    """
    check_regular(path, max_bytes, follow_link=follow_link)
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | (0 if follow_link else os.O_NOFOLLOW)
    file = os.fdopen(os.open(path, flags), "rb")
    try:
        _check(path, os.fstat(file.fileno()), max_bytes)  # another one may have taken its place
    except DataError:
        file.close()
        raise
    return file


def read_regular(path: AnyPath, max_bytes: int | None = LARGEST_TEXT_BYTES, *, follow_link: bool = True) -> bytes:
    """Return the bytes of a regular file.

    Raises:
        DataError, OSError: as `open_regular`.
    """
    with open_regular(path, max_bytes, follow_link=follow_link) as file:
        return file.read()


def open_regular_text(path: AnyPath, encoding: str = "utf-8") -> io.TextIOWrapper:
    """Return a regular file of at most `LARGEST_TEXT_BYTES`, open for reading text, its ends of lines as they are.

    Raises:
        DataError, OSError: as `open_regular`.
    """
    return io.TextIOWrapper(open_regular(path, LARGEST_TEXT_BYTES), encoding=encoding, newline="")


def _check(path: AnyPath, facts: os.stat_result, max_bytes: int | None) -> None:
    """Refuse what is no regular file, or too large a one."""
    if not stat.S_ISREG(facts.st_mode):
        kind = KINDS.get(stat.S_IFMT(facts.st_mode), "no file")
        raise DataError(f"{Path(path)}: {kind}; expected a regular file")
    if max_bytes is not None and facts.st_size > max_bytes:
        raise DataError(f"{Path(path)}: {facts.st_size} bytes; expected at most {max_bytes}")
