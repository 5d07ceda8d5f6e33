"""Files written whole or not at all, their hashes, and what a full disk becomes."""

import errno
import hashlib
import os
import re
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import mkdtemp

from pipeline.errors import DiskError, ParamsError, PipelineError
from pipeline.settings.environment import cache_folder, weights_folder
from pipeline.settings.paths import AnyPath
from pipeline.settings.regular_files import open_regular

ADVICE = {
    errno.ENOSPC: "room to write: remove what is not needed",
    errno.EDQUOT: "room within the quota of this user or group: remove what is not needed, or ask for more",
    errno.EIO: "a device that works: its log (dmesg) or the server of a network folder says more",
    errno.EFBIG: "files of that size to be allowed: raise the limit (ulimit -f)",
}
NO_INODES = "room for another file: remove small files, as each one takes an inode"
NOT_WRITABLE = (errno.EROFS, errno.EACCES, errno.EPERM, errno.EEXIST, errno.ENOTDIR, errno.EISDIR)


def write_atomically(path: AnyPath, data: bytes) -> None:
    """Write a file whole or not at all, also when several processes or machines write it at a time.

    Raises:
        DiskError: the disk is full or fails, or the folder cannot be written.
    """
    with replacing(path) as temporary:
        temporary.write_bytes(data)


@contextmanager
def replacing(path: AnyPath) -> Iterator[Path]:
    """Give the path of a file of its own, which takes the place of another after the block."""
    path = Path(path)
    temporary = path.with_name(f"{path.name}.{uuid.uuid4().hex}.tmp")
    with cache_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield temporary
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def replacing_folder(path: AnyPath) -> Iterator[Path]:
    """Give an empty folder, which takes the place of another after the block; after an error, nothing has changed.

    Example:
        >>> with replacing_folder("encoder") as folder:
        ...     _ = (folder / "config.json").write_text("{}")
        >>> [file.name for file in Path("encoder").iterdir()]
        ['config.json']
    """
    path = Path(path)
    with _folder_beside(path) as around:
        new, old = around / "new", around / "old"
        new.mkdir()  # with the permissions that folders have here, which a temporary one has not
        yield new
        if path.exists():
            path.rename(old)
        new.rename(path)


@contextmanager
def adding_files(path: AnyPath) -> Iterator[Path]:
    """Give an empty folder, whose files move into another after the block; after an error, none of them does.

    What else the other folder holds stays; files of the same names are replaced.
    """
    path = Path(path)
    with _folder_beside(path) as new:
        yield new
        path.mkdir(exist_ok=True)
        for file in sorted(new.iterdir()):
            file.replace(path / file.name)


@contextmanager
def _folder_beside(path: Path) -> Iterator[Path]:
    """A temporary folder on the disk of a path; it is gone after the block, as are folders made above it in vain."""
    missing = [folder for folder in (path.parent, *path.parent.parents) if not folder.exists()]
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(mkdtemp(dir=path.parent, prefix=f".{path.name}."))
        try:
            yield temporary
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
            for folder in missing:
                with suppress(OSError):  # something lies in it
                    folder.rmdir()


def file_sha256(path: AnyPath) -> str:
    """Return the sha256 of a file's bytes, in hex.

    Raises:
        DataError: it is no regular file.
        OSError: it is missing or cannot be read.
    """
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def disk_errors(path: AnyPath) -> Iterator[None]:
    """Turn a failure of the disk inside the block into a DiskError that names the file.

    Args:
        path: what the block writes.

    Raises:
        DiskError: the disk or the quota is full, a file is larger than may be, or the device fails; other errors
            pass.
    """
    try:
        yield
    except Exception as error:
        number = _system_error(error)
        if number not in ADVICE:
            raise
        raise DiskError(_disk_problem(_failed_file(Path(path), error), number)) from error


@contextmanager
def cache_errors(path: AnyPath) -> Iterator[None]:
    """Turn a failure of the disk, or of a cache folder that cannot be written, into a DiskError that names the file.

    Raises:
        DiskError: as ``disk_errors``, or the folder is read-only, somebody else's, or no folder.
    """
    path = Path(path)
    try:
        with disk_errors(path):
            yield
    except OSError as error:
        if error.errno not in NOT_WRITABLE:
            raise
        expected = "a folder that can be written (AVR_CACHE_DIR names that of caches, AVR_WEIGHTS_DIR that of weights)"
        raise DiskError(f"{path}: {os.strerror(error.errno)}; expected {expected}") from error


def _system_error(error: Exception) -> int | None:
    """The number of the system's error, if it is one; safetensors has it in its message alone."""
    if isinstance(error, OSError):
        return error.errno
    found = re.search(r"\(os error (\d+)\)", str(error))
    return int(found[1]) if found and not isinstance(error, PipelineError) else None


def _failed_file(path: Path, error: Exception) -> Path:
    """The file that could not be written; of a caller who only knows the folder, the one that the system names."""
    named = error.filename if isinstance(error, OSError) else None
    return Path(os.fsdecode(named)) if isinstance(named, str | bytes) and path.is_dir() else path


def _disk_problem(path: Path, number: int) -> str:
    """What the system said of a file, how much room there is on its disk, and what to do."""
    folder = next(parent for parent in path.absolute().parents if parent.exists())
    disk = os.statvfs(folder)
    has_no_inodes = number == errno.ENOSPC and disk.f_files > 0 and disk.f_favail == 0
    inodes = f" and {disk.f_favail} inodes" if disk.f_files else ""  # some file systems do not count them
    return (
        f"{path}: {os.strerror(number)} ({disk.f_bavail * disk.f_frsize / 1e6:.1f} MB{inodes} free); expected "
        f"{NO_INODES if has_no_inodes else ADVICE[number]}, or {_another_disk(path)}, and run again: it goes on where "
        "it stopped"
    )


def _another_disk(path: Path) -> str:
    """How a file of this kind comes to lie on another disk."""
    for name, folder in (("AVR_WEIGHTS_DIR", weights_folder), ("AVR_CACHE_DIR", cache_folder)):
        with suppress(ParamsError):
            if path.absolute().is_relative_to(folder()):
                return f"name a folder on another disk in {name}"
    return "move the project to another disk"
