"""What is all there is used, whatever a size or a made-up length says; what is not is refused."""

import struct
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from pipeline.errors import ClipError
from pipeline.video import read_waveform, sample_frames
from tests.helpers.specimen import add_to_size
from tests.helpers.synthetic import numbered_picture, sine, write_clip

PICTURES = [numbered_picture(k) for k in range(50)]
SOUND = np.stack([sine(1000, 0.4, 2.0, 44100)])
MP4 = {"audio_codec": "aac", "container_options": {"movflags": "faststart"}}
FRAGMENTS = {"audio_codec": "aac", "container_options": {"movflags": "frag_keyframe+empty_moov"}}
AVI = {"codec": "mpeg4", "audio_codec": "libmp3lame"}


def oversized(path: Path, name: bytes, n_bytes: int) -> Path:
    """The file, with a larger size of the last box or chunk of a name."""
    data = path.read_bytes()
    if data[:4] != b"RIFF":
        path.write_bytes(add_to_size(name, n_bytes)(data))
        return path
    place = 4 if name == b"RIFF" else data.rindex(name) - 4  # a LIST has its size before its name
    (size,) = struct.unpack_from("<I", data, place)
    path.write_bytes(data[:place] + struct.pack("<I", size + n_bytes) + data[place + 4 :])
    return path


SIZES = [
    ("clip.mp4", MP4, b"mdat"),
    ("clip.mov", MP4, b"mdat"),
    ("last.mp4", {"audio_codec": "aac"}, b"moov"),
    ("fragments.mp4", FRAGMENTS, b"mfra"),
    ("clip.avi", AVI, b"RIFF"),
    ("clip.avi", AVI, b"movi"),
]


@pytest.mark.parametrize("n_bytes", [1, 8, 4096])
@pytest.mark.parametrize(("name", "streams", "box"), SIZES)
def test_a_size_that_is_too_large_does_not_matter_where_every_packet_is_there(
    name: str, streams: dict[str, Any], box: bytes, n_bytes: int, tmp_path: Path
) -> None:
    path = oversized(write_clip(tmp_path / name, PICTURES, SOUND, **streams), box, n_bytes)
    assert len(sample_frames(path)) == 2
    assert len(read_waveform(path)) / 16000 == pytest.approx(2.0, abs=0.08)


@pytest.mark.parametrize("n_lost", [1, 8, 100, 3000])
@pytest.mark.parametrize(("name", "streams", "box"), SIZES)
def test_a_size_that_is_too_large_hides_no_loss(
    name: str, streams: dict[str, Any], box: bytes, n_lost: int, tmp_path: Path
) -> None:
    n_lost += 300 if box == b"mfra" else 0  # a list of fragments at the end, without which none is missing
    path = oversized(write_clip(tmp_path / name, PICTURES, SOUND, **streams), box, 8)
    path.write_bytes(path.read_bytes()[:-n_lost])
    for read in (sample_frames, read_waveform):
        with pytest.raises(ClipError) as refusal:
            read(path)
        assert refusal.value.kind == "truncated"


@pytest.mark.parametrize("audio_codec", ["libmp3lame", "ac3", "pcm_s16le"])
def test_a_length_that_is_made_of_bit_rates_is_no_statement(audio_codec: str, tmp_path: Path) -> None:
    live = {"live": "1"}
    path = write_clip(tmp_path / "clip.mkv", waveform=SOUND, audio_codec=audio_codec, container_options=live)
    path.write_bytes(path.read_bytes() + b"\xec\x10\x03\x00\x00" + bytes(0x30000))  # Void, which is no sound
    with av.open(str(path)) as container:
        assert (container.duration or 0) / av.time_base > 2.5
    assert len(read_waveform(path)) / 16000 == pytest.approx(2.0, abs=0.08)
