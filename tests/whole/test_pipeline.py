"""The main job as a user runs it: DVC in a fresh git repository, real MP4 files, every stage the real one."""

import json
import os
import re
import shutil
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from pipeline.report.opening import write_copy
from pipeline.report.stage_times import stage_times
from tests.helpers.project import CLIP_STAGES, MODELS, Project, computed, ran

pytestmark = pytest.mark.timeout(600)  # several whole runs, on a machine that may be busy
N_CLIPS = 21


def n_finished(cache: Path) -> int:
    return len(list(cache.glob("clips/*/*/*.safetensors")))


def kill_when(project: Project, cache: Path, n_wanted: int) -> int:
    """Start `dvc repro`, kill it with all its children at so many finished clips, and return how many there are."""
    process = project.start("repro")
    while n_finished(cache) < n_wanted:
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.002)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    return n_finished(cache)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The project after a first `dvc repro` that was killed in the third stage of clips, a network, committed.

    The slow tests of ``test_resume`` kill each of these stages.
    """
    cache = tmp_path_factory.mktemp("cache")
    made = Project(tmp_path_factory.mktemp("project"), cache)
    made.env["AVR_WORKERS"] = "1"  # a second process would take longer to start than all clips take
    n_kept = kill_when(made, cache, 2 * N_CLIPS + int(np.random.default_rng(0).integers(1, N_CLIPS // 2)))
    output = made.dvc("repro")
    assert sum(computed(output).values()) == len(CLIP_STAGES) * N_CLIPS - n_kept
    made.git("add", "-A")
    made.git("commit", "-qm", "first run")
    return made


AFTER_A_LOSS = {"dataset", "train", "evaluate", "localise", "encoder"}  # and report, perhaps


def test_the_metrics_are_those_of_the_contract(project: Project) -> None:
    metrics = project.metrics()
    assert metrics["dataset"]["n_clips"] == N_CLIPS
    assert metrics["dataset"]["source"] == "demo"
    assert metrics["rejected"] == 0
    for model in MODELS:
        for way in ("audio_to_visual", "visual_to_audio", "average"):
            assert 0 < metrics["models"][model][way]["map"] <= 1
    assert 0.2 < metrics["chance"]["map"] < 0.7  # 3 classes, 6 test clips
    assert metrics["provenance"]["vggish"]["weights"] == "random"
    assert len(metrics["provenance"]["inception"]["sha256"]) == 64


def test_every_test_clip_of_the_demo_has_an_event_in_which_the_models_are_measured(project: Project) -> None:
    localisation = json.loads((project.folder / "localisation.json").read_text())
    assert localisation["n_clips"] == project.metrics()["dataset"]["n_test"] >= localisation["n_events"]
    assert localisation["models"].keys() == set(MODELS)
    assert 0 < localisation["models"]["cca"]["average"]["segment_mrr"] <= 1
    assert "located by" in (project.folder / "report/index.html").read_text()
    shown = json.loads(project.dvc("metrics", "show", "--json", "localisation.json"))
    assert shown[""]["data"]["localisation.json"]["data"]["n_events"] == localisation["n_events"]


def test_git_sees_nothing_that_a_user_must_not_commit(project: Project) -> None:
    status = subprocess.run(["git", "status", "--porcelain"], cwd=project.folder, capture_output=True, text=True)
    assert status.stdout == ""


def test_the_time_of_every_stage_is_known_though_no_out_holds_it(project: Project) -> None:
    times = stage_times(project.folder)
    assert set(times) == set(project.lock())
    assert all(times.values()), times
    page = write_copy(project.folder).read_text()
    assert f"of all {len(times)} stages" in page
    assert f"of all {len(times)} stages" not in (project.folder / "report/index.html").read_text()


def test_a_second_repro_runs_nothing_but_the_scan(project: Project) -> None:
    assert ran(project.dvc("repro")) == {"dataset"}


def test_another_loss_weight_reruns_training_embedding_and_evaluation_only(project: Project) -> None:
    before = project.outs()
    output = project.dvc("exp", "run", "-S", "model.lambda_corr=0.5")
    assert ran(output) - {"report"} == AFTER_A_LOSS
    assert "model.lambda_corr" in project.dvc("params", "diff")
    assert "lambda_corr" in project.dvc("exp", "show", "--csv", "--no-pager")
    changed = {path for path, digest in project.outs().items() if before[path] != digest}
    assert "train: 1 of 2 models to train: dual_subspace\n" in output
    embeddings = {"data/models", "data/embeddings", "data/encoder"}
    measured = {"metrics.json", "summary.json", "localisation.json", "plots", "report"}
    assert embeddings <= changed <= embeddings | measured  # six test clips may rank as before
    diff = json.loads(project.dvc("metrics", "diff", "--json", "--targets", "metrics.json")).get("metrics.json", {})
    assert all(name.startswith("models.dual_subspace.") for name in diff)
    project.git("checkout", "-q", ".")


@pytest.mark.slow  # the fast test above runs the same stages; the copy that DVC makes costs as much again
def test_an_experiment_in_a_temporary_copy_computes_no_clip_again(project: Project) -> None:
    output = project.dvc("exp", "run", "--temp", "-S", "model.lambda_disc=0.7")
    assert ran(output) - {"report"} == AFTER_A_LOSS
    assert "train: 1 of 2 models to train: dual_subspace\n" in output


def test_the_plots_have_data(project: Project) -> None:
    output = project.dvc("plots", "show", "--json")
    shown = json.loads(output[output.index("{") :])["data"]  # before it stands that a model of dvc.yaml is left out
    points = {name: sources[0]["content"]["data"]["values"] for name, sources in shown.items()}
    scopes = {f"precision_scope_{way}" for way in ("audio_to_visual", "visual_to_audio")}
    assert {"training_loss", "validation_map", "class_map", "confusion"} | scopes <= points.keys()
    assert all(points.values())


# What DVC gives up with while another run works: its lock, held for 3 s, and its list of runs, where one run takes
# the other's half-written entry for a damaged one and deletes it (dvc/stage/cache.py, StageCache._load).
OF_ANOTHER_RUN = re.compile(r"Unable to acquire lock|No such file or directory: '[^']*/\.dvc/cache/runs/[^']*\.tmp'")


def run_until_dvc_lets_it(project: Project, name: str) -> None:
    """One experiment, again where DVC gave up because of the other one (docs/experiments.md)."""
    for _ in range(5):
        process = project.start("exp", "run", "--temp", "-n", name, "-S", "logmel.log_offset=0.02")
        output = process.communicate(timeout=500)[0]
        if process.returncode == 0:
            return
        assert OF_ANOTHER_RUN.search(output), output
    raise AssertionError(output)


@pytest.mark.slow
def test_two_experiments_side_by_side_share_the_clip_cache(project: Project) -> None:
    cache = Path(project.env["AVR_CACHE_DIR"])
    left_by_the_killed_runs = set(cache.glob("clips/*/*/*.tmp"))
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(partial(run_until_dvc_lets_it, project), ("first", "second")))
    words = ["metrics", "diff", "--json", "--targets", "metrics.json", "--"]
    first, second = (json.loads(project.dvc(*words, "HEAD", name)) for name in ("first", "second"))
    assert first == second
    assert first["metrics.json"]
    made_twice = {"logmel": 2 * N_CLIPS, "frames": N_CLIPS, "vggish": 2 * N_CLIPS, "inception": N_CLIPS}
    finished = {stage: len(list(cache.glob(f"clips/{stage}/*/*.safetensors"))) for stage in CLIP_STAGES}
    assert finished == made_twice
    assert set(cache.glob("clips/*/*/*.tmp")) == left_by_the_killed_runs


def as_folder(project: Project, folder: Path) -> Path:
    """The demo's own videos as a user's folder, one of them damaged."""
    videos = folder / "my videos"
    shutil.copytree(next(Path(project.env["AVR_CACHE_DIR"]).glob("demo/*")), videos)
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


@pytest.mark.slow
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
    assert metrics["rejected"] == 1
    assert metrics["dataset"]["n_clips"] == N_CLIPS - 1
    rows = (project.folder / "data" / "rejected.csv").read_text().splitlines()
    assert [row.split(",")[1:3] for row in rows] == [
        ["stage", "kind"],
        ["frames", "truncated"],
        ["logmel", "truncated"],
    ]
    project.git("checkout", "-q", ".")
