"""The source `folder` where the folder is behind a URL: a web server's own pages, and an object store of S3."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import s3fs

from pipeline.dataset.base import Found
from pipeline.dataset.layouts.remote import listed
from pipeline.dataset.scan import scan
from pipeline.errors import DataError, ParamsError
from tests.helpers.dataset_params import dataset_params
from tests.helpers.file_server import Shelf, file_server
from tests.helpers.s3_server import BUCKET, Store, s3_server

FILES = {"cat/1.mp4": b"first", "cat/old/2.mkv": b"second", "dog/3 three.mp4": b"third", "dog/notes.txt": b"words"}
VIDEOS = {name: data for name, data in FILES.items() if not name.endswith(".txt")}


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AVR_CACHE_DIR", str(tmp_path / "cache"))


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    with s3_server() as store:
        for name, value in store.environment.items():
            monkeypatch.setenv(name.replace("AWS_ENDPOINT", "AWS_ENDPOINT_URL"), value)
        s3fs.S3FileSystem.clear_instance_cache()  # which know the store of another test
        store.objects |= {f"videos/{name}": data for name, data in FILES.items()}
        store.objects |= {"videos/.hidden/4.mp4": b"hidden", "videos2/cat/5.mp4": b"of another folder"}
        yield store


def page(*names: str) -> bytes:
    """A page of a folder as web servers write it."""
    links = "".join(f'<li><a href="{name}">{name}</a></li>' for name in ("?C=N;O=D", "../", *names))
    return f"<html><body><ul>{links}</ul></body></html>".encode()


@pytest.fixture
def shelf() -> Iterator[Shelf]:
    with file_server() as shelf:
        shelf.files = {f"videos/{name}": data for name, data in FILES.items()}
        folders = {"": page("cat/", "dog/"), "/cat": page("1.mp4", "old/"), "/cat/old": page("2.mkv")}
        folders["/dog"] = page("3%20three.mp4", "notes.txt")
        for name, content in folders.items():  # with and without the slash, as servers redirect
            shelf.files |= {f"videos{name}": content, f"videos{name}/": content}
        yield shelf


def scanned(url: str, **changes: object) -> Found:
    return scan(dataset_params(source="folder", path=url, **changes))[0]


def contents(found: Found) -> dict[str, tuple[str, bytes]]:
    return {clip.clip_id: (clip.label, (found.root / clip.path).read_bytes()) for clip in found.clips}


def test_the_files_of_a_store_are_clips_called_by_their_urls(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    url = f"s3://{BUCKET}/videos"
    found = scanned(url)
    assert contents(found) == {f"{url}/{name}": (name.partition("/")[0], data) for name, data in VIDEOS.items()}
    assert all(clip.sha256 for clip in found.clips)
    assert f"dataset: {url}: passed over 1 files (.txt 1), such as 'dog/notes.txt'" in capsys.readouterr().err


def test_a_store_is_listed_at_each_run_and_only_what_is_new_is_fetched(store: Store) -> None:
    url = f"s3://{BUCKET}/videos"
    before = scanned(url).clips
    s3fs.S3FileSystem.clear_instance_cache()  # as in a process of its own
    store.objects["videos/dog/6.mp4"] = b"sixth"
    after = scanned(url)
    assert [clip for clip in after.clips if clip not in before] == [after.clips[-1]]
    assert contents(after)[f"{url}/dog/6.mp4"] == ("dog", b"sixth")


def test_without_labels_videos_lie_at_any_depth(store: Store) -> None:
    store.objects["videos/top.mp4"] = b"top"
    found = contents(scanned(f"s3://{BUCKET}/videos", labels="none"))
    assert {label for label, _ in found.values()} == {""}
    assert f"s3://{BUCKET}/videos/top.mp4" in found


def test_a_web_server_s_pages_are_followed(shelf: Shelf) -> None:
    url = f"{shelf.url}/videos"
    quoted = {f"{url}/{name.replace(' ', '%20')}": name for name in VIDEOS}
    assert contents(scanned(url)) == {name: (path.partition("/")[0], VIDEOS[path]) for name, path in quoted.items()}


def test_without_a_network_the_copies_of_the_last_run_are_the_folder(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = scanned(f"{shelf.url}/videos")
    monkeypatch.setenv("AVR_OFFLINE", "1")
    shelf.asked.clear()
    assert scanned(f"{shelf.url}/videos") == before
    assert shelf.asked == []


def test_a_folder_that_is_not_there_or_empty_is_refused(store: Store, shelf: Shelf) -> None:
    for gone in (f"s3://{BUCKET}/gone", "s3://other/videos", f"{shelf.url}/gone"):
        name = gone.removeprefix("s3://")
        with pytest.raises(DataError, match=rf"{name}/: no such folder there; expected a folder of files"):
            scanned(gone)
    with pytest.raises(ParamsError, match=r"gs://bucket/videos/: .*gcsfs.*; expected its package to be installed"):
        scanned("gs://bucket/videos")


def test_more_files_than_the_limit_are_refused_before_one_is_fetched(store: Store, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=rf"s3://{BUCKET}/videos: 5 files and folders or more; expected at most .*=4"):
        listed(f"s3://{BUCKET}/videos", tmp_path, 4)
    with pytest.raises(DataError, match=r"in 3 files; expected at most dataset.download_gigabytes=1e-08"):
        scanned(f"s3://{BUCKET}/videos", download_gigabytes=1e-8)


def test_folders_of_splits_are_refused_as_in_a_folder_here(store: Store) -> None:
    store.objects = {f"videos/{split}/cat/1.mp4": b"x" for split in ("train", "test")}
    with pytest.raises(DataError, match=rf"s3://{BUCKET}/videos: its folders .*train.* have the names of splits"):
        scanned(f"s3://{BUCKET}/videos")


@pytest.mark.parametrize("status", [403, 404, 503])
def test_a_folder_in_it_that_cannot_be_listed_stops_the_run_in_place_of_losing_a_class(
    status: int, shelf: Shelf
) -> None:
    shelf.statuses |= {"videos/dog": status, "videos/dog/": status}
    with pytest.raises(DataError, match=rf"{shelf.url}/videos/dog/: .*; expected"):
        scanned(f"{shelf.url}/videos")


def test_a_server_that_is_gone_stops_the_run() -> None:
    with file_server() as gone:
        url = f"{gone.url}/videos"
    with pytest.raises(DataError, match=r"cannot be fetched \(.+\); expected a server that answers"):
        scanned(url)


def test_pages_may_write_their_links_in_other_ways_and_lead_back_to_themselves(shelf: Shelf) -> None:
    top = page("./cat/", "./dog/", "./", "cat/../dog/", "/videos/cat/", f"{shelf.url}/videos/dog/", "/elsewhere/")
    shelf.files |= {"videos": top, "videos/": top}
    dog = page("./3%20three.mp4", "../cat/", "a&amp;b.mp4", "../../")
    shelf.files |= {"videos/dog": dog, "videos/dog/": dog, "videos/dog/a&b.mp4": b"both"}
    found = {clip.clip_id.rpartition("/videos/")[2] for clip in scanned(f"{shelf.url}/videos").clips}
    assert found == {"cat/1.mp4", "cat/old/2.mkv", "dog/3%20three.mp4", "dog/a%26b.mp4"}


def test_an_odd_name_costs_its_file_alone_and_a_class_may_be_called_as_a_folder_may(store: Store) -> None:
    url = f"s3://{BUCKET}/videos"
    store.objects |= {
        "videos/rock|pop/7.mp4": b"seventh",
        "videos/dog/a::b.mp4": b"odd",
        "videos/dog/\u202e.mp4": b"odd",
    }
    found = scanned(url)
    assert contents(found)[f"{url}/rock|pop/7.mp4"] == ("rock|pop", b"seventh")
    assert len(found.clips) == len(VIDEOS) + 1
    assert [(row.clip_id, row.kind) for row in found.refused] == [
        (f"{url}/dog/a::b.mp4", "bad_name"),
        (f"{url}/dog/\\u202e.mp4", "bad_name"),
    ]


def test_a_table_of_labels_may_name_files_from_the_folder_on(store: Store, shelf: Shelf, tmp_path: Path) -> None:
    given = tmp_path / "labels.csv"
    given.write_text("path,label\ncat/1.mp4,miaow\ndog/3 three.mp4,woof\n")
    for url in (f"s3://{BUCKET}/videos", f"{shelf.url}/videos"):
        found = scanned(url, labels=str(given))
        assert sorted(clip.label for clip in found.clips) == ["", "miaow", "woof"]
