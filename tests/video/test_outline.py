"""What is seen of a file before FFmpeg opens it is what FFmpeg finds."""

from pathlib import Path

import av
import pytest

from pipeline.video.outline import outline
from tests.helpers.zoo import CONTAINERS, PICTURES, SOUNDS

SPECIMENS = CONTAINERS | PICTURES | SOUNDS


@pytest.mark.parametrize("name", SPECIMENS)
def test_the_format_is_the_one_that_ffmpeg_finds(name: str, tmp_path: Path) -> None:
    path = SPECIMENS[name].write(tmp_path / name)
    seen = outline(path)
    with av.open(str(path)) as container:
        found = container.format.name.split(",")[0]
        codecs = {video.codec_context and video.name for video in container.streams.video}
    assert seen.format == (found if found in ("mov", "matroska", "avi") else None)
    if codecs == {"h264"} and found == "mov":
        assert seen.has_h264_index == (b"moof" not in path.read_bytes())
    if codecs & {"hevc", "vp9", "av1"}:
        assert not seen.has_h264_index
