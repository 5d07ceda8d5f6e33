"""Local copies of files that are named by a URL, kept below a folder of the cache.

A copy is found by its URL and what the server says of the file (its ETag, size or time of change), so that a file which
changed there is fetched again, beside the old copy, and all others are not.
"""

import hashlib
import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from html import unescape
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple, TypeAlias, cast
from urllib.parse import quote, unquote, urlsplit

from pydantic import TypeAdapter

from pipeline.errors import DataError, ParamsError, PipelineError, RejectKind, in_words
from pipeline.formats.files import replacing
from pipeline.formats.memory import recall, remember
from pipeline.settings.environment import flag
from pipeline.settings.paths import AnyPath
from pipeline.settings.progress import track

PROTOCOLS = ("http", "https", "s3", "gs", "gcs", "az", "abfs", "abfss", "hf")  # none that reads files of this machine
STATE = (  # what libraries call the contents of a file, its size and when it was written
    *("ETag", "etag", "Content-MD5", "md5Hash", "blob_id", "size"),
    *("LastModified", "Last-Modified", "last_modified", "mtime", "updated", "created"),
)
N_CONNECTIONS = 8
SILENCE_SECONDS = 60.0
CHUNK_BYTES = 1 << 20
_URL = re.compile(r"([a-z][a-z0-9+.-]*)://", re.IGNORECASE)
_KNOWN = TypeAdapter(dict[str, str])


class LostFile(NamedTuple):
    """Why there is no copy of a file: the kind of its refusal, and the problem in words."""

    kind: RejectKind
    problem: str


Copy: TypeAlias = str | LostFile  # the path of a copy from the folder of copies


def is_url(text: str) -> bool:
    """Return whether a text begins as a URL does.

    Example:
        >>> is_url("s3://bucket/a.mp4"), is_url("a/b.mp4")
        (True, False)
    """
    return _URL.match(text) is not None


def url_of(path: AnyPath | None) -> str:
    """Return the URL that a path was given as, whose two slashes are one in a path; "" where it was none.

    Example:
        >>> url_of(Path("https://host/clips.csv")), url_of("clips.csv")
        ('https://host/clips.csv', '')
    """
    protocol, _, rest = str(path or "").partition(":/")
    return f"{protocol}://{rest.lstrip('/')}" if rest and protocol.lower() in PROTOCOLS else ""


def check_url(url: str, place: str) -> None:
    """Refuse a URL that is not read here.

    Raises:
        DataError: it is of another protocol, such as one that reads files of this machine, or holds a password.
    """
    protocol = url.partition("://")[0].lower()
    if protocol not in PROTOCOLS or "::" in url:
        raise DataError(f"{place}: {url!r}; expected a path, or a URL of one of {', '.join(PROTOCOLS)}")
    if protocol.startswith("http") and "@" in urlsplit(url).netloc:
        raise DataError(f"{place}: a URL with a password, which clips.csv would show; expected one without")


def listed(url: str, folder: AnyPath, most_names: int) -> list[str]:
    """Return the names of all files below a folder behind a URL, sorted, as paths from there.

    Over HTTP they are the links of its pages. With AVR_OFFLINE=1 nothing is asked: they are those of known copies.

    Args:
        url: as ``check_url`` allows it.
        folder: of all copies.
        most_names: how many files and folders there may be.

    Raises:
        DataError: there is no such folder, or it or one in it cannot be listed; or there is more in it than that.
        ParamsError: the package of a protocol is not installed.
    """
    base, is_web = f"{url.rstrip('/')}/", url.lower().startswith("http")
    if flag("AVR_OFFLINE"):
        known = recall(Path(folder) / "known.json", _KNOWN)
        return sorted(filter(None, (_name_in(base, name, is_web=is_web) for name in known)))
    file_system, top = _listing_of(base)
    files, folders, todo = set[str](), {""}, [""]
    while todo:
        here = todo.pop()
        for entry in _entries(file_system, top + (quote(here) if is_web else here)):
            if not (name := _name_in(top, entry["name"], is_web=is_web)):
                continue
            if entry["type"] != "directory":
                files.add(name)
            elif name not in folders:
                folders.add(name)
                todo.append(f"{name}/")
            if (n_names := len(files) + len(folders) - 1) > most_names:
                expected = f"at most limits.table_rows={most_names}"
                raise DataError(f"{url}: {n_names} files and folders or more; expected {expected}")
    return sorted(files)


def _listing_of(url: str) -> tuple[Any, str]:
    """The file system of a folder, which remembers nothing of it, and its path there."""
    try:
        file_system, top = _opened(url)
    except ImportError as error:
        raise ParamsError(_no_package(url, error)) from error
    file_system.invalidate_cache()
    return file_system, f"{top.rstrip('/')}/"


def _entries(file_system: Any, folder: str) -> list[dict[str, Any]]:  # noqa: ANN401 - fsspec has no types
    """What a folder holds; that it cannot be listed is an error, as it would else be empty."""
    try:
        found: list[dict[str, Any]] = file_system.ls(folder, detail=True)
    except FileNotFoundError as error:
        raise DataError(f"{folder}: no such folder there; expected a folder of files") from error
    except Exception as error:  # of any of the libraries behind fsspec
        raise DataError(f"{folder}: {_lost(folder, error).problem}; expected a folder of files") from error
    return found


def _name_in(folder: str, path: str, *, is_web: bool) -> str:
    """A path from a folder on; "" of the folder, of what is not in it, and of a page's links that sort it."""
    if not path.startswith(folder) or (is_web and "?" in path):
        return ""
    inside = path.removeprefix(folder)
    name = posixpath.normpath(unquote(unescape(inside)) if is_web else inside)
    return "" if name in (".", "..") or name.startswith(("/", "../")) else name


def local_copies(urls: Iterable[str], folder: AnyPath, most_bytes: float) -> dict[str, Copy]:
    """Return the copy of each file, fetched where there is none yet; or why there is none.

    Copies are written whole or not at all, and stay: a run that was stopped goes on where it was. With AVR_OFFLINE=1
    nothing is asked, and the last known copies are taken.

    Args:
        urls: as ``check_url`` allows them.
        folder: of all copies.
        most_bytes: what all files together may have.

    Raises:
        DataError: the files are larger than that, or a server does not answer as it should.
        ParamsError: the package of a protocol is not installed.
        DiskError: a copy cannot be written.
    """
    urls, folder = sorted(set(urls)), Path(folder)
    memory = folder / "known.json"
    known = recall(memory, _KNOWN)
    if flag("AVR_OFFLINE"):
        return {url: _known_copy(url, folder, known) for url in urls}
    with ThreadPoolExecutor(N_CONNECTIONS) as pool:
        said = dict(zip(urls, track(pool.map(_facts, urls), "look up", "file", len(urls)), strict=True))
        facts = {url: found for url, found in said.items() if not isinstance(found, LostFile)}
        _check_size(facts, most_bytes)
        places = {url: _place(url, found) for url, found in facts.items()}
        missing = [url for url, place in places.items() if not (folder / place).exists()]
        fetching = pool.map(lambda url: _fetch(url, folder / places[url], facts[url], most_bytes), missing)
        try:
            for _ in track(fetching, "fetch", "file", len(missing)):
                pass
        finally:
            pool.shutdown(cancel_futures=True)  # Ctrl-C waits for no file that is not begun
    if known | places != known:
        remember(memory, _KNOWN, known | places)
    return {url: found if isinstance(found, LostFile) else places[url] for url, found in said.items()}


def _known_copy(url: str, folder: Path, known: Mapping[str, str]) -> Copy:
    """The last copy of a file, without a network."""
    copy = known.get(url, "")
    if not copy or not (folder / copy).is_file():
        return LostFile("missing", "no copy of it yet, and AVR_OFFLINE=1")
    return copy


def _facts(url: str) -> dict[str, Any] | LostFile:
    """What a server says of a file, or why there is none."""
    try:
        file_system, path = _opened(url)
        facts: dict[str, Any] = file_system.info(path)
    except PipelineError:
        raise
    except ImportError as error:
        raise ParamsError(_no_package(url, error)) from error
    except Exception as error:  # of any of the libraries behind fsspec
        return _lost(url, error)
    return LostFile("unreadable", "a folder") if facts.get("type") == "directory" else facts


def _no_package(url: str, error: ImportError) -> str:
    """What is said where a protocol has no library."""
    return f"{url}: {in_words(error)}; expected its package to be installed"


def _lost(url: str, error: Exception) -> LostFile:
    """Why a file is not there, or may not be read; another problem is one of the network, and stops the run."""
    cause = error.__cause__ or error
    status, is_http = getattr(cause, "status", None), url.lower().startswith("http")
    if status in (404, 410) or (isinstance(error, FileNotFoundError) and not is_http):  # which over HTTP may mean all
        return LostFile("missing", "no such file there")
    if status in (401, 403) or isinstance(error, PermissionError):
        return LostFile("unreadable", "it may not be read without other rights")
    problem = str(cause).strip().partition("\n")[0] or type(cause).__name__
    raise DataError(f"{url}: cannot be fetched ({problem}); expected a server that answers") from error


def _opened(url: str) -> tuple[Any, str]:
    """The file system of a URL, and the path in it."""
    from fsspec.core import url_to_fs

    if not url.lower().startswith("http"):
        return cast("tuple[Any, str]", url_to_fs(url))
    from aiohttp import ClientTimeout

    patience = ClientTimeout(total=None, sock_connect=SILENCE_SECONDS, sock_read=SILENCE_SECONDS)
    return cast("tuple[Any, str]", url_to_fs(url, client_kwargs={"timeout": patience}))


def _check_size(facts: Mapping[str, Mapping[str, Any]], most_bytes: float) -> None:
    """Refuse more than may be fetched."""
    n_bytes = sum(found.get("size") or 0 for found in facts.values())
    if n_bytes > most_bytes:
        expected = f"at most dataset.download_gigabytes={most_bytes / 1e9:.15g}"
        raise DataError(f"{n_bytes / 1e9:.3g} GB in {len(facts)} files; expected {expected}")


def _place(url: str, facts: Mapping[str, Any]) -> str:
    """Where the copy of a file in its present state goes; the name is for people."""
    state = [f"{name}={facts[name]}" for name in STATE if facts.get(name) is not None]
    key = hashlib.sha256("\n".join([url, *state]).encode()).hexdigest()[:24]
    name = re.sub(r"[^\w.-]", "_", PurePosixPath(unquote(urlsplit(url).path)).name, flags=re.ASCII)[-64:].lstrip(".")
    return f"{key}/{name or 'file'}"


def _fetch(url: str, target: Path, facts: Mapping[str, Any], most_bytes: float) -> None:
    """Write the copy of a file, as long as the server says it is."""
    size, n_bytes = facts.get("size"), 0
    with replacing(target) as temporary, temporary.open("wb") as copy:
        for chunk in _chunks(url):
            n_bytes += len(chunk)
            if n_bytes > (most_bytes if size is None else size):
                break
            copy.write(chunk)
        if n_bytes != size if size is not None else n_bytes > most_bytes:
            expected = f"at most {most_bytes:.0f}" if size is None else size
            raise DataError(f"{url}: {n_bytes} bytes came; expected {expected}")


def _chunks(url: str) -> Iterator[bytes]:
    """The bytes of a file, as they come."""
    file_system, path = _opened(url)
    options = {"block_size": 0} if url.lower().startswith("http") else {}  # as a stream, not in ranges
    try:
        with file_system.open(path, "rb", **options) as source:
            while chunk := source.read(CHUNK_BYTES):
                yield chunk
    except Exception as error:  # of any of the libraries behind fsspec
        problem = in_words(error)
        raise DataError(f"{url}: cannot be fetched ({problem}); expected a server that answers") from error
