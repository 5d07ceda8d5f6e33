"""Entries of the clip cache as objects behind a URL, such as ``s3://bucket/prefix``, by whatever library fsspec has.

An object is put whole or not at all, so nothing half-written is ever seen. Each look at one costs a request, so a
run lists what there is, up to a thousand names a request, and opens only what its size leaves open.
"""

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from typing import Any

from safetensors.numpy import load, save

from pipeline.clip_jobs.cache.stores import Notes, SeenEntry, ahead
from pipeline.errors import DiskError, ParamsError, PipelineError, in_words
from pipeline.formats.shards import Arrays

SMALL_BYTES = 4096  # no refusal is larger, unless it names a very long path
EXTRAS = {"s3": "the extra `s3`: '.[s3]'", "gs": "the package gcsfs", "gcs": "the package gcsfs"}
EXPECTED = "expected a store that answers, and a bucket that may be listed, read and written: AVR_CACHE_DIR names it"


class ObjectStore:
    """Entries as objects; workers get it by its URL and connect by themselves.

    Args:
        url: below which all of them are, without a slash at its end.
    """

    n_at_a_time, is_looked_at_one_by_one = 8, False

    def __init__(self, url: str) -> None:
        self._url = url

    def place(self, name: str) -> str:
        """Return the URL of an entry."""
        return f"{self._url}/{name}"

    def glance(self, names: Iterable[str]) -> dict[str, SeenEntry]:
        """List the folders of the entries, each once; one that is too large for a refusal needs no second look."""
        names = list(names)
        folders = sorted({name.partition("/")[0] for name in names})
        sizes: dict[str, int] = {}
        for found in ahead(self._sizes, folders, 2 * self.n_at_a_time):
            sizes |= found
        if names and not sizes:
            self._check_bucket()
        return {name: _seen(sizes.get(name)) for name in names}

    def notes(self, name: str) -> Notes:
        """Return the texts in an entry; the whole of it is read, as only small ones are asked for."""
        return self.read(name)[1]

    def read(self, name: str) -> tuple[Arrays, Notes]:
        """Return the arrays by name and the texts: one request."""
        with store_errors(self.place(name)):
            data: bytes = self._files.cat_file(self._path(name))
        arrays = load(data)  # checks that the tensors fill the object
        notes: Notes = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"]
        return arrays, notes

    def write(self, name: str, arrays: Arrays, notes: Notes) -> None:
        """Put an object of arrays by name."""
        data = save(arrays, notes)
        try:
            with store_errors(self.place(name)):
                self._files.pipe_file(self._path(name), data)
        except FileNotFoundError as error:
            raise DiskError(f"{self.place(name)}: {in_words(error)}; {EXPECTED}") from error

    def remove(self, name: str) -> None:
        """Remove an object."""
        with suppress(DiskError, FileNotFoundError), store_errors(self.place(name)):
            self._files.rm_file(self._path(name))

    def mark_as_used(self, name: str) -> None:
        """Do nothing: a store keeps when an object was written, and nothing but writing it anew changes that."""

    def __getstate__(self) -> dict[str, str]:
        """Give another process the URL alone."""
        return {"_url": self._url}

    @cached_property
    def _opened(self) -> tuple[Any, str]:
        """The file system, and the path of the URL in it."""
        return opened(self._url)

    @property
    def _files(self) -> Any:  # noqa: ANN401 - whatever class fsspec has for the protocol
        return self._opened[0]

    def _path(self, name: str) -> str:
        return f"{self._opened[1]}/{name}"

    def _sizes(self, folder: str) -> dict[str, int]:
        """The sizes of the entries of a folder, by name."""
        with suppress(FileNotFoundError), store_errors(self.place(folder)):
            found = self._files.ls(self._path(folder), detail=True)
            return {f"{folder}/{facts['name'].rpartition('/')[2]}": facts["size"] for facts in found}
        return {}

    def _check_bucket(self) -> None:
        """Stop where there is nothing because there is no bucket: better now than after the first hour."""
        path = self._opened[1]
        if path.startswith("/"):  # no protocol of buckets
            return
        bucket = path.partition("/")[0]
        try:
            with store_errors(self._url), suppress(PermissionError):  # rights to a prefix alone are enough
                self._files.info(bucket)
        except FileNotFoundError as error:
            raise DiskError(f"{self._url}: no bucket {bucket!r}; {EXPECTED}") from error


def opened(url: str) -> tuple[Any, str]:
    """Return the file system of a URL, and the path in it.

    Raises:
        ParamsError: the package of its protocol is not installed.
    """
    from fsspec.core import url_to_fs

    try:
        files, path = url_to_fs(url, use_listings_cache=False)  # other machines write there too
    except (ImportError, ValueError) as error:
        protocol = url.partition("://")[0]
        needed = EXTRAS.get(protocol, f"the package that fsspec names for {protocol}://")
        raise ParamsError(f"AVR_CACHE_DIR={url!r}: {in_words(error)}; expected {needed}") from error
    return files, path


@contextmanager
def store_errors(place: str) -> Iterator[None]:
    """Turn what a library of fsspec raises inside the block into an error that names the object.

    Raises:
        DiskError: the store does not answer, or does not allow it.
        FileNotFoundError: there is no such object.
    """
    try:
        yield
    except (PipelineError, FileNotFoundError):
        raise
    except Exception as error:  # of any of the libraries behind fsspec
        problem = "it may not be used with these rights" if isinstance(error, PermissionError) else in_words(error)
        raise DiskError(f"{place}: {problem}; {EXPECTED}") from error


def _seen(n_bytes: int | None) -> SeenEntry:
    """What the size of an object tells; None: there is none."""
    if n_bytes is None:
        return "absent"
    return "to read" if n_bytes <= SMALL_BYTES else "arrays"
