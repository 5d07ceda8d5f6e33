"""Clips of any length: bounded memory, and the same answer whether packets are held or read again."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from pipeline.video import iter_frames, iter_waveform, media, read_waveform, sample_frames
from pipeline.video.track import Track
from tests.helpers.looped import write_looped
from tests.helpers.synthetic import OPEN_GOP_H264, OPEN_GOP_HEVC, number_of, numbered_picture, sine, write_clip

PICTURES = [numbered_picture(k) for k in range(50)]
STEREO = np.stack([sine(1000, 0.4, 2.0, 44100), sine(1000, 0.2, 2.0, 44100)])
READ_IN_A_CHILD = """
import re, sys
from pathlib import Path
from pipeline.video import iter_frames, iter_waveform

def peak_kilobytes():  # not ru_maxrss: a child takes that over from the process that started it
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) * 1.024

path = Path(sys.argv[1])
before = peak_kilobytes()
n_samples = sum(len(block) for _, block in iter_waveform(path))
n_pictures = sum(1 for _ in iter_frames(path, 0.005, lambda _: 0.0))
print(n_samples, n_pictures, round(peak_kilobytes() - before))
"""


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("a.mp4", "libx264", OPEN_GOP_H264),
        ("a.mkv", "libx265", OPEN_GOP_HEVC),
        ("a.ts", "libx264", OPEN_GOP_H264),
        ("a.avi", "libx264", OPEN_GOP_H264),
    ],
)
def test_packets_that_are_read_again_give_the_same_bytes(
    name: str, codec: str, options: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_clip(tmp_path / name, PICTURES, STEREO, codec=codec, options=options)
    held = sample_frames(path, 7.0, 0.1), read_waveform(path)
    monkeypatch.setattr(media, "HELD_BYTES", 0)
    np.testing.assert_array_equal(sample_frames(path, 7.0, 0.1), held[0])
    np.testing.assert_array_equal(read_waveform(path), held[1])


@pytest.mark.parametrize("sample_rate", [8000, 16000, 44100, 48000])
@pytest.mark.parametrize("block_seconds", [0.001, 0.333])
def test_the_length_of_blocks_does_not_change_the_samples(
    sample_rate: int, block_seconds: float, tmp_path: Path
) -> None:
    path = write_clip(tmp_path / "clip.mp4", waveform=np.tile(STEREO, 2))
    blocks = [block for _, block in iter_waveform(path, sample_rate, block_seconds)]
    whole = read_waveform(path, sample_rate)
    np.testing.assert_allclose(np.concatenate(blocks), whole, atol=1e-6)
    assert len(blocks) > 5


def test_a_block_starts_where_the_samples_before_it_end(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mp4", PICTURES, STEREO)
    times, blocks = zip(*iter_waveform(path, block_seconds=0.25), strict=True)
    n_before = np.cumsum([0, *map(len, blocks)])[:-1]
    np.testing.assert_allclose(times, n_before / 16000)
    assert min(map(len, blocks[:-1])) >= 0.25 * 16000


def test_a_looped_clip_repeats_its_pictures(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "short.mp4", PICTURES)
    path = write_looped(tmp_path / "long.mp4", source, 3)
    assert [number_of(picture) for _, picture in iter_frames(path, 25.0, lambda _: 0.0)] == 3 * list(range(50))


def test_only_packets_from_a_key_frame_to_the_wanted_picture_are_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {"x264-params": "keyint=12:min-keyint=12:scenecut=0:bframes=0"}
    path = write_clip(tmp_path / "clip.mp4", PICTURES, options=options)
    decode, n_packets = media.Media.decode, [0]

    def counted(self: media.Media, track: Track, packet: "av.Packet[Any] | None") -> list[Any]:
        n_packets[0] += packet is not None
        return decode(self, track, packet)

    monkeypatch.setattr(media.Media, "decode", counted)
    shown = [number_of(picture) for _, picture in iter_frames(path, 1.0, lambda _: 0.62)]
    assert (shown, n_packets) == ([15, 40], [4 + 5])  # pictures 12 and 36 are key frames


@pytest.mark.slow
def test_twenty_minutes_take_less_memory_than_their_sound(tmp_path: Path) -> None:
    pictures = [numbered_picture(k, 96, 128) for k in range(125)]
    quick = {"preset": "ultrafast", "qp": "10", "g": "125"}
    sound = sine(1000, 0.4, 5.0, 44100)[None]
    source = write_clip(tmp_path / "short.mov", pictures, sound, audio_codec="pcm_s16le", options=quick)
    path = write_looped(tmp_path / "long.mov", source, 240)
    command = [sys.executable, "-c", READ_IN_A_CHILD, str(path)]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    n_samples, n_pictures, n_kilobytes = map(int, output)
    assert abs(n_samples - 1200 * 16000) < 16000
    assert n_pictures == 6
    assert path.stat().st_size > 150e6  # the packets alone
    assert n_kilobytes < 150e3  # the sound is 211 MB at its own rate
