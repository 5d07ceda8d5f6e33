"""One video decoded by itself, against what the stages keep of it as a clip."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.clip_jobs.share import Share
from pipeline.errors import ClipError
from pipeline.extraction.decoding import decode_clips, decode_file
from pipeline.formats.clips import Clip, write_clips, write_root
from pipeline.formats.files import file_sha256
from pipeline.formats.shards import read_shards
from tests.helpers.project import ROOT, write_video


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CACHE_DIR", str(tmp_path / "cache"))
    Path("params.yaml").write_text((ROOT / "params.yaml").read_text().replace("choice: middle", "choice: random"))


@pytest.mark.parametrize("stage", ["logmel", "frames"])
def test_a_file_alone_becomes_the_arrays_that_the_stage_keeps_of_the_clip(stage: str) -> None:
    write_video(Path("clip.mp4"), seed=0)
    write_clips(
        Path("clips.csv"), [Clip(clip_id="x", path="clip.mp4", label="y", sha256=file_sha256(Path("clip.mp4")))]
    )
    write_root(Path("clips.csv"), Path())
    decode_clips(stage, Path("clips.csv"), Path("out"), Share(1, 1))
    [(_, kept)] = read_shards(Path("out"))
    arrays = decode_file(stage, "clip.mp4")  # a word will do for a path
    assert arrays.keys() == kept.keys()
    for name, array in kept.items():
        np.testing.assert_array_equal(arrays[name], array)


@pytest.mark.parametrize("stage", ["logmel", "frames"])
def test_a_file_that_is_no_video_is_refused_with_its_kind(stage: str) -> None:
    Path("text.mp4").write_text("no video")
    with pytest.raises(ClipError, match=r"text\.mp4.*expected") as caught:
        decode_file(stage, Path("text.mp4"))
    assert caught.value.kind == "not_media"
