"""The stage ``encoder`` on a small run of real stages: files alone get the rows that the stages wrote of the clips."""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy.io import wavfile

from pipeline.encoder import Encoder
from pipeline.formats.clips import read_clips, read_root
from pipeline.formats.embeddings import EmbeddedClips
from pipeline.formats.shards import read_shards
from pipeline.formats.texts import unpack_texts
from pipeline.network_parts.base import Modality
from tests.helpers.pages import blocks
from tests.helpers.project import Changes, Workspace, write_video, write_videos
from tests.helpers.synthetic import sine

STAGES = ("dataset", "logmel", "frames", "vggish", "inception", "features", "train")
REST = ("evaluate", "encoder")
CHANGES: Changes = {
    "model": {"epochs": 3, "seeds": [0, 1]},
    "evaluate": {"chance_permutations": 10, "significance_permutations": 10, "scope_sizes": [1, 2]},
    "vggish": {"allow_random": True},
    "inception": {"allow_random": True},
    "frames": {"size": 75},
}
MODALITIES: dict[Modality, str] = {"audio": "vggish", "visual": "inception"}
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    folder = tmp_path_factory.mktemp("run")
    made = Workspace(folder / "here", write_videos(folder / "videos", 3, 5), folder / "cache", CHANGES)
    made.run(*STAGES, *REST)
    with contextlib.chdir(folder), pytest.MonkeyPatch.context() as patch:  # where there is no params.yaml
        for name, value in made.env.items():
            patch.setenv(name, value)
        yield made


def unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def test_a_file_alone_gets_the_rows_that_the_stages_wrote_of_the_clip(place: Workspace) -> None:
    data = place.folder / "data"
    rows = EmbeddedClips.load(data / "embeddings/dual_subspace.npz")
    clips, root = read_clips(data / "clips.csv"), read_root(data / "clips.csv")
    shards = {modality: dict(read_shards(data / name)) for modality, name in MODALITIES.items()}
    for k, seed in enumerate((0, 1)):
        encoder = Encoder.load(data / "encoder", seed)
        for clip in clips[:4]:
            audio, visual = encoder.embed(root / clip.path)
            row = list(rows.clip_ids).index(clip.clip_id)
            np.testing.assert_allclose(audio, unit(rows.audio[k, row]), atol=1e-6, rtol=0)
            np.testing.assert_allclose(visual, unit(rows.visual[k, row]), atol=1e-6, rtol=0)
    vectors, seconds = encoder.audio_vectors(root / clip.path)
    np.testing.assert_array_equal(vectors, shards["audio"][clip.clip_id]["embeddings"])
    np.testing.assert_array_equal(seconds, shards["audio"][clip.clip_id]["seconds"])


def test_the_command_embeds_a_folder_and_finds_the_clips_of_the_run_in_the_cache(place: Workspace) -> None:
    data, videos = place.folder / "data", read_root(place.folder / "data/clips.csv")
    n_entries = len(list(place.cache.glob("clips/*/*/*.safetensors")))
    words = ["encode", str(videos), "--out", "vectors.npz", "--encoder", str(data / "encoder")]
    command = [sys.executable, "-m", "pipeline", *words]
    done = subprocess.run(command, env={**os.environ, **place.env}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    width = Encoder.load(data / "encoder").width
    expected = f"15 files (15 with sound, 15 with pictures), vectors of width {width} by dual_subspace"
    assert done.stdout == f"vectors.npz: {expected}\n"
    assert len(list(place.cache.glob("clips/*/*/*.safetensors"))) == n_entries
    rows = EmbeddedClips.load(data / "embeddings/dual_subspace.npz")
    with np.load("vectors.npz") as file:
        order = [list(rows.clip_ids).index(str(Path(path).relative_to(videos))) for path in unpack_texts(file, "paths")]
        np.testing.assert_allclose(file["audio"], unit(rows.audio[0, order]), atol=1e-6, rtol=0)
        np.testing.assert_allclose(file["visual"], unit(rows.visual[0, order]), atol=1e-6, rtol=0)


def test_a_refused_file_costs_itself_and_the_exit_code(place: Workspace, tmp_path: Path) -> None:
    data, videos = place.folder / "data", read_root(place.folder / "data/clips.csv")
    (tmp_path / "text.mp4").write_text("no media")
    good = next(videos.rglob("*.mp4"))
    words = ["encode", tmp_path / "text.mp4", good, "--out", tmp_path / "x.parquet", "--encoder", data / "encoder"]
    command = [sys.executable, "-m", "pipeline", *map(str, words)]
    done = subprocess.run(command, env={**os.environ, **place.env}, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "1 files (1 with sound, 1 with pictures)" in done.stdout
    assert "no format that FFmpeg knows; expected a media file" in done.stderr
    assert (tmp_path / "x.rejected.csv").read_text().count("not_media") == 1


def test_it_notes_what_the_run_says_of_itself(place: Workspace) -> None:
    data = place.folder / "data"
    config, metrics = (
        json.loads(path.read_text()) for path in (data / "encoder/config.json", place.folder / "metrics.json")
    )
    assert config["metrics"] == {"model": metrics["models"]["dual_subspace"], "chance": metrics["chance"]}
    assert config["provenance"] == {name: metrics[name] for name in ("dataset", "rejected", "provenance")}
    for network in config["networks"].values():
        assert network["facts"] == metrics["provenance"][network["name"]]


def test_the_stage_loads_no_torch(place: Workspace) -> None:
    words = place.command("encoder")[1:]
    code = f"import sys; sys.argv = {['encoder', *words]!r}\nfrom stages import cli, encoder\ncli.run(encoder.main)\n"
    command = [sys.executable, "-c", f"{code}print('torch' in sys.modules)"]
    done = subprocess.run(command, cwd=place.folder, env={**os.environ, **place.env}, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "False", done.stderr


def test_the_lines_of_the_page_run_as_they_stand_there(
    place: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("data").symlink_to(place.folder / "data")
    write_video(Path("dog.mp4"), 1)
    Image.fromarray(np.full((60, 80, 3), 90, np.uint8)).save("dog.png")
    wavfile.write("bark.wav", 16000, sine(440, 0.5, 2.0, 16000))
    left: dict[str, Any] = {}
    for block in blocks("docs/encoder.md"):
        if block.language == "python":
            exec(compile(block.text, f"docs/encoder.md:{block.line}", "exec"), left)
    assert capsys.readouterr().out.startswith("dual_subspace ")
    for name in ("sound", "picture", "audio", "visual", "start"):
        assert np.linalg.norm(left[name]) == pytest.approx(1, abs=1e-6)
