"""What the cache holds, in a folder or an object store, and making room in it: the entries that were used last stay."""

import re
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, TypeAlias, TypeVar

from pydantic import ByteSize, TypeAdapter, ValidationError

from pipeline.clip_jobs.cache.object_upkeep import StoredObject, remove_stored, stored_entries
from pipeline.errors import DataError, DiskError, ParamsError
from pipeline.settings.paths import AnyPath
from pipeline.settings.regular_files import check_regular, open_regular

DAY_SECONDS = 24 * 60 * 60.0
AGES = {"a day": DAY_SECONDS, "a week": 7 * DAY_SECONDS, "a month": 30 * DAY_SECONDS, "longer": float("inf")}
OTHER = "other"  # entries of an older layout, without a folder for the stage
LEFTOVERS = ("*.tmp", ".*.partial")  # how an entry and a demo video are called until they are whole
_NUMBER_AND_UNIT = re.compile(r"\s*\d*\.?\d+ *[A-Za-z]+\s*")  # ByteSize alone takes 5 for 5 bytes, and 1,5GB for 1


class File(NamedTuple):
    """One file of the cache folder.

    Attributes:
        path: where it lies.
        n_bytes: its size.
        used_seconds: when it was written or last used, seconds since 1970.
    """

    path: Path
    n_bytes: int
    used_seconds: float

    def is_refusal(self) -> bool:
        """Return whether the file is an entry without arrays: it ends where its header does."""
        try:
            with open_regular(self.path, follow_link=False) as file:
                return self.n_bytes == 8 + int.from_bytes(file.read(8), "little")
        except (OSError, DataError):
            return False


AnyFile: TypeAlias = File | StoredObject
Kept = TypeVar("Kept", File, StoredObject)


class Pruned(NamedTuple):
    """What was removed, or would be."""

    n_entries: int
    n_leftovers: int
    n_bytes: int


def entries(folder: AnyPath) -> dict[str, list[File]]:
    """Return the entries of each stage, by its name, which is that of its folder below ``clips``; others as OTHER."""
    folder = Path(folder)
    found: dict[str, list[File]] = {}
    for file in _files((folder / "clips").rglob("*.safetensors")):
        parts = file.path.relative_to(folder / "clips").parts
        found.setdefault(parts[0] if len(parts) == 3 else OTHER, []).append(file)
    return dict(sorted(found.items()))


def demo_videos(folder: AnyPath) -> list[File]:
    """Return the videos that ``dataset.source=demo`` made."""
    folder = Path(folder)
    return _files((folder / "demo").rglob("*.mp4"))


def leftovers(folder: AnyPath) -> list[File]:
    """Return the unfinished files that nobody has written to for a day: of runs that were killed."""
    folder = Path(folder)
    found = _files(path for pattern in LEFTOVERS for path in folder.rglob(pattern))
    return [file for file in found if time.time() - file.used_seconds > DAY_SECONDS]


def prune(folder: AnyPath, max_bytes: int, *, dry_run: bool) -> Pruned:
    """Remove the entries that were not used for longest, until the rest fits, and what killed runs left over.

    Runs may go on meanwhile: an entry that is used or written after the look around stays, and one that a run still
    wanted is computed again.

    Args:
        folder: the cache folder.
        max_bytes: what the entries may take, the sum of their sizes.
        dry_run: count only.

    Raises:
        DiskError: a file may not be removed.
    """
    chosen, left = (
        [file for file in group if dry_run or _remove(file)]
        for group in (_surplus(entries(folder), max_bytes), leftovers(folder))
    )
    return Pruned(len(chosen), len(left), sum(file.n_bytes for file in (*chosen, *left)))


def prune_store(url: str, max_bytes: int, *, dry_run: bool) -> Pruned:
    """Remove the entries of an object store that were written first, until the rest fits; nothing is left over there.

    Args:
        url: of the cache, such as ``s3://bucket/prefix``.
        max_bytes: what the entries may take, the sum of their sizes.
        dry_run: count only.

    Raises:
        DiskError: the store does not answer, or does not allow it.
    """
    chosen = _surplus(stored_entries(url), max_bytes)
    if not dry_run:
        remove_stored(url, chosen)
    return Pruned(len(chosen), 0, sum(entry.n_bytes for entry in chosen))


def _surplus(of_stages: Mapping[str, Sequence[Kept]], max_bytes: int) -> list[Kept]:
    """The entries to remove, those first that were not used for longest, so that no more bytes stay."""
    found = [file for files in of_stages.values() for file in files]
    surplus = sum(file.n_bytes for file in found) - max_bytes
    oldest: list[Kept] = []
    for file in sorted(found, key=lambda file: (file.used_seconds, str(file.path))):
        if surplus <= 0:
            break
        oldest.append(file)
        surplus -= file.n_bytes
    return oldest


def parse_size(text: str) -> int:
    """Return a size such as ``500MB``, ``5GB`` or ``2GiB`` in bytes.

    Raises:
        ParamsError: it is no number with a unit.

    Examples:
        >>> parse_size("500MB"), parse_size("2GiB")
        (500000000, 2147483648)
    """
    if _NUMBER_AND_UNIT.fullmatch(text):
        with suppress(ValidationError):
            return TypeAdapter(ByteSize).validate_python(text)
    raise ParamsError(f"size {text!r}; expected a number and a unit, such as 500MB, 5GB or 2GiB")


def format_size(n_bytes: int) -> str:
    """Return a size for people, such as ``1.2 GB``."""
    return ByteSize(n_bytes).human_readable(decimal=True, separator=" ")


def count_ages(files: Sequence[AnyFile]) -> dict[str, int]:
    """Return how many files were last used within a day, a week, a month, and longer ago."""
    counts = dict.fromkeys(AGES, 0)
    now = time.time()
    for file in files:
        counts[next(name for name, limit in AGES.items() if now - file.used_seconds <= limit)] += 1
    return counts


def _files(paths: Iterable[Path]) -> list[File]:
    """The facts of the regular files that are still there; folders, pipes and links of such names are passed over."""
    found = []
    for path in paths:
        with suppress(OSError, DataError):
            facts = check_regular(path, follow_link=False)
            found.append(File(path, facts.st_size, facts.st_mtime))
    return found


def _remove(file: File) -> bool:
    """Whether a file was removed; one that was used or written anew since it was found stays."""
    try:
        if check_regular(file.path, follow_link=False).st_mtime != file.used_seconds:
            return False
        file.path.unlink()
    except (FileNotFoundError, DataError):
        return False
    except OSError as error:
        raise DiskError(f"{file.path}: {error.strerror}; expected a folder whose files can be removed") from error
    return True
