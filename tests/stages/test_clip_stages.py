"""The stages that work clip by clip, on real files, called as their command lines call them."""

import subprocess
import sys
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.clip_jobs.engines import prepare
from pipeline.errors import ParamsError
from pipeline.extraction import decoding, embedding
from pipeline.formats.clips import Clip, write_clips, write_root
from pipeline.formats.files import file_sha256
from pipeline.formats.shards import read_shards
from pipeline.network_parts.base import network_names, network_params, network_part
from pipeline.network_parts.inference import embedder
from pipeline.networks.vggish.audioset_pca import pca_file
from pipeline.settings.fingerprint import CHECKS, WITHOUT_EFFECT
from pipeline.settings.imports import files_behind, packages_behind
from pipeline.weights.readers import expected_shapes
from stages import frames, logmel, network
from tests.helpers.recorded import Ran, recorded
from tests.helpers.synthetic import numbered_picture, write_clip

ROOT = Path(__file__).parents[2]
DECODING = ("logmel", "frames")
MAINS = [logmel.main, frames.main, partial(network.main, "vggish"), partial(network.main, "inception")]
WITHOUT_CLIPS = """
import sys
from pathlib import Path
from stages import frames, logmel, network
logmel.main(Path("clips.csv"), Path("logmel"))
frames.main(Path("clips.csv"), Path("frames"))
network.main("vggish", Path("logmel"), Path("vggish"))
network.main("inception", Path("frames"), Path("inception"))
print([name for name in ("torch", "av") if name in sys.modules])
"""


@pytest.fixture(scope="module", autouse=True)
def _workers_start_warm() -> None:
    prepare(["pipeline.clip_jobs.loop", *decoding.modules_behind("logmel")])


@pytest.fixture
def clips_csv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three clips of 1.2 s in a folder, which is now the current one, and a cache of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AVR_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("AVR_WORKERS", "2")
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    rng = np.random.default_rng(0)
    clips = []
    for number in range(3):
        path = tmp_path / f"{number}.mp4"
        sound = rng.uniform(-0.5, 0.5, (1, 26460)).astype(np.float32)
        pictures = [numbered_picture(number + k) for k in range(12)]
        write_clip(path, pictures, sound, frames_per_second=10, sample_rate=22050)
        clips.append(Clip(clip_id=path.name, path=path.name, label="x", sha256=file_sha256(path)))
    write_clips(tmp_path / "clips.csv", clips)
    write_root(tmp_path / "clips.csv", tmp_path)
    return tmp_path / "clips.csv"


def test_without_videos_every_out_is_empty_and_nothing_heavy_is_loaded(tmp_path: Path) -> None:
    write_clips(tmp_path / "clips.csv", [Clip(clip_id="imported", path="", label="x")])
    command = [sys.executable, "-c", WITHOUT_CLIPS]
    done = subprocess.run(
        command, cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=True
    )
    *said, loaded = done.stdout.splitlines()
    assert said == [
        f"{name}: nothing to do, no clip has a video" for name in ("logmel", "frames", "vggish", "inception")
    ]
    assert loaded == "[]"
    for stage in ("logmel", "frames", "vggish", "inception"):
        assert (tmp_path / stage / "rejected.csv").read_text() == "clip_id,stage,kind,reason\n"
        assert list(read_shards(tmp_path / stage)) == []
    for stage in ("vggish", "inception"):
        assert (tmp_path / stage / "provenance.json").read_text() == "{}\n"


def test_shares_write_no_out_and_a_plain_run_finds_all_clips_in_the_cache(clips_csv: Path, tmp_path: Path) -> None:
    for shard in ("1/2", "2/2"):
        logmel.main(clips_csv, tmp_path / "out", shard=shard)
        assert not (tmp_path / "out").exists()
    entries = {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").glob("clips/*/*")}
    assert len(entries) == 3
    logmel.main(clips_csv, tmp_path / "out")
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").glob("clips/*/*")} == entries
    assert sorted(clip_id for clip_id, _ in read_shards(tmp_path / "out")) == ["0.mp4", "1.mp4", "2.mp4"]


@pytest.mark.parametrize("main", MAINS)
def test_a_share_that_makes_no_sense_is_refused_before_anything_is_read(
    tmp_path: Path, main: Callable[..., None]
) -> None:
    with pytest.raises(ParamsError, match="--shard '4/3'"):
        main(tmp_path / "missing", tmp_path / "out", shard="4/3")


def work_of(stage: str, video: Path) -> tuple[Callable[[], object], list[str]]:
    """What computes one clip as a stage does, and the modules that the stage's key is made of."""
    if stage in DECODING:
        return partial(decoding.decode_file, stage, video), decoding.modules_behind(stage)
    arrays = decoding.decode_file(network_part(stage, "about").INPUTS, video)
    state = {name: torch.rand(shape) for name, shape in expected_shapes(stage).items()}
    params = network_params(stage)
    if "postprocess" in params.choices:
        params = params.model_copy(update={"postprocess": "pca_uint8"})

    def embed() -> list[object]:
        rows = network_part(stage, "network").rows_of(arrays)
        return list(embedder(stage, dict(state), params, torch.device("cpu"))([("clip", rows)]))

    return embed, embedding.modules_behind(stage)


@cache
def ran_for_a_clip(stage: str) -> tuple[Ran, list[str]]:
    """What runs while a stage computes the clip in the current folder, and the modules of its key."""
    work, modules = work_of(stage, Path("0.mp4"))
    work()
    with recorded() as ran:
        work()
    return ran, modules


def without_effect(file: Path) -> bool:
    """Whether a file is said to have no effect, or only calls those that have."""
    module = ".".join(file.relative_to(ROOT).with_suffix("").parts)
    return module.startswith((*WITHOUT_EFFECT, "pipeline.extraction"))


def outside_of_the_key(ran: Ran, modules: list[str]) -> tuple[list[str], list[str]]:
    """The files that ran and the packages that they called, of which the key of a result would not know."""
    behind = set(files_behind(modules, without=WITHOUT_EFFECT))
    files = {file for file in ran.files - behind if not without_effect(file)}
    packages = ran.packages(ran.files & behind) - set(packages_behind(behind)) - set(CHECKS)
    return sorted(file.relative_to(ROOT).as_posix() for file in files), sorted(packages)


@pytest.fixture
def _clip_and_weights(clips_csv: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A clip in the current folder, and AudioSet's PCA in the folder of weights."""
    monkeypatch.setenv("WEIGHTS_DIR", str(clips_csv.parent / "weights"))
    pca_file().parent.mkdir()
    np.savez(pca_file(), pca_eigen_vectors=np.eye(128), pca_means=np.zeros(128))


@pytest.mark.usefixtures("_clip_and_weights")
@pytest.mark.parametrize("stage", [*DECODING, *network_names()])
def test_all_code_that_computes_a_clip_and_every_package_it_calls_is_in_the_key(stage: str) -> None:
    ran, modules = ran_for_a_clip(stage)
    assert outside_of_the_key(ran, modules) == ([], [])


@pytest.mark.usefixtures("_clip_and_weights")
@pytest.mark.parametrize(
    ("stage", "file", "package"),
    [
        ("logmel", "pipeline/video/sound.py", "soxr"),
        ("frames", "pipeline/formats/jpegs.py", "pillow"),
        ("vggish", "pipeline/networks/vggish/audioset_pca.py", "torch"),
        ("inception", "pipeline/networks/inception/network.py", "torchvision"),
    ],
)
def test_a_file_and_a_package_that_a_key_left_out_would_be_found(stage: str, file: str, package: str) -> None:
    ran, _ = ran_for_a_clip(stage)
    assert file in outside_of_the_key(ran, [])[0]
    assert package in ran.packages(ran.files)
