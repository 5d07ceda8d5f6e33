import os
import time
from pathlib import Path

import numpy as np
import pytest

from pipeline.clip_jobs.cache import ClipCache, Entry
from pipeline.clip_jobs.worker import compute_in_worker
from pipeline.errors import ClipError
from pipeline.formats.clip_files import files_of, files_sha256
from pipeline.formats.clips import Clip
from pipeline.formats.files import file_sha256
from pipeline.formats.shards import Arrays


def work(clip: Clip, path: Path) -> Arrays:
    return {"size": np.array([path.stat().st_size])}


def edit_and_hide_it(clip: Clip, path: Path) -> Arrays:
    """Another program overwrites the file while it is decoded, and sets the old time."""
    arrays, facts = work(clip, path), path.stat()
    time.sleep(0.02)  # a system may count its times in hundredths of a second
    with path.open("r+b") as file:
        file.write(b"B")
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    return arrays


@pytest.fixture
def clip(tmp_path: Path) -> Clip:
    (tmp_path / "a.mp4").write_bytes(b"bytes")
    return Clip(clip_id="a.mp4", path="a.mp4", label="cat", sha256=file_sha256(tmp_path / "a.mp4"))


def test_a_file_edited_in_place_behind_its_old_size_and_time_is_noticed(tmp_path: Path, clip: Clip) -> None:
    cache = ClipCache(tmp_path / "cache", "f")
    refusal = compute_in_worker(clip, tmp_path, edit_and_hide_it, cache)
    assert isinstance(refusal, ClipError)
    assert refusal.kind == "changed"
    assert cache.look_up("a.mp4", clip.sha256) == Entry("unknown")


def test_a_pipe_in_the_place_of_a_video_is_refused_without_waiting(tmp_path: Path, clip: Clip) -> None:
    (tmp_path / "a.mp4").unlink()
    os.mkfifo(tmp_path / "a.mp4")
    refusal = compute_in_worker(clip, tmp_path, work, ClipCache(tmp_path / "cache", "f"))
    assert isinstance(refusal, ClipError)
    assert str(refusal) == "clip 'a.mp4': a.mp4: no regular file; expected a file that can be read"
    assert refusal.kind == "unreadable"


def test_a_clip_of_two_files_is_the_one_that_was_hashed_while_both_are(tmp_path: Path) -> None:
    film, mouth = "mp4/id1/video/1.mp4", tmp_path / "mouth_roi/id1/video/1.h5"
    for path in (tmp_path / film, mouth):
        path.parent.mkdir(parents=True)
        path.write_bytes(b"bytes")
    clip = Clip(clip_id="a", path=film, label="speech", sha256=files_sha256(files_of(tmp_path, film).all()))
    cache = ClipCache(tmp_path / "cache", "f")
    assert compute_in_worker(clip, tmp_path, work, cache) is None
    assert cache.look_up("a", clip.sha256) == Entry("done")
    mouth.write_bytes(b"others")
    refusal = compute_in_worker(clip, tmp_path, work, cache)
    assert isinstance(refusal, ClipError)
    assert refusal.kind == "changed"
