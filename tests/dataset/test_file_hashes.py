import hashlib
import json
import os
import time
from pathlib import Path

import pytest

from pipeline.dataset import file_hashes
from pipeline.dataset.file_hashes import with_hashes
from pipeline.formats.clips import Clip

NAMES = ("a.mp4", "b.mp4")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "videos"
    folder.mkdir()
    for name in NAMES:
        (folder / name).write_bytes(name.encode())
    return folder


@pytest.fixture
def _at_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files count as untouched for long enough, though the test has just made them."""
    monkeypatch.setattr(file_hashes, "RACY_SECONDS", -60.0)


def hashes(root: Path) -> list[str]:
    clips = [Clip(clip_id=name, path=name, label="cat") for name in NAMES]
    return [clip.sha256 for clip in with_hashes(root, clips, root.parent / "memory.json")]


def true_hashes(root: Path) -> list[str]:
    return [hashlib.sha256((root / name).read_bytes()).hexdigest() for name in NAMES]


@pytest.mark.usefixtures("_at_rest")
def test_hashes_are_those_of_the_files_and_are_remembered(root: Path) -> None:
    assert hashes(root) == true_hashes(root)
    memory = root.parent / "memory.json"
    remembered = {key: [state, "remembered"] for key, (state, _) in json.loads(memory.read_text()).items()}
    memory.write_text(json.dumps(remembered))
    assert hashes(root) == ["remembered"] * 2


@pytest.mark.usefixtures("_at_rest")
def test_a_file_edited_in_place_with_its_old_size_and_time_is_hashed_again(root: Path) -> None:
    before = hashes(root)
    facts = (root / "a.mp4").stat()
    time.sleep(0.02)  # a system may count its times in hundredths of a second
    with (root / "a.mp4").open("r+b") as file:
        file.write(b"A")
    os.utime(root / "a.mp4", ns=(facts.st_atime_ns, facts.st_mtime_ns))
    after = (root / "a.mp4").stat()
    assert (after.st_size, after.st_mtime_ns, after.st_ino) == (facts.st_size, facts.st_mtime_ns, facts.st_ino)
    assert hashes(root) == true_hashes(root) != before


@pytest.mark.usefixtures("_at_rest")
def test_a_file_that_changes_often_is_remembered_once(root: Path) -> None:
    for text in ("1", "22", "333"):
        (root / "a.mp4").write_text(text)
        assert hashes(root) == true_hashes(root)
    assert len(json.loads((root.parent / "memory.json").read_text())) == 2


def test_a_file_that_was_touched_just_now_is_not_remembered(root: Path) -> None:
    hashes(root)
    (root / "a.mp4").write_bytes(b"A.mp4")  # the same size, within the same tick of the clock
    assert hashes(root) == true_hashes(root)


@pytest.mark.usefixtures("_at_rest")
@pytest.mark.parametrize(
    "damage", [b"", b'{"half', b"\xff", b"[1]", b"null", b"[" * 100_000, b'{"a": "b"}', b'{"a": 1}']
)
def test_a_damaged_memory_of_hashes_is_made_anew_with_a_line(
    root: Path, damage: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    memory = root.parent / "memory.json"
    memory.write_bytes(damage)
    assert hashes(root) == true_hashes(root)
    assert f"{memory}: cannot be used" in capsys.readouterr().err
    assert [digest for _, digest in json.loads(memory.read_text()).values()] == true_hashes(root)


def test_what_is_no_readable_file_has_no_hash(root: Path) -> None:
    (root / "a.mp4").unlink()
    os.mkfifo(root / "a.mp4")
    (root / "b.mp4").unlink()
    assert hashes(root) == ["", ""]


def test_a_file_that_takes_too_long_gets_no_hash_and_keeps_no_other_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def slow_or_not(path: Path) -> str:
        if path.name == "slow":
            time.sleep(1000)
        return path.name

    monkeypatch.setattr(file_hashes, "file_sha256", slow_or_not)
    clips = [Clip(clip_id=name, path=name, label="x") for name in ("slow", "fast")]
    for clip in clips:
        (tmp_path / clip.path).touch()
    assert [clip.sha256 for clip in with_hashes(tmp_path, clips, tmp_path / "memory.json", 0.3)] == ["", "fast"]
    expected = f"{tmp_path / 'slow'}: not done after 0.3 s; expected a file that can be read in that time"
    assert expected in capsys.readouterr().err
