"""Which files a command line means."""

from pathlib import Path

import pytest

from pipeline.encoder.found_files import media_files
from pipeline.errors import DataError


def test_folders_give_media_at_any_depth_and_files_come_as_named(tmp_path: Path) -> None:
    for name in ("b/c/deep.MP4", "b/a.wav", "b/.hidden.mp4", "b/.git/x.mp4", "b/notes.txt", "odd.bin", "b/p.jpeg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "b" / "loop").symlink_to(tmp_path)
    found = media_files([tmp_path / "odd.bin", tmp_path / "b", tmp_path / "b" / "a.wav", tmp_path / "missing"])
    expected = ["odd.bin", "b/a.wav", "b/c/deep.MP4", "b/p.jpeg", "missing"]
    assert found == [str(tmp_path / name) for name in expected]


def test_a_folder_without_media_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no file that ends in \.mp4 .*\.wav .*\.png .*; expected one"):
        media_files([tmp_path])
