"""Under DVC: a clip that was refused for what may pass is tried again by the next run; no stage outlives its DVC."""

import itertools
import os
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pipeline.formats import rejects
from pipeline.video.writer import write_mp4
from tests.helpers.project import RANDOM_WEIGHTS, Project, computed, ran, write_params, write_video, write_videos

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def test_what_may_pass_is_tried_again_by_the_next_run_until_it_does(tmp_path: Path) -> None:
    videos = write_videos(tmp_path / "videos")
    (tmp_path / "project").mkdir()
    project = Project(tmp_path / "project", tmp_path / "cache")
    write_params(project.folder, {"dataset": {"source": "folder", "path": str(videos)}, **RANDOM_WEIGHTS})
    project.dvc("repro", "dataset")
    video = videos / "class 0" / "0.mp4"
    whole = video.read_bytes()
    write_video(video, seed=100)
    said = project.dvc("repro", "--single-item", "logmel")
    assert "1 of the refused clips are tried again by the next `dvc repro` (1 changed)" in said
    (row,) = rejects.read(project.folder / "data" / "logmel" / "rejected.csv")
    assert row.kind == "changed"
    video.write_bytes(whole)
    said = project.dvc("repro", "logmel")
    assert (ran(said), computed(said)) == ({"dataset", "logmel"}, {"logmel": 1})
    assert rejects.read(project.folder / "data" / "logmel" / "rejected.csv") == []
    assert ran(project.dvc("repro", "logmel")) == {"dataset"}


def test_clips_that_time_out_each_time_are_tried_each_time(tmp_path: Path) -> None:
    videos = write_videos(tmp_path / "videos")
    black, silence = np.zeros((32, 32, 3), np.uint8), np.zeros(16000, np.float32)
    # far more pictures than can be decoded within the limit, in a file that is hashed well within it
    write_mp4(videos / "class 0" / "slow.mp4", itertools.repeat(black, 20_000), 30, silence, 16000)
    (tmp_path / "project").mkdir()
    project = Project(tmp_path / "project", tmp_path / "cache")
    limits = {"clip_timeout_seconds": 0.2, "max_rejected_fraction": 1}
    write_params(project.folder, {"dataset": {"source": "folder", "path": str(videos), **limits}, **RANDOM_WEIGHTS})
    for _ in range(3):  # the other clips may be too slow as well, the first time
        said = project.dvc("repro", "frames")
        assert ran(said) == {"dataset", "frames"}
        assert re.search(r"of the refused clips are tried again by the next `dvc repro` \(\d+ timeout\)", said)


def is_running(group: int) -> bool:
    """Whether a process of the group is left."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def wait_until(is_time: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not is_time():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_dvc_that_is_killed_alone_leaves_no_stage_running(tmp_path: Path) -> None:
    videos = write_videos(tmp_path / "videos", n_classes=3, clips_per_class=100)
    (tmp_path / "project").mkdir()
    project = Project(tmp_path / "project", tmp_path / "cache")
    project.env["AVR_WORKERS"] = "1"  # it is at work for seconds, and looks for its DVC every half second
    write_params(project.folder, {"dataset": {"source": "folder", "path": str(videos)}, **RANDOM_WEIGHTS})
    dvc = project.start("repro", "frames")
    wait_until(lambda: any((tmp_path / "cache" / "clips" / "frames").glob("*/*.safetensors")))
    dvc.send_signal(signal.SIGKILL)
    said = dvc.communicate(timeout=120)[0]
    wait_until(lambda: not is_running(dvc.pid))
    assert "frames: stopped, as the DVC that ran it is gone; run the same command again" in said
    said = project.dvc("repro", "frames")
    assert computed(said)["frames"] < 300  # what was finished is kept
