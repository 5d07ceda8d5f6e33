"""The four stages that work clip by clip, on real files, called as their command lines call them."""

import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from pipeline.clip_jobs.engines import prepare
from pipeline.errors import ParamsError
from pipeline.formats.clips import Clip, write_clips, write_root
from pipeline.formats.files import file_sha256
from pipeline.formats.shards import read_shards
from stages import frames, inception, logmel, vggish
from tests.helpers.synthetic import numbered_picture, write_clip

ROOT = Path(__file__).parents[2]
WITHOUT_CLIPS = """
import sys
from pathlib import Path
from stages import frames, inception, logmel, vggish
logmel.main(Path("clips.csv"), Path("logmel"))
frames.main(Path("clips.csv"), Path("frames"))
vggish.main(Path("logmel"), Path("vggish"))
inception.main(Path("frames"), Path("inception"))
print([name for name in ("torch", "av") if name in sys.modules])
"""


@pytest.fixture(scope="module", autouse=True)
def _workers_start_warm() -> None:
    prepare(["pipeline.clip_jobs.loop", "pipeline.logmel", "pipeline.video"])


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
        sound = rng.uniform(-0.5, 0.5, (1, 19200)).astype(np.float32)
        pictures = [numbered_picture(number + k) for k in range(12)]
        write_clip(path, pictures, sound, frames_per_second=10, sample_rate=16000)
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


@pytest.mark.parametrize("stage", [logmel, frames, vggish, inception])
def test_a_share_that_makes_no_sense_is_refused_before_anything_is_read(tmp_path: Path, stage: ModuleType) -> None:
    with pytest.raises(ParamsError, match="--shard '4/3'"):
        stage.main(tmp_path / "missing", tmp_path / "out", shard="4/3")
