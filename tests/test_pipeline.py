"""The main job as a user runs it: DVC in a fresh git repository, real MP4 files, every stage the real one."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parent.parent
STAGES = ["logmel", "frames", "vggish", "inception", "features"]
pytestmark = pytest.mark.slow

SMALL = {
    "demo": {"n_classes": 3, "clips_per_class": 7, "min_seconds": 2.0, "max_seconds": 2.2, "picture_size": 64},
    "model": {"epochs": 3, "seeds": [0, 1]},
}
MODELS = {"dual_subspace": "model", "cca": "baselines.cca"}


class Project:
    """A clone of the project with a small demo, and a cache folder of its own."""

    def __init__(self, folder: Path, cache: Path) -> None:
        self.folder = folder
        python = Path(sys.executable).parent
        self.env = {**os.environ, "CACHE_DIR": str(cache), "PATH": f"{python}{os.pathsep}{os.environ['PATH']}"}
        command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
        for name in filter(None, listed.split("\0")):
            if (ROOT / name).exists() and name not in ("dvc.lock", "metrics.json"):
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, folder / name)
        params = yaml.safe_load((folder / "params.yaml").read_text())
        for section, changes in SMALL.items():
            params[section] |= changes
        params["models"] = MODELS
        (folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
        for words in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "start"]):
            self.git(*words)

    def git(self, *words: str) -> None:
        who = ["-c", "user.name=test", "-c", "user.email=test@example.org"]
        subprocess.run(["git", *who, *words], cwd=self.folder, check=True)

    def start(self, *words: str) -> "subprocess.Popen[str]":
        command = [sys.executable, "-m", "dvc", *words]
        return subprocess.Popen(
            command,
            cwd=self.folder,
            env=self.env,
            text=True,
            start_new_session=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def dvc(self, *words: str, fails: bool = False) -> str:
        process = self.start(*words)
        output = process.communicate(timeout=280)[0]
        assert (process.returncode != 0) == fails, output
        return output

    def metrics(self) -> dict[str, Any]:
        read: dict[str, Any] = json.loads((self.folder / "metrics.json").read_text())
        return read

    def lock(self) -> dict[str, Any]:
        read: dict[str, Any] = yaml.safe_load((self.folder / "dvc.lock").read_text())["stages"]
        return read

    def outs(self) -> dict[str, str]:
        """Hash of every out."""
        return {out["path"]: out["md5"] for stage in self.lock().values() for out in stage["outs"]}


def ran(output: str) -> set[str]:
    """Stages that DVC ran, as its output says."""
    return set(re.findall(r"Running stage '([^']+)'", output))


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The project after its first `dvc repro`, committed."""
    made = Project(tmp_path_factory.mktemp("project"), tmp_path_factory.mktemp("cache"))
    made.dvc("repro")
    made.git("add", "-A")
    made.git("commit", "-qm", "first run")
    return made


def test_the_metrics_are_those_of_the_contract(project: Project) -> None:
    metrics = project.metrics()
    assert metrics["dataset"]["n_clips"] == 21
    assert metrics["dataset"]["source"] == "demo"
    assert metrics["rejected"] == 0
    for model in MODELS:
        for way in ("audio_to_visual", "visual_to_audio", "average"):
            assert 0 < metrics["models"][model][way]["map"] <= 1
    assert 0.2 < metrics["chance"]["map"] < 0.7  # 3 classes, 6 test clips
    assert metrics["provenance"]["vggish"]["weights"] == "random"
    assert len(metrics["provenance"]["inception"]["sha256"]) == 64


def test_git_sees_nothing_that_a_user_must_not_commit(project: Project) -> None:
    status = subprocess.run(["git", "status", "--porcelain"], cwd=project.folder, capture_output=True, text=True)
    assert status.stdout == ""


def test_a_second_repro_runs_nothing_but_the_scan(project: Project) -> None:
    assert ran(project.dvc("repro")) == {"dataset"}


def test_another_loss_weight_reruns_training_embedding_and_evaluation_only(project: Project) -> None:
    output = project.dvc("exp", "run", "-S", "model.lambda_corr=0.5")
    assert ran(output) == {"dataset", "train@dual_subspace", "embed@dual_subspace", "evaluate"}
    assert "model.lambda_corr" in project.dvc("params", "diff")
    assert "lambda_corr" in project.dvc("exp", "show", "--csv", "--no-pager")
    diff = json.loads(project.dvc("metrics", "diff", "--json"))
    changed = {name for name in diff["metrics.json"] if name.startswith("models.")}
    assert changed
    assert all(name.startswith("models.dual_subspace.") for name in changed)
    project.git("checkout", "-q", ".")


def test_an_experiment_in_a_temporary_copy_computes_no_clip_again(project: Project) -> None:
    output = project.dvc("exp", "run", "--temp", "-S", "model.lambda_disc=0.7")
    assert ran(output) == {"dataset", "train@dual_subspace", "embed@dual_subspace", "evaluate"}


def test_the_plots_have_data(project: Project) -> None:
    output = project.dvc("plots", "show", "--json")
    shown = json.loads(output[output.index("{") :])["data"]  # before it stands that a model of dvc.yaml is left out
    points = {name: sources[0]["content"]["data"]["values"] for name, sources in shown.items()}
    assert {"training_loss", "validation_map", "precision_scope", "class_map", "confusion"} <= points.keys()
    assert all(points.values())


def kill_when(project: Project, is_time: Callable[[], bool]) -> None:
    """Start `dvc repro` and kill it, with all its children, at the moment asked for."""
    process = project.start("repro")
    deadline = time.monotonic() + 200
    while not is_time():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.002)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


@pytest.mark.timeout(280)
def test_a_killed_run_goes_on_where_it_stopped_and_ends_with_the_same_bytes(
    project: Project, tmp_path_factory: pytest.TempPathFactory
) -> None:
    cache = tmp_path_factory.mktemp("cold")
    other = Project(tmp_path_factory.mktemp("killed"), cache)

    def n_finished() -> int:
        return len(list(cache.glob("clips/*/*.safetensors")))

    clip_stages = 4
    n_all = 21 * clip_stages
    for moment in (5, 3 * 21 + 2):  # in the middle of logmel and of inception
        kill_when(other, lambda moment=moment: n_finished() >= moment)  # type: ignore[misc]  # lambda with a default
        assert moment <= n_finished() < n_all
    before = {path: path.stat().st_mtime_ns for path in cache.glob("clips/*/*.safetensors")}
    other.dvc("repro")
    assert n_finished() == n_all
    assert all(path.stat().st_mtime_ns == modified for path, modified in before.items())
    assert other.outs() == project.outs()
    assert other.metrics() == project.metrics()


def as_folder(project: Project, folder: Path) -> Path:
    """The demo's own videos as a user's folder, one of them damaged."""
    videos = folder / "my videos"
    shutil.copytree(next(Path(project.env["CACHE_DIR"]).glob("demo/*")), videos)
    broken = min(videos.glob("*/*.mp4"))
    broken.write_bytes(broken.read_bytes()[:2000])
    return videos


def test_random_weights_are_refused_on_a_user_s_own_videos(project: Project, tmp_path: Path) -> None:
    videos = as_folder(project, tmp_path)
    words = ["-S", "dataset.source=folder", "-S", f"dataset.path={videos}"]
    output = project.dvc("exp", "run", *words, fails=True)
    assert "-S vggish.allow_random=true" in output
    assert ran(output) == {"dataset"}  # before an hour of decoding, not after it
    project.git("checkout", "-q", ".")


def test_a_damaged_video_costs_that_video_only(project: Project, tmp_path: Path) -> None:
    videos = as_folder(project, tmp_path)
    words = [
        "dataset.source=folder",
        f"dataset.path={videos}",
        "vggish.allow_random=true",
        "inception.allow_random=true",
    ]
    project.dvc("exp", "run", *(word for change in words for word in ("-S", change)))
    metrics = project.metrics()
    assert (metrics["rejected"], metrics["rejected_kinds"]) == (1, {"truncated": 1})
    assert metrics["dataset"]["n_clips"] == 20
    rows = (project.folder / "data" / "rejected.csv").read_text().splitlines()
    assert [row.split(",")[1:3] for row in rows] == [
        ["stage", "kind"],
        ["frames", "truncated"],
        ["logmel", "truncated"],
    ]
    project.git("checkout", "-q", ".")
