"""Disks that are full: real ones where the tests may mount, and everywhere what the system says of them."""

import errno
import os
import pickle
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from safetensors import SafetensorError

from pipeline.errors import DataError, DiskError
from pipeline.formats import shards
from pipeline.formats.files import disk_errors, write_atomically
from tests.helpers.project import Changes, Workspace, write_videos

N_CLIPS = 9
CHANGES: Changes = {
    "logmel": {"example_hop_seconds": 0.1},  # 11 examples of 24.6 kB a clip
    "vggish": {"allow_random": True},
    "inception": {"allow_random": True},
}


class Disk:
    """A file system of its own, in memory."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder = folder

    def mount(self, *options: str) -> None:
        command = ["mount", "-t", "tmpfs", "-o", ",".join(options), "none", str(self.folder)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            pytest.skip(f"this machine mounts nothing for the tests ({done.stderr.strip()})")

    def change(self, options: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{options}", str(self.folder)], check=True)

    def grow(self) -> None:
        self.change("size=64m")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    made = Disk(tmp_path / "disk")
    made.mount("size=1m")
    yield made
    subprocess.run(["umount", str(made.folder)], check=True)


@pytest.fixture(scope="module")
def roomy(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace after a run with room enough."""
    folder = tmp_path_factory.mktemp("roomy")
    made = Workspace(folder / "run", write_videos(folder / "videos"), folder / "cache", CHANGES)
    made.run("dataset", "logmel")
    return made


def failed(workspace: Workspace, stage: str) -> str:
    """What a stage says that stops with an error."""
    process = workspace.start(stage)
    output = process.communicate(timeout=120)[0]
    assert process.returncode == 1, output
    assert "Traceback" not in output
    return output


def unfinished(folder: Path) -> list[Path]:
    return [*folder.rglob("*.tmp"), *folder.rglob("*.partial")]


def test_a_run_goes_on_where_a_full_cache_stopped_it(roomy: Workspace, disk: Disk, tmp_path: Path) -> None:
    videos = roomy.folder.parent / "videos"
    workspace = Workspace(tmp_path / "run", videos, disk.folder / "cache", CHANGES)
    workspace.env["AVR_WORKERS"] = "1"  # what a second one leaves that is killed as it writes is for `avr cache prune`
    workspace.run("dataset")
    output = failed(workspace, "logmel")
    assert "logmel: DiskError: " in output
    assert "No space left on device" in output
    assert "AVR_CACHE_DIR, and run again" in output
    n_kept = len(workspace.entries("logmel"))
    assert 0 < n_kept < N_CLIPS
    assert unfinished(disk.folder) == []
    disk.grow()
    assert workspace.run("logmel") == {"logmel": N_CLIPS - n_kept}
    assert workspace.outs(["logmel"]) == roomy.outs(["logmel"])


def test_a_run_computes_nothing_again_after_a_full_disk_of_outs(roomy: Workspace, disk: Disk) -> None:
    videos = roomy.folder.parent / "videos"
    workspace = Workspace(disk.folder, videos, roomy.cache, CHANGES)
    workspace.run("dataset")
    output = failed(workspace, "logmel")
    assert "logmel: DiskError: data/logmel/shard-" in output
    assert unfinished(disk.folder) == []
    disk.grow()
    assert workspace.run("logmel") == {"logmel": 0}
    assert workspace.outs(["logmel"]) == roomy.outs(["logmel"])


def test_a_cache_that_may_only_be_read_serves_what_it_has(roomy: Workspace, disk: Disk, tmp_path: Path) -> None:
    disk.grow()
    cache = disk.folder / "cache"
    shutil.copytree(roomy.cache / "clips", cache / "clips")
    damaged = min(cache.glob("clips/*/*/*"))
    damaged.write_bytes(damaged.read_bytes()[:-1])
    disk.change("ro")
    workspace = Workspace(tmp_path / "run", roomy.folder.parent / "videos", cache, CHANGES)
    workspace.run("dataset")
    assert f"DiskError: {damaged}: Read-only file system; expected a folder" in failed(workspace, "logmel")
    disk.change("rw")
    shutil.copytree(roomy.cache / "clips", cache / "clips", dirs_exist_ok=True)
    disk.change("ro")
    assert workspace.run("logmel") == {"logmel": 0}
    assert workspace.outs(["logmel"]) == roomy.outs(["logmel"])


def test_clips_csv_on_a_full_disk_is_named(roomy: Workspace, tmp_path: Path) -> None:
    workspace = Workspace(tmp_path, roomy.folder.parent / "videos", tmp_path / "cache", CHANGES)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "clips.csv").symlink_to("/dev/full")  # writing to it always finds a full disk
    assert "dataset: DiskError: data/clips.csv: No space left on device (" in failed(workspace, "dataset")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
def test_a_shard_that_does_not_fit_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def fail(arrays: shards.Arrays, path: Path) -> None:
        raise SafetensorError(f"Error while serializing: I/O error: {os.strerror(number)} (os error {number})")

    monkeypatch.setattr(shards, "save_file", fail)
    with pytest.raises(
        DiskError, match=rf"shard-\d\d-of-32.safetensors: {os.strerror(number)} \(\d+\.\d MB and \d+ inodes free\)"
    ):
        shards.write_shards(tmp_path, ["clip"], lambda clip_id: {"a": np.zeros(1)})


def test_a_disk_without_inodes_is_told_from_a_full_one(tmp_path: Path) -> None:
    made = Disk(tmp_path / "few")
    made.mount("size=64m", "nr_inodes=3")
    try:
        (made.folder / "first").touch()
        (made.folder / "second").touch()
        with pytest.raises(
            DiskError, match=r"third: No space left .* and 0 inodes free\); expected room for another file"
        ):
            write_atomically(made.folder / "third", b"data")
    finally:
        subprocess.run(["umount", str(made.folder)], check=True)


def test_what_is_no_failure_of_a_disk_passes(tmp_path: Path) -> None:
    with pytest.raises(PermissionError), disk_errors(tmp_path / "file"):
        raise PermissionError(errno.EACCES, "no")
    with pytest.raises(DataError, match="os error 28"), disk_errors(tmp_path / "file"):
        raise DataError("a name with (os error 28) in it")


def test_the_error_survives_the_way_out_of_a_worker(tmp_path: Path) -> None:
    with pytest.raises(DiskError) as caught, disk_errors(tmp_path / "a" / "file"):
        raise OSError(errno.ENOSPC, "full")
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)
