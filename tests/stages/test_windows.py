"""A run whose long files are cut into windows, from the files to an answer of the search."""

import json
import os
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from numpy.typing import NDArray
from typer.testing import CliRunner

from pipeline.__main__ import app
from pipeline.formats.clips import read_clips
from pipeline.formats.feature_table import FeatureTable
from pipeline.video import write_mp4
from tests.helpers.project import CLIP_STAGES, Workspace, write_params
from tests.helpers.synthetic import sine

pytestmark = pytest.mark.slow
RATE, SECONDS, PLANTED = 16000, 12.0, (5.0, 10.0)
FILMS = [f"{label}/{number}.mp4" for label in ("high", "low") for number in range(3)]
WITH_NOISE = "low/1.mp4"
AFTER = ("features", "train@dual_subspace", "embed@dual_subspace", "train@cca", "embed@cca", "evaluate", "encoder")


def noise(seconds: float, seed: int) -> NDArray[np.float32]:
    return np.random.default_rng(seed).uniform(-0.8, 0.8, round(seconds * RATE)).astype(np.float32)


def write_film(path: Path, seed: int) -> None:
    """A film of 12 s of many shades and a soft tone; one of them has five seconds of loud noise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    sound = sine(300.0 + 100 * seed, 0.2, SECONDS, RATE)
    if path.as_posix().endswith(WITH_NOISE):
        sound[round(PLANTED[0] * RATE) : round(PLANTED[1] * RATE)] = noise(PLANTED[1] - PLANTED[0], seed=7)
    pictures = (np.full((48, 64, 3), shade, np.uint8) for shade in rng.integers(0, 255, round(SECONDS * 2)))
    write_mp4(path, pictures, 2, sound, RATE)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The finished run."""
    folder = tmp_path_factory.mktemp("run")
    for seed, name in enumerate(FILMS):
        write_film(folder / "videos" / name, seed)
    made = Workspace(folder, folder / "videos", folder / "cache", {})
    windows = {"source": "folder", "path": str(folder / "videos"), "window_seconds": 5.0}
    may_be_random = {name: {"allow_random": True} for name in ("vggish", "inception")}
    write_params(folder, {**may_be_random, "dataset": windows, "model": {"epochs": 2, "seeds": [0]}})
    assert made.run("dataset", *CLIP_STAGES) == dict.fromkeys(CLIP_STAGES, len(FILMS))
    made.run(*AFTER)
    return made


def test_each_file_is_decoded_once_and_has_three_windows(run: Workspace) -> None:
    clips = read_clips(run.folder / "data/clips.csv")
    assert [clip.clip_id for clip in clips] == [f"{name}#t={t}" for name in FILMS for t in ("0,5", "5,10", "7,12")]
    assert {stage: len(run.entries(stage)) for stage in CLIP_STAGES} == dict.fromkeys(CLIP_STAGES, len(FILMS))
    assert FeatureTable.load(run.folder / "data/features.safetensors").clip_ids == [clip.clip_id for clip in clips]
    assert json.loads((run.folder / "metrics.json").read_text())["dataset"]["n_files"] == len(FILMS)


def test_the_search_answers_with_the_seconds_of_a_sound(run: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(run.folder)
    write_mp4(run.folder / "query.mp4", [np.zeros((48, 64, 3), np.uint8)] * 4, 2, noise(2.0, seed=8), RATE)
    with mock.patch.dict(os.environ, run.env):
        for words in (["index", "build"], ["search", "query.mp4", "--query", "sound", "--find", "sound", "--json"]):
            done = CliRunner().invoke(app, words)
            assert done.exit_code == 0, done.output
    first = json.loads(done.stdout)["results"][0]
    assert (first["path"], first["start"], first["end"]) == (WITH_NOISE, *PLANTED)
