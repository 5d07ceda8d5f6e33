"""An edit list cuts pictures and sound, at the start and at the end (ISO 14496-12, 8.6.6)."""

import struct
from pathlib import Path

import pytest

from pipeline.video import iter_frames, read_waveform, sample_frames
from tests.helpers.media import Sight, Sound, tone, write_media
from tests.helpers.synthetic import number_of

SLOW = Sight(times=(0.0, 1.0, 2.0, 3.0, 4.0, 5.0), frames_per_second=1, options={"preset": "ultrafast", "bf": "0"})
SOUND = Sound(waveform=tone(6.0, 44100))


def edited(path: Path, seconds: float) -> Path:
    """A clip whose edit lists, one a track, end after some seconds; its media go on."""
    data = bytearray(write_media(path, SLOW, SOUND).read_bytes())
    ticks_per_second = struct.unpack_from(">I", data, data.index(b"mvhd") + 16)[0]
    for place in (at for at in range(len(data)) if data[at : at + 4] == b"elst"):
        struct.pack_into(">I", data, place + 12, round(seconds * ticks_per_second))
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("name", ["clip.mp4", "clip.mov"])
def test_the_last_picture_and_the_sound_end_where_the_edit_ends(name: str, tmp_path: Path) -> None:
    path = edited(tmp_path / name, 2.4)
    assert len(sample_frames(path, 10.0, 0.05)) == 24
    assert [number_of(picture) for picture in sample_frames(path)] == [0, 1]
    assert len(read_waveform(path)) == pytest.approx(2.4 * 16000, abs=16)


@pytest.mark.parametrize("trimmed_seconds", [0.3, 0.5, 1.4])
def test_a_slow_video_may_be_trimmed_inside_a_picture(trimmed_seconds: float, tmp_path: Path) -> None:
    times = tuple(time - trimmed_seconds for time in SLOW.times)
    sight = Sight(times=times, frames_per_second=1, options=SLOW.options)
    path = write_media(tmp_path / "clip.mp4", sight, Sound(waveform=SOUND.waveform, start_seconds=-trimmed_seconds))
    n_cut = int(trimmed_seconds) + 1  # FFmpeg leaves out the picture that the edit begins in
    assert [number_of(picture) for picture in sample_frames(path)] == list(range(n_cut, 6))
    assert len(read_waveform(path)) == pytest.approx((6 - trimmed_seconds) * 16000, abs=400)


def test_a_whole_file_ends_with_its_last_picture(tmp_path: Path) -> None:
    path = write_media(tmp_path / "clip.mp4", SLOW, SOUND)
    assert len(list(iter_frames(path, 10.0, lambda _: 0.05))) == 60
