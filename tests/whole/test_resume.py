"""What a user may rely on between two runs: only what is new or was lost is computed, and the bytes never differ."""

import os
import shutil
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import save_file

from pipeline.networks.inception import random_weights as inception_weights
from pipeline.networks.vggish import random_weights as vggish_weights
from tests.helpers.project import CLIP_STAGES, Changes, Workspace, write_video, write_videos

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]  # the networks are the real ones
N_CLIPS = 9
ALL = ("dataset", *CLIP_STAGES)


@pytest.fixture(scope="module")
def changes(tmp_path_factory: pytest.TempPathFactory) -> Changes:
    """Random weights as files, which are faster to read than to make, and examples that fill several batches."""
    folder = tmp_path_factory.mktemp("weights")
    for name, made in (("vggish", vggish_weights.random_state(0)), ("inception", inception_weights.random_state(0))):
        save_file({key: tensor.contiguous() for key, tensor in made.items()}, folder / f"{name}.safetensors")
    weights = {name: {"weights": str(folder / f"{name}.safetensors")} for name in ("vggish", "inception")}
    return {**weights, "logmel": {"example_hop_seconds": 0.1}}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, changes: Changes) -> Workspace:
    """A workspace after one run that nothing stopped."""
    folder = tmp_path_factory.mktemp("undisturbed")
    made = Workspace(folder, write_videos(folder / "videos"), folder / "cache", changes)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AVR_WEIGHTS_DIR", str(folder / "weights"))
        assert made.run(*ALL) == dict.fromkeys(CLIP_STAGES, N_CLIPS)
    return made


@pytest.fixture
def copy(undisturbed: Workspace, changes: Changes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """Another workspace with the same videos, what the stages made of them, and a cache that knows them."""
    monkeypatch.setenv("AVR_WEIGHTS_DIR", str(undisturbed.folder / "weights"))
    videos = shutil.copytree(undisturbed.folder / "videos", tmp_path / "videos")
    shutil.copytree(undisturbed.cache / "clips", tmp_path / "cache" / "clips")
    shutil.copytree(undisturbed.folder / "data", tmp_path / "data")
    return Workspace(tmp_path, videos, tmp_path / "cache", changes)


def kill_when(workspace: Workspace, stage: str, n_wanted: int) -> int:
    """Start a stage, kill -9 it and its workers at so many finished clips, and return how many there are."""
    process = workspace.start(stage)
    while len(workspace.entries(stage)) < n_wanted:
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.001)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    return len(workspace.entries(stage))


@pytest.mark.parametrize(("stage", "seed"), [(stage, seed) for seed, stage in enumerate(CLIP_STAGES)])
def test_a_killed_stage_computes_no_clip_twice_and_ends_with_the_same_bytes(
    undisturbed: Workspace, copy: Workspace, stage: str, seed: int
) -> None:
    shutil.rmtree(copy.cache / "clips" / stage)
    n_kept = 0
    for n_wanted in sorted(np.random.default_rng(seed).choice(np.arange(1, N_CLIPS - 1), 2, replace=False)):
        n_kept = kill_when(copy, stage, max(int(n_wanted), min(n_kept + 1, N_CLIPS)))
    assert copy.run(stage) == {stage: N_CLIPS - n_kept}
    assert copy.outs([stage]) == undisturbed.outs([stage])


def test_an_added_a_changed_a_renamed_and_a_removed_clip_cost_what_is_new(copy: Workspace) -> None:
    videos = copy.folder / "videos"
    write_video(videos / "class 0" / "new.mp4", seed=100)
    assert copy.run(*ALL) == dict.fromkeys(CLIP_STAGES, 1)
    write_video(videos / "class 0" / "new.mp4", seed=101)
    assert copy.run(*ALL) == dict.fromkeys(CLIP_STAGES, 1)
    (videos / "class 0" / "new.mp4").rename(videos / "class 1" / "renamed.mp4")
    assert copy.run(*ALL) == dict.fromkeys(CLIP_STAGES, 0)
    (videos / "class 1" / "renamed.mp4").unlink()
    assert copy.run(*ALL) == dict.fromkeys(CLIP_STAGES, 0)


def test_a_clip_that_came_and_went_leaves_the_same_bytes(undisturbed: Workspace, copy: Workspace) -> None:
    write_video(copy.folder / "videos" / "class 0" / "new.mp4", seed=100)
    copy.run("dataset", "logmel", "frames")
    (copy.folder / "videos" / "class 0" / "new.mp4").unlink()
    copy.run("dataset", "logmel", "frames")
    assert copy.outs(["logmel", "frames"]) == undisturbed.outs(["logmel", "frames"])


def flip_last_byte(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))


def cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def test_damaged_and_lost_entries_are_computed_again_and_the_bytes_stay(
    undisturbed: Workspace, copy: Workspace
) -> None:
    hurt = {path for stage in CLIP_STAGES for path in copy.entries(stage)[2:5]}
    before = {path: path.read_bytes() for path in hurt}
    for stage in CLIP_STAGES:
        flipped, shortened, lost = copy.entries(stage)[2:5]
        flip_last_byte(flipped)
        cut_off(shortened)
        lost.unlink()
    copy.run(*ALL)
    assert copy.outs() == undisturbed.outs()
    assert {path: path.read_bytes() for path in hurt} == before
