"""A film of an hour, of joined clips, beside short ones: what decoding it costs, and a moment of it that is found."""

import json
import os
import subprocess
import sys
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from numpy.typing import NDArray
from typer.testing import CliRunner

from pipeline.__main__ import app
from pipeline.formats.clips import read_clips
from pipeline.formats.feature_table import FeatureTable
from tests.helpers.joined import write_joined
from tests.helpers.project import CLIP_STAGES, ROOT, Workspace, write_params
from tests.helpers.synthetic import sine, write_clip

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]
RATE, CLIP_SECONDS, N_CLIPS = 16000, 16, 225  # of so many whole frames of AAC, so that joined sound keeps its time
PLANTED = 135  # the clip of the long film that sounds of noise
LONG, SHORT = "low/long.mp4", [f"{label}/{number}.mp4" for label in ("high", "low") for number in range(2, 5)]
AFTER = ("features", "train", "evaluate", "encoder")
DECODE_IN_A_CHILD = """
import re, sys, time
from pathlib import Path
from pipeline import frames, logmel
from pipeline.formats.clips import Clip
from pipeline.settings.params import load_params

path, before = Path(sys.argv[1]), time.process_time()
for module in (logmel, frames):
    params = load_params(module.__name__.split(".")[1], module.PARAMS)
    assert len(module.clip_arrays(Clip(clip_id="film", path="", label=""), path, params)["seconds"]) > 3600 * 0.99
kilobytes = int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) * 1.024
print(time.process_time() - before, kilobytes / 1e6)
"""


def noise(seconds: float, seed: int) -> NDArray[np.float32]:
    return np.random.default_rng(seed).uniform(-0.8, 0.8, round(seconds * RATE)).astype(np.float32)


def write_part(path: Path, sound: NDArray[np.float32], seed: int = 0) -> Path:
    """A clip of a texture that moves, 25 pictures a second, and a sound; all of one encoder and its settings."""
    path.parent.mkdir(parents=True, exist_ok=True)
    texture = np.random.default_rng(seed).integers(0, 256, (12, 16, 3), dtype=np.uint8).repeat(20, 0).repeat(20, 1)
    pictures = [np.roll(texture, number, axis=1) for number in range(25 * CLIP_SECONDS)]
    return write_clip(path, pictures, sound[None], frames_per_second=25, sample_rate=RATE)


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hour")
    for seed, name in enumerate(SHORT):
        write_part(folder / "videos" / name, sine(300.0 + 100 * seed, 0.2, CLIP_SECONDS, RATE), seed)
    plain = write_part(folder / "plain.mp4", sine(250.0, 0.2, CLIP_SECONDS, RATE))
    planted = write_part(folder / "planted.mp4", noise(CLIP_SECONDS, seed=7))
    write_joined(folder / "videos" / LONG, [planted if k == PLANTED else plain for k in range(N_CLIPS)])
    return folder / "videos"


@pytest.fixture(scope="module")
def run(videos: Path, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The finished run; few sounds and pictures of the hour, which networks on a CPU take minutes for."""
    folder = tmp_path_factory.mktemp("run")
    made = Workspace(folder, videos, folder / "cache", {})
    few = {"frames": {"frames_per_second": 0.1}, "logmel": {"example_hop_seconds": 3.84}}
    brief = {"model": {"epochs": 2, "seeds": [0]}}
    may_be_random = {name: {"allow_random": True} for name in ("vggish", "inception")}
    windows = {"source": "folder", "path": str(videos), "window_seconds": float(CLIP_SECONDS)}
    write_params(folder, {**few, **brief, **may_be_random, "dataset": windows})
    assert made.run("dataset", *CLIP_STAGES) == dict.fromkeys(CLIP_STAGES, len(SHORT) + 1)
    made.run(*AFTER)
    return made


def test_an_hour_takes_less_memory_and_time_than_was_asked(videos: Path) -> None:
    command = [sys.executable, "-c", DECODE_IN_A_CHILD, str(videos / LONG)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    cpu_seconds, gigabytes = map(float, done.stdout.split())
    assert cpu_seconds <= 3600 / 20
    assert gigabytes < 1.5


def test_the_film_is_decoded_once_and_has_a_window_for_each_of_its_clips(run: Workspace) -> None:
    clips = read_clips(run.folder / "data/clips.csv")
    assert [clip.clip_id for clip in clips if not clip.window] == SHORT
    windows = {clip.window for clip in clips if clip.path == LONG}
    assert windows == {(CLIP_SECONDS * k, CLIP_SECONDS * (k + 1)) for k in range(N_CLIPS)}
    assert len({clip.split for clip in clips if clip.path == LONG}) == 1
    assert {stage: len(run.entries(stage)) for stage in CLIP_STAGES} == dict.fromkeys(CLIP_STAGES, len(SHORT) + 1)
    assert FeatureTable.load(run.folder / "data/features.safetensors").clip_ids == [clip.clip_id for clip in clips]
    assert json.loads((run.folder / "metrics.json").read_text())["dataset"]["n_files"] == len(SHORT) + 1


def test_the_search_answers_with_the_moment_of_the_planted_sound(
    run: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(run.folder)
    query = write_clip(tmp_path / "query.mp4", waveform=noise(2.0, seed=8)[None], sample_rate=RATE)
    with mock.patch.dict(os.environ, run.env):
        for words in (["index", "build"], ["search", str(query), "--query", "sound", "--find", "sound", "--json"]):
            done = CliRunner().invoke(app, words)
            assert done.exit_code == 0, done.output
    first = json.loads(done.stdout)["results"][0]
    moment = CLIP_SECONDS * PLANTED, CLIP_SECONDS * (PLANTED + 1)
    assert (first["path"], first["start"], first["end"]) == (LONG, *moment)
