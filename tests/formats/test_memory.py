"""Files that only save time: whatever stands in their place, a run goes on."""

import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from pydantic import TypeAdapter

from pipeline.formats.memory import recall, remember

KIND = TypeAdapter(dict[str, str])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "memory.json"


def test_what_is_remembered_comes_back(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    remember(path, KIND, {"a": "1", "ü": "2"})
    assert recall(path, KIND) == {"a": "1", "ü": "2"}
    assert capsys.readouterr().err == ""


def test_before_the_first_time_nothing_is_remembered_and_nothing_said(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert recall(path, KIND) == {}
    assert capsys.readouterr().err == ""


def fill(path: Path, what: str) -> None:
    if what == "a folder":
        path.mkdir()
    elif what == "a pipe":
        os.mkfifo(path)
    elif what == "a loop of links":
        path.symlink_to(path.name)
    elif what == "a link":
        path.with_name("elsewhere").write_bytes(b'{"a": "1"}')
        path.symlink_to("elsewhere")
    elif what == "4 TB of nothing":
        with path.open("wb") as file:
            file.truncate(4 << 40)
    else:
        path.write_bytes({"cut off": b'{"a', "of another type": b'{"a": [1]}', "deep": b'{"a":' * 99_999}[what])


@pytest.mark.parametrize(
    "what", ["a folder", "a pipe", "a link", "a loop of links", "4 TB of nothing", "cut off", "of another type", "deep"]
)
def test_what_cannot_be_used_counts_as_nothing_and_a_line_says_so(
    path: Path, what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(path, what)
    assert recall(path, KIND) == {}
    said = capsys.readouterr().err
    assert f"{path}: cannot be used (" in said
    assert said.endswith("); it only saves time, and the run goes on without it\n")
    assert said.count("\n") == 1


def test_a_link_is_replaced_and_what_it_leads_to_stays_as_it_is(path: Path) -> None:
    fill(path, "a link")
    remember(path, KIND, {"b": "2"})
    assert (recall(path, KIND), path.is_symlink()) == ({"b": "2"}, False)
    assert path.with_name("elsewhere").read_bytes() == b'{"a": "1"}'


AS_ANOTHER_USER = """
import os, sys
from pathlib import Path
from pydantic import TypeAdapter
from pipeline.formats.memory import recall, remember
kind = TypeAdapter(dict[str, str])
os.setuid(65534)
known = recall(sys.argv[1], kind)
remember(sys.argv[1], kind, {"mine": "2"})
print(known, recall(sys.argv[1], kind))
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
@pytest.mark.parametrize(("mode", "after"), [(0o777, {"mine": "2"}), (0o755, {})], ids=["shared folder", "closed"])
def test_a_file_of_another_user_counts_as_nothing(mode: int, after: dict[str, str]) -> None:
    with TemporaryDirectory() as folder:  # pytest's own folder is closed to others
        path = Path(folder, "memory.json")
        remember(path, KIND, {"theirs": "1"})
        path.chmod(0o600)
        Path(folder).chmod(mode)
        command = [sys.executable, "-c", AS_ANOTHER_USER, str(path)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == f"{{}} {after}\n"
    assert "memory.json: cannot be used (Permission denied)" in done.stderr


def test_a_place_that_cannot_be_written_is_told_in_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    remember(tmp_path / "file" / "memory.json", KIND, {"a": "1"})
    (tmp_path / "folder").mkdir()
    remember(tmp_path / "folder", KIND, {"a": "1"})
    said = capsys.readouterr().err.splitlines()
    assert [line.endswith("; it only saves time, and the run goes on without it") for line in said] == [True, True]
