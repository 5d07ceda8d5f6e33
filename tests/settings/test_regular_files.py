"""Only regular files are opened: nothing here may wait, so each test ends at once or not at all."""

import os
import socket
from pathlib import Path

import pytest

from pipeline.errors import DataError
from pipeline.settings.regular_files import check_regular, open_regular, read_regular


def make(path: Path, kind: str) -> Path:
    if kind == "a folder":
        path.mkdir()
    elif kind == "a pipe":
        os.mkfifo(path)
    elif kind == "a socket":
        with socket.socket(socket.AF_UNIX) as bound:
            bound.bind(str(path))
    else:
        path.symlink_to("/dev/zero")  # a device, which would be read without end
    return path


@pytest.mark.parametrize("kind", ["a folder", "a pipe", "a socket", "a device"])
def test_what_is_no_regular_file_is_refused_by_its_kind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.chdir(tmp_path)  # the name of a socket is short
    path = make(Path("x"), kind)
    for use in (check_regular, open_regular, read_regular):
        with pytest.raises(DataError, match=f"^x: {kind}; expected a regular file$"):
            use(path)


def test_a_file_is_read_through_a_link_only_where_links_are_followed(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    (tmp_path / "link").symlink_to("file")
    assert read_regular(tmp_path / "link") == b"content"
    with pytest.raises(DataError, match="link: a link; expected a regular file"):
        read_regular(tmp_path / "link", follow_link=False)


def test_a_sparse_file_counts_with_its_holes_and_is_refused_before_it_is_read(tmp_path: Path) -> None:
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(4 << 40)
    assert (tmp_path / "sparse").stat().st_blocks == 0
    with pytest.raises(DataError, match=r"sparse: 4398046511104 bytes; expected at most 1073741824"):
        read_regular(tmp_path / "sparse")


def test_a_file_as_large_as_may_be_is_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"12345")
    assert read_regular(tmp_path / "file", 5) == b"12345"
    with pytest.raises(DataError, match="5 bytes; expected at most 4"):
        read_regular(tmp_path / "file", 4)


def test_a_name_that_no_file_can_have_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="embedded null byte; expected the path of a file"):
        check_regular(f"{tmp_path}/a\0b")


def test_what_is_not_there_is_missing_as_for_any_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        open_regular(tmp_path / "none")
