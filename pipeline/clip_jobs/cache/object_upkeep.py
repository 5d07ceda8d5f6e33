"""What a clip cache in an object store holds, and making room in it: the entries that were written last stay.

A store notes when an object was written, and not when it was read.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from pipeline.clip_jobs.cache.object_store import opened, store_errors

WRITTEN = ("LastModified", "last_modified", "updated", "mtime", "created")  # what libraries call the time of writing
REMOVED_AT_A_TIME = 1000  # names that one request of S3 may hold


class StoredObject(NamedTuple):
    """One object of a cache.

    Attributes:
        path: of the object, in its store.
        n_bytes: its size.
        used_seconds: when it was written, seconds since 1970.
    """

    path: str
    n_bytes: int
    used_seconds: float


def stored_entries(url: str) -> dict[str, list[StoredObject]]:
    """Return the entries of each stage, by its name.

    Args:
        url: of the cache, such as ``s3://bucket/prefix``.

    Raises:
        DiskError: the store does not answer, or may not be listed.
        ParamsError: the package of its protocol is not installed.
    """
    files, path = opened(f"{url}/clips")
    found: dict[str, list[StoredObject]] = {}
    with store_errors(url):
        for entry in _below(files, path):
            stage = entry.path[entry.path.index(f"{path}/") + len(path) + 1 :].partition("/")[0]
            found.setdefault(stage, []).append(entry)
    return dict(sorted(found.items()))


def remove_stored(url: str, entries: Sequence[StoredObject]) -> None:
    """Remove objects, many a request.

    Raises:
        DiskError: the store does not answer, or does not allow it.
    """
    files, _ = opened(url)
    for start in range(0, len(entries), REMOVED_AT_A_TIME):
        with store_errors(url):
            files.rm([entry.path for entry in entries[start : start + REMOVED_AT_A_TIME]])


def _below(files: Any, path: str) -> Iterator[StoredObject]:  # noqa: ANN401 - whatever class fsspec has
    """The objects below a path, a folder in memory at a time."""
    try:
        found = files.ls(path, detail=True)
    except FileNotFoundError:
        return
    for facts in found:
        if facts["type"] == "directory":
            yield from _below(files, facts["name"])
        elif facts["name"].endswith(".safetensors"):
            yield StoredObject(facts["name"], facts["size"], _seconds(facts))


def _seconds(facts: dict[str, Any]) -> float:
    """When an object was written; where the library does not say it counts as old."""
    said = next((facts[name] for name in WRITTEN if facts.get(name) is not None), 0.0)
    if isinstance(said, str):
        said = datetime.fromisoformat(said)
    return said.timestamp() if isinstance(said, datetime) else float(said)
