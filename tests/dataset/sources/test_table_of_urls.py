"""The source `table` where paths are URLs, or the table is named by one: copies are kept in the cache."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from pipeline.dataset.layouts import remote
from pipeline.dataset.scan import scan
from pipeline.errors import DataError, ParamsError
from tests.helpers.clip_table import found, write
from tests.helpers.dataset_params import dataset_params
from tests.helpers.file_server import Shelf, file_server


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AVR_CACHE_DIR", str(tmp_path / "cache"))


@pytest.fixture
def shelf() -> Iterator[Shelf]:
    with file_server() as shelf:
        shelf.files = {"a/1.mp4": b"first", "a/2 two.mp4": b"second", "3.mp4": b"third"}
        yield shelf


def table(tmp_path: Path, shelf: Shelf, *rows: list[str], header: tuple[str, ...] = ("path", "label")) -> Path:
    """A table whose first cells are paths on the server."""
    return write(tmp_path / "t.csv", [header, *([f"{shelf.url}/{name}", *cells] for name, *cells in rows)])


ROWS = ["a/1.mp4", "cat"], ["a/2 two.mp4", "dog"], ["3.mp4", "dog"]


def test_a_url_is_a_clip_called_by_it_whose_file_is_a_copy(tmp_path: Path, shelf: Shelf) -> None:
    root, clips, refused = found(table(tmp_path, shelf, *ROWS))
    assert [(clip.clip_id, clip.label, (root / clip.path).read_bytes()) for clip in clips] == [
        (f"{shelf.url}/a/1.mp4", "cat", b"first"),
        (f"{shelf.url}/a/2 two.mp4", "dog", b"second"),
        (f"{shelf.url}/3.mp4", "dog", b"third"),
    ]
    assert refused == []
    assert root.is_relative_to(tmp_path / "cache")


def test_a_copy_is_fetched_once_until_the_file_changes(tmp_path: Path, shelf: Shelf) -> None:
    path = table(tmp_path, shelf, *ROWS)
    first = found(path).clips
    assert shelf.fetched() == ["3.mp4", "a/1.mp4", "a/2 two.mp4"]
    assert found(path).clips == first
    assert shelf.fetched() == []
    shelf.files["a/1.mp4"] = b"other"
    root, clips, _ = found(path)
    assert shelf.fetched() == ["a/1.mp4"]
    assert (root / clips[0].path).read_bytes() == b"other"
    assert (root / first[0].path).read_bytes() == b"first"
    assert clips[1:] == first[1:]


def test_what_was_fetched_before_a_failure_stays(tmp_path: Path, shelf: Shelf) -> None:
    path = table(tmp_path, shelf, *ROWS)
    shelf.said_sizes["3.mp4"] = 99
    with pytest.raises(DataError, match=r"3\.mp4: 5 bytes came; expected 99"):
        found(path)
    shelf.said_sizes.clear()
    shelf.fetched()
    assert len(found(path).clips) == 3
    assert shelf.fetched() == ["3.mp4"]
    assert not list((tmp_path / "cache").rglob("*.tmp"))


def test_a_file_that_is_not_there_or_not_for_us_is_refused(tmp_path: Path, shelf: Shelf) -> None:
    shelf.statuses["3.mp4"] = 403
    refused = found(table(tmp_path, shelf, *ROWS, ["gone.mp4", "cat"])).refused
    assert [(row.clip_id, row.kind) for row in refused] == [
        (f"{shelf.url}/3.mp4", "unreadable"),
        (f"{shelf.url}/gone.mp4", "missing"),
    ]
    assert refused[1].reason.endswith("gone.mp4: no such file there; expected a file for every clip")


def test_a_server_in_trouble_stops_the_run_in_place_of_losing_clips(tmp_path: Path, shelf: Shelf) -> None:
    shelf.statuses["3.mp4"] = 503
    with pytest.raises(DataError, match=r"3\.mp4: cannot be fetched \(503.*\); expected a server that answers"):
        found(table(tmp_path, shelf, *ROWS))


def test_a_server_that_is_not_there_stops_the_run(tmp_path: Path) -> None:
    with file_server() as gone:
        path = table(tmp_path, gone, *ROWS)
    with pytest.raises(DataError, match=r"cannot be fetched \(.+\); expected a server that answers"):
        found(path)


def test_more_than_may_be_fetched_is_refused_before_it_is(tmp_path: Path, shelf: Shelf) -> None:
    with pytest.raises(DataError, match=r"1.6e-08 GB in 3 files; expected at most dataset.download_gigabytes=1e-08"):
        found(table(tmp_path, shelf, *ROWS), download_gigabytes=1e-8)
    assert shelf.fetched() == []


def test_without_a_network_the_last_copies_are_taken(
    tmp_path: Path, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = table(tmp_path, shelf, *ROWS)
    clips = found(path).clips
    write(path, [*(line.split(",") for line in path.read_text().splitlines()), [f"{shelf.url}/new.mp4", "cat"]])
    monkeypatch.setenv("AVR_OFFLINE", "1")
    shelf.asked.clear()
    offline = found(path)
    assert offline.clips == clips
    assert shelf.asked == []
    assert [(row.clip_id, row.kind) for row in offline.refused] == [(f"{shelf.url}/new.mp4", "missing")]
    assert "no copy of it yet, and AVR_OFFLINE=1" in offline.refused[0].reason


def test_rows_of_one_url_are_its_events(tmp_path: Path, shelf: Shelf) -> None:
    rows = ["3.mp4", "cat", "0", "1.5"], ["3.mp4", "dog", "2", "3"], ["a/1.mp4", "dog", "1", "2"]
    clips = found(table(tmp_path, shelf, *rows, header=("path", "label", "start", "end"))).clips
    url = f"{shelf.url}/3.mp4"
    assert [(clip.clip_id, clip.source_id) for clip in clips] == [
        (f"{url}#0-1.5", url),
        (f"{url}#2-3", url),
        (f"{shelf.url}/a/1.mp4", ""),
    ]
    assert shelf.fetched() == ["3.mp4", "a/1.mp4"]


def test_a_clip_id_of_the_table_stays(tmp_path: Path, shelf: Shelf) -> None:
    rows = ["3.mp4", "cat", "one"], ["a/1.mp4", "dog", "two"]
    clips = found(table(tmp_path, shelf, *rows, header=("path", "label", "clip_id"))).clips
    assert [clip.clip_id for clip in clips] == ["one", "two"]


def test_a_table_may_be_named_by_a_url_and_paths_start_from_there(tmp_path: Path, shelf: Shelf) -> None:
    shelf.files["a/clips.csv"] = f"file_name,label\n1.mp4,cat\n2 two.mp4,dog\n{shelf.url}/3.mp4,dog\n".encode()
    scanned, _ = scan(dataset_params(source="table", path=f"{shelf.url}/a/clips.csv"))
    assert [clip.clip_id for clip in scanned.clips] == [
        f"{shelf.url}/a/1.mp4",
        f"{shelf.url}/a/2%20two.mp4",
        f"{shelf.url}/3.mp4",
    ]
    assert [(scanned.root / clip.path).read_bytes() for clip in scanned.clips] == [b"first", b"second", b"third"]
    assert all(clip.sha256 for clip in scanned.clips)


def test_a_table_that_is_not_at_its_url_is_refused(shelf: Shelf) -> None:
    with pytest.raises(DataError, match=r"dataset.path=http://.*/gone.csv: no such file there; expected FILE.csv"):
        found(Path(f"{shelf.url}/gone.csv"))


@pytest.mark.parametrize("path", ["../3.mp4", "/etc/passwd", ".."])
def test_a_path_that_leads_out_of_the_folder_of_a_url_is_refused(path: str, shelf: Shelf) -> None:
    shelf.files["a/clips.csv"] = f"path,label\n{path},cat\n".encode()
    with pytest.raises(DataError, match=r"line 2: path '.*' leads out of http://.*/a; expected a path in it, or a URL"):
        found(Path(f"{shelf.url}/a/clips.csv"))


def test_paths_beside_urls_are_refused(tmp_path: Path, shelf: Shelf) -> None:
    path = write(tmp_path / "t.csv", [["path", "label"], [f"{shelf.url}/3.mp4", "cat"], ["b.mp4", "dog"]])
    with pytest.raises(DataError, match=r"line 3: path 'b\.mp4'; expected a URL, as other rows have"):
        found(path)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("file:///etc/passwd", r"'file:///etc/passwd'; expected a path, or a URL of one of http, https, s3"),
        ("simplecache::file:///etc/passwd", "simplecache"),
        ("https://host/x::file:///etc/passwd", "expected a path, or a URL of one of"),
        ("https://me:secret@host/a.mp4", r"a URL with a password, which clips.csv would show; expected one without"),
    ],
)
def test_a_url_that_is_not_read_here_is_refused(url: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=rf"line 2: .*{message}") as raised:
        found(write(tmp_path / "t.csv", [["path", "label"], [url, "cat"], ["https://host/b.mp4", "dog"]]))
    assert "secret" not in str(raised.value)


def test_the_package_of_a_protocol_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match=r"gs://bucket/a\.mp4: .*gcsfs.*; expected its package to be installed"):
        found(write(tmp_path / "t.csv", [["path", "label"], ["gs://bucket/a.mp4", "cat"]]))


def test_a_store_that_is_no_web_server_is_read_by_its_own_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "PROTOCOLS", (*remote.PROTOCOLS, "memory"))
    store = MemoryFileSystem()
    store.pipe("/urls/1.mp4", b"first")
    store.mkdir("/urls/folder")
    rows = [["memory://urls/1.mp4", "cat"], ["memory://urls/gone.mp4", "dog"], ["memory://urls/folder", "dog"]]
    path = write(tmp_path / "t.csv", [["path", "label"], *rows])
    root, clips, refused = found(path)
    assert [(root / clip.path).read_bytes() for clip in clips] == [b"first"]
    assert [(row.clip_id, row.kind) for row in refused] == [
        ("memory://urls/gone.mp4", "missing"),
        ("memory://urls/folder", "unreadable"),
    ]
    store.pipe("/urls/1.mp4", b"other")
    root, clips, _ = found(path)
    assert [(root / clip.path).read_bytes() for clip in clips] == [b"other"]
