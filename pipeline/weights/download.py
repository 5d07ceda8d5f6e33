"""Published weights come over the network, or a message says what to bring by hand."""

import hashlib
import os
import tarfile
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import BinaryIO
from urllib.request import urlopen

from pipeline.errors import ParamsError, in_words
from pipeline.formats.files import disk_errors
from pipeline.network_parts.base import Source
from pipeline.settings.environment import flag
from pipeline.settings.paths import AnyPath
from pipeline.settings.progress import progress
from pipeline.settings.time_limit import WorkTimeoutError, call_within
from pipeline.weights.readers import import_extra

TIMEOUT_SECONDS = 30  # of silence
CONNECT_SECONDS = 120.0  # until an answer begins: looking up a name hangs where no timeout of a socket holds
WHOLE_SECONDS = 6 * 3600.0  # of one file, of up to 300 MB, from a server that gives a little now and then
CHUNK_BYTES = 1_000_000


def download(source: Source, folder: AnyPath, by_hand: AnyPath) -> Path:
    """Return where the published file lies after it was fetched, or the folder of an unpacked module of TF-Hub.

    Args:
        source: what to fetch.
        folder: where a file is written; TF-Hub's library has a folder of its own ($TFHUB_CACHE_DIR).
        by_hand: where the user may put the file, for the message.

    Raises:
        DiskError: the disk is full or fails.
        ParamsError: AVR_OFFLINE=1, or the network does not give the whole file, or not in time.
    """
    folder, by_hand = Path(folder), Path(by_hand)
    if not _is_cached_by_tfhub(source) and flag("AVR_OFFLINE"):
        raise ParamsError(_what_to_bring(source, by_hand, "AVR_OFFLINE=1"))
    try:
        return _resolve(source) if source.is_on_tfhub else _stream(source, folder)
    except (OSError, HTTPException, ValueError, tarfile.TarError, WorkTimeoutError) as error:
        raise ParamsError(_what_to_bring(source, by_hand, in_words(error))) from error


def _what_to_bring(source: Source, by_hand: Path, reason: str) -> str:
    """What a user without a network has to do."""
    unpacked = "?tf-hub-format=compressed unpacked" if source.is_on_tfhub else ""
    return f"{source.file}: cannot be fetched ({reason}); expected a network, or {source.url}{unpacked} as {by_hand}"


def _stream(source: Source, folder: Path) -> Path:
    """Fetch a file chunk by chunk; one that ends early is an error."""
    path = folder / source.file
    response = call_within(CONNECT_SECONDS, lambda: urlopen(source.url, timeout=TIMEOUT_SECONDS))
    length = response.headers.get("Content-Length")
    n_bytes = int(length) if length else None
    with disk_errors(path):
        file = path.open("wb")  # before the thread begins: one that is given up would make it in a folder that is gone
        call_within(WHOLE_SECONDS, lambda: _write(response, file, source.file, n_bytes))
    if n_bytes is not None and path.stat().st_size != n_bytes:
        raise OSError(f"{path.stat().st_size} of {n_bytes} bytes arrived")
    return path


def _write(response: HTTPResponse, file: BinaryIO, name: str, n_bytes: int | None) -> None:
    """Write what arrives, and show how much of it there is, where the server has said how much comes.

    Both are closed here, as closing a connection waits for the thread that reads it.
    """
    n_chunks = -(-(n_bytes or 0) // CHUNK_BYTES)
    with response, file, progress(f"fetch {name}", n_chunks, "MB") as advance:
        while chunk := response.read(CHUNK_BYTES):
            file.write(chunk)
            advance()


def _resolve(source: Source) -> Path:
    """Let TF-Hub's library find or fetch a module."""
    os.environ.setdefault("TFHUB_DOWNLOAD_PROGRESS", "1")
    library = import_extra("tensorflow_hub", source.url)
    return Path(call_within(WHOLE_SECONDS, lambda: library.resolve(source.url)))


def _is_cached_by_tfhub(source: Source) -> bool:
    """Whether TF-Hub's library has the module, in a folder called after the SHA-1 of its address."""
    cache = os.environ.get("TFHUB_CACHE_DIR")
    return (
        source.is_on_tfhub and bool(cache) and Path(str(cache), hashlib.sha1(source.url.encode()).hexdigest()).exists()
    )
