import json
import os
from pathlib import Path

import pytest

from pipeline.clips import file_sha256
from pipeline.datasets.base import DatasetParams, source_module, with_hashes
from pipeline.datasets.folder import find_clips
from pipeline.errors import DataError, ParamsError
from tests.datasets.settings import dataset_params


def params(path: Path | None) -> DatasetParams:
    return dataset_params(source="folder", path=path)


def make(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(name.encode())
    return root


def test_a_folder_is_a_class_and_every_known_kind_of_video_a_clip(tmp_path: Path) -> None:
    names = ["cat/1.mp4", "cat/2.MOV", "dog/3.mkv", "dog/4.webm", "dog/5.avi"]
    root, clips, _ = find_clips(params(make(tmp_path, *names)))
    assert root == tmp_path
    assert [(clip.clip_id, clip.path, clip.label) for clip in clips] == [(n, n, n.split("/")[0]) for n in names]


def test_what_is_no_video_of_a_class_is_passed_over(tmp_path: Path) -> None:
    names = ["cat/1.mp4", "dog/1.mp4", "top.mp4", "cat/notes.txt", "cat/.2.mp4", ".old/3.mp4", "cat/deep/4.mp4"]
    make(tmp_path, *names)
    (tmp_path / "dog" / "5.mp4").mkdir()
    assert [clip.clip_id for clip in find_clips(params(tmp_path))[1]] == ["cat/1.mp4", "dog/1.mp4"]


def test_no_path_says_how_to_give_one() -> None:
    with pytest.raises(ParamsError, match=r"dataset.path is null; expected a folder: -S dataset.path=DIR"):
        find_clips(params(None))


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"dataset.path=.*nowhere: no such folder .*expected DIR/CLASS/\*.mp4"):
        find_clips(params(tmp_path / "nowhere"))


def test_one_class_is_not_enough(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"2 videos of classes \['cat'\]; expected .* two classes or more"):
        find_clips(params(make(tmp_path, "cat/1.mp4", "cat/2.mp4")))


def test_an_unknown_source_lists_the_known_ones() -> None:
    with pytest.raises(ParamsError, match=r"dataset.source='tape'; expected one of \[.*'demo',.* 'folder'"):
        source_module("tape")


def test_hashes_are_those_of_the_files_and_are_remembered(tmp_path: Path) -> None:
    root, clips, _ = find_clips(params(make(tmp_path / "videos", "a/1.mp4", "b/2.mp4")))
    for clip in clips:
        os.utime(root / clip.path, (1e9, 1e9))
    hashed = with_hashes(root, clips, tmp_path / "memory.json")
    assert [clip.sha256 for clip in hashed] == [file_sha256(root / clip.path) for clip in clips]
    remembered = {key: "remembered" for key in json.loads((tmp_path / "memory.json").read_text())}
    (tmp_path / "memory.json").write_text(json.dumps(remembered))
    assert [clip.sha256 for clip in with_hashes(root, clips, tmp_path / "memory.json")] == ["remembered"] * 2


def test_a_file_that_changes_gets_a_new_hash(tmp_path: Path) -> None:
    root, clips, _ = find_clips(params(make(tmp_path / "videos", "a/1.mp4", "b/2.mp4")))
    with_hashes(root, clips, tmp_path / "memory.json")
    (root / "a/1.mp4").write_bytes(b"B/1.mp4")  # the same size, within the same tick of the clock
    after = with_hashes(root, clips, tmp_path / "memory.json")
    assert after[0].sha256 == file_sha256(root / "a/1.mp4")


def test_a_file_that_cannot_be_read_has_no_hash(tmp_path: Path) -> None:
    make(tmp_path / "videos", "a/1.mp4", "b/2.mp4")
    (tmp_path / "videos/a/3.mp4").symlink_to("nowhere")
    hashed = with_hashes(*find_clips(params(tmp_path / "videos"))[:2], tmp_path / "memory.json")
    assert [bool(clip.sha256) for clip in hashed] == [True, False, True]
