"""The files of clips: those of the index alone, by id and by range, and what is said where one cannot be had."""

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from pipeline.encoder import Encoder
from pipeline.search.page.media import UnservedError, find_file, media_type
from tests.helpers.served import make_row, page_client, write_index

CLIP = "dog/1.mp4"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder of clips beside a file that is nobody's business."""
    (tmp_path / "secret.mp4").write_bytes(b"a secret")
    (tmp_path / "videos" / "dog").mkdir(parents=True)
    (tmp_path / "videos" / CLIP).write_bytes(bytes(range(256)) * 4)
    return tmp_path / "videos"


def client_of(root: Path, encoder: Encoder, *clip_ids: str) -> TestClient:
    """A server whose index has rows of these paths."""
    side = [1.0] * encoder.width
    rows = [make_row(root, clip_id, "Dog", side, side) for clip_id in clip_ids]
    index = write_index(root.parent / "index", encoder, root, rows)
    return page_client(index, encoder, root.parent / "uploads")


@pytest.fixture
def client(root: Path, encoder: Encoder) -> TestClient:
    return client_of(root, encoder, CLIP)


def media(client: TestClient, clip_id: str, **headers: str) -> "tuple[int, bytes]":
    done = client.get("/media", params={"id": clip_id}, headers=headers)
    return done.status_code, done.content


def test_the_file_of_a_clip_is_that_of_its_row_byte_for_byte(client: TestClient, root: Path) -> None:
    done = client.get("/media", params={"id": CLIP})
    assert (done.status_code, done.content) == (200, (root / CLIP).read_bytes())
    assert (done.headers["content-type"], done.headers["accept-ranges"]) == ("video/mp4", "bytes")
    assert done.headers["content-security-policy"] == "default-src 'none'; sandbox"
    head = client.head("/media", params={"id": CLIP})
    assert (head.status_code, head.headers["content-length"], head.content) == (200, "1024", b"")


@pytest.mark.parametrize(
    ("asked", "start", "end"), [("0-0", 0, 1), ("100-299", 100, 300), ("1000-", 1000, 1024), ("-24", 1000, 1024),
                                ("1023-9999", 1023, 1024)]
)  # fmt: skip
def test_a_range_gives_those_bytes_alone(client: TestClient, root: Path, asked: str, start: int, end: int) -> None:
    done = client.get("/media", params={"id": CLIP}, headers={"range": f"bytes={asked}"})
    assert (done.status_code, done.content) == (206, (root / CLIP).read_bytes()[start:end])
    assert done.headers["content-range"] == f"bytes {start}-{end - 1}/1024"


@pytest.mark.parametrize(
    "asked",
    ["lines=1-2", "bytes=5-2", "bytes=a-b", "bytes=", "bytes", "bytes=0-1,9-3", f"bytes=0-{'9' * 5000}", "bytes=-"],
)
def test_what_is_no_range_gives_the_whole_file(client: TestClient, root: Path, asked: str) -> None:
    done = client.get("/media", params={"id": CLIP}, headers={"range": asked})
    assert (done.status_code, done.content) == (200, (root / CLIP).read_bytes())


def test_several_ranges_come_in_parts(client: TestClient, root: Path) -> None:
    done = client.get("/media", params={"id": CLIP}, headers={"range": "bytes=0-1, -2"})
    assert done.status_code == 206
    assert [b"\0\x01\r\n" in done.content, b"\xfe\xff\r\n" in done.content] == [True, True]


def test_a_range_behind_the_end_is_416(client: TestClient) -> None:
    done = client.get("/media", params={"id": CLIP}, headers={"range": "bytes=1024-"})
    assert (done.status_code, done.headers["content-range"]) == (416, "bytes */1024")


@pytest.mark.parametrize(
    "clip_id",
    ["", "none", "../secret.mp4", "dog/../dog/1.mp4", "/etc/passwd", "dog/1.mp4\0", "dog/1.mp4%00", "dog", "' OR 1=1"],
    ids=repr,
)
def test_what_is_no_id_of_the_index_is_404_whatever_lies_there(client: TestClient, clip_id: str) -> None:
    status, content = media(client, clip_id)
    assert status == 404
    assert b"expected the id of one" in content
    assert b"secret" not in content.replace(clip_id.encode(), b"")


def test_a_request_without_an_id_says_what_is_missing(client: TestClient) -> None:
    done = client.get("/media")
    assert (done.status_code, done.json()) == (422, {"error": "id: Field required"})


@pytest.mark.parametrize("path", ["../secret.mp4", "dog/../../secret.mp4"])
def test_no_row_leads_out_of_its_folder(root: Path, encoder: Encoder, path: str) -> None:
    assert media(client_of(root, encoder, path), path) == (
        404,
        b'{"error":"the clip\'s file lies outside of its folder; expected one within"}',
    )


def test_an_absolute_path_in_a_row_leads_nowhere(root: Path, encoder: Encoder) -> None:
    secret = str(root.parent / "secret.mp4")
    assert media(client_of(root, encoder, secret), secret)[0] == 404


def link_out(root: Path) -> None:
    (root / "link.mp4").symlink_to(root.parent / "secret.mp4")


def link_folder_out(root: Path) -> None:
    (root / "link.mp4").symlink_to(root / "up" / "secret.mp4")
    (root / "up").symlink_to(root.parent)


def link_to_itself(root: Path) -> None:
    (root / "link.mp4").symlink_to("link.mp4")


def make_folder(root: Path) -> None:
    (root / "link.mp4").mkdir()


def make_pipe(root: Path) -> None:
    os.mkfifo(root / "link.mp4")


def link_to_device(root: Path) -> None:
    (root / "link.mp4").symlink_to("/dev/zero")


@pytest.mark.parametrize(
    "make",
    [link_out, link_folder_out, link_to_itself, make_folder, make_pipe, link_to_device],
    ids=lambda of: of.__name__,
)
def test_what_is_no_file_within_the_folder_is_404_at_once(
    root: Path, encoder: Encoder, make: Callable[[Path], None]
) -> None:
    make(root)
    status, content = media(client_of(root, encoder, "link.mp4"), "link.mp4")
    assert status == 404
    assert re.search(rb"expected (one within|a regular file)", content)


def test_a_link_within_the_folder_is_followed(root: Path, encoder: Encoder) -> None:
    (root / "link.mp4").symlink_to("dog/1.mp4")
    assert media(client_of(root, encoder, "link.mp4"), "link.mp4") == (200, (root / CLIP).read_bytes())


def test_a_folder_that_is_a_link_itself_serves_its_files(root: Path, encoder: Encoder) -> None:
    (root.parent / "other").symlink_to(root)
    assert media(client_of(root.parent / "other", encoder, CLIP), CLIP)[0] == 200


def test_a_file_that_is_deleted_under_the_server_is_410_and_back_again_once_it_is(
    client: TestClient, root: Path
) -> None:
    content = (root / CLIP).read_bytes()
    (root / CLIP).unlink()
    gone = (410, b'{"error":"the clip\'s file is gone; expected it where it was indexed"}')
    assert media(client, CLIP) == gone
    assert media(client, CLIP, range="bytes=0-0") == gone
    assert client.get("/").status_code == 200
    (root / CLIP).write_bytes(content)
    assert media(client, CLIP) == (200, content)


def test_a_clip_without_a_file_says_so() -> None:
    with pytest.raises(UnservedError, match="the clip has no file, as its features were imported") as caught:
        find_file("/videos", "")
    assert caught.value.status == 404


@pytest.mark.parametrize("name", ["a.html", "a.svg", "a.js", "a", "a.xhtml", "a.pdf", "a.mp4.html", "a.SVGZ"])
def test_no_file_is_told_to_be_a_page_or_a_script(name: str) -> None:
    assert media_type(Path(name)) == "application/octet-stream"
