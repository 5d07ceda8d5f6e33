"""Files that cannot be written: the message names the file, its disk and what helps."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.errors import DiskError
from pipeline.formats.files import adding_files, disk_errors, replacing_folder, write_atomically

WRITE_1_MB = """
import resource, sys
from pipeline.errors import DiskError
from pipeline.formats.files import write_atomically
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    write_atomically(sys.argv[1], bytes(1_000_000))
except DiskError as error:
    print(error)
"""


def message(path: Path, number: int, named: str | None = None) -> str:
    with pytest.raises(DiskError) as caught, disk_errors(path):
        raise OSError(number, os.strerror(number), named)
    return str(caught.value)


@pytest.mark.parametrize(
    ("number", "advice"),
    [
        (errno.ENOSPC, "expected room to write: remove what is not needed"),
        (
            errno.EDQUOT,
            "expected room within the quota of this user or group: remove what is not needed, or ask",
        ),
        (errno.EIO, "expected a device that works: its log (dmesg) or the server of a network folder says more"),
        (errno.EFBIG, "expected files of that size to be allowed: raise the limit (ulimit -f)"),
    ],
)
def test_the_advice_fits_what_the_system_says(tmp_path: Path, number: int, advice: str) -> None:
    assert advice in message(tmp_path / "file", number)


def test_the_free_room_and_inodes_are_those_of_the_file_s_own_disk() -> None:
    disk = os.statvfs("/dev/shm")
    said = message(Path("/dev/shm/no-such-folder/file"), errno.ENOSPC)
    assert said.startswith("/dev/shm/no-such-folder/file: No space left on device (")
    n_inodes = int(said.split(" inodes free)")[0].rpartition(" ")[2])
    assert abs(n_inodes - disk.f_favail) < 1000  # others use it meanwhile


@pytest.mark.parametrize("name", ["AVR_CACHE_DIR", "AVR_WEIGHTS_DIR"])
def test_the_variable_that_moves_the_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, str(tmp_path / "there"))
    assert f"or name a folder on another disk in {name}" in message(tmp_path / "there" / "file", errno.ENOSPC)
    assert "or move the project to another disk" in message(tmp_path / "file", errno.ENOSPC)


def test_where_only_the_folder_is_known_the_system_names_the_file(tmp_path: Path) -> None:
    named = str(tmp_path / "folder" / "file")
    assert message(tmp_path, errno.ENOSPC, named).startswith(f"{named}: ")
    assert message(tmp_path / "whole", errno.ENOSPC, named).startswith(f"{tmp_path / 'whole'}: ")


def test_a_file_above_the_limit_of_its_size_is_named_and_nothing_is_left(tmp_path: Path) -> None:
    command = [sys.executable, "-c", WRITE_1_MB, str(tmp_path / "file")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.startswith(f"{tmp_path / 'file'}: File too large (")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_in_the_place_of_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(DiskError, match="folder: Is a directory; expected a folder that can be written"):
        write_atomically(tmp_path / "folder", b"data")


def test_a_folder_takes_the_place_of_another_whole_or_not_at_all(tmp_path: Path) -> None:
    with replacing_folder(tmp_path / "a" / "out") as folder:
        (folder / "old").touch()
    with pytest.raises(FileNotFoundError), replacing_folder(tmp_path / "a" / "out") as folder:
        (folder / "half").rename(folder / "whole")
    assert [path.name for path in (tmp_path / "a" / "out").iterdir()] == ["old"]
    with replacing_folder(tmp_path / "a" / "out") as folder:
        (folder / "new").touch()
    assert [path.name for path in (tmp_path / "a" / "out").iterdir()] == ["new"]
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["out"]


def test_files_are_added_to_a_folder_all_of_them_or_none(tmp_path: Path) -> None:
    out = tmp_path / "a" / "out"
    with pytest.raises(FileNotFoundError), adding_files(out) as folder:
        (folder / "half").rename(folder / "whole")
    assert list(tmp_path.iterdir()) == []
    out.mkdir(parents=True)
    (out / "mine").write_text("stays")
    (out / "same").write_text("old")
    with adding_files(out) as folder:
        (folder / "same").write_text("new")
    assert {path.name: path.read_text() for path in out.iterdir()} == {"mine": "stays", "same": "new"}
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["out"]
