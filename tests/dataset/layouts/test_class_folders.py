"""Every ending that counts as a video's is one of files that can be read."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.dataset.layouts.class_folders import SUFFIXES
from pipeline.video import iter_frames, read_waveform
from tests.helpers.media import TONE_HZ, Sight, Sound, tone, write_media
from tests.helpers.synthetic import number_of

AT_25 = {"frames_per_second": 25, "times": tuple(k / 25 for k in range(60)), "options": {}}  # MPEG knows no 10 a second
MPEG_1, MPEG_2 = {"codec": "mpeg1video", **AT_25}, {"codec": "mpeg2video", **AT_25}
VP8 = {"codec": "libvpx", "options": {}}
STEREO = {"layout": "stereo", "waveform": tone(2.5, 44100, 2)}
TRACKS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {  # what such files usually hold; else H.264 and AAC
    ".webm": (VP8, {"codec": "libopus", "sample_rate": 48000, "waveform": tone(2.5, 48000)}),
    ".avi": ({"codec": "mpeg4", "options": {}}, {"codec": "pcm_s16le"}),
    ".mpg": (MPEG_1, {"codec": "mp2"}),
    ".mpeg": (MPEG_2, {"codec": "ac3"}),
    ".m2ts": ({}, {"codec": "ac3"}),
    ".mts": ({}, {"codec": "ac3"}),
    ".ogv": (VP8, {"codec": "vorbis", **STEREO}),  # nothing here writes Theora
    ".3gp": ({"codec": "h263", "options": {}, "width": 176, "height": 144}, {}),
    ".flv": ({"codec": "flv", "options": {}}, {"codec": "libmp3lame"}),
    ".wmv": ({"codec": "wmv2", "options": {}}, {"codec": "libmp3lame"}),
}
FORMATS = {".mts": "mpegts", ".wmv": "asf"}  # where FFmpeg does not know the ending of its own


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_sound_and_the_pictures_of_such_a_file_are_read(suffix: str, tmp_path: Path) -> None:
    sight, sound = (kind(**changes) for kind, changes in zip((Sight, Sound), TRACKS.get(suffix, ({}, {})), strict=True))
    path = write_media(tmp_path / f"film{suffix}", sight, sound, format=FORMATS.get(suffix))
    waveform = read_waveform(path, 16000)
    assert 2.4 < len(waveform) / 16000 < 2.6
    assert np.argmax(np.abs(np.fft.rfft(waveform[:32000] * np.hanning(32000)))) / 2 == pytest.approx(TONE_HZ, abs=2)
    numbers = [number_of(picture) for _, picture in iter_frames(path, 2.0, lambda _: 0.25)]
    early_seconds = 0.1 if suffix == ".ogv" else 0  # FFmpeg writes VP8 to Ogg with a first picture of a millisecond
    moments = 0.25 + np.arange(5) / 2 + early_seconds
    assert numbers == [int(moment * sight.frames_per_second) for moment in moments]
