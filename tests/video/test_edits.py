"""An edit list cuts pictures and sound, at the start and at the end (ISO 14496-12, 8.6.6)."""

import struct
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.video import iter_frames, read_waveform, sample_frames
from pipeline.video.outline import outline
from tests.helpers.media import Sight, Sound, tone, write_media
from tests.helpers.synthetic import number_of

SLOW = Sight(times=(0.0, 1.0, 2.0, 3.0, 4.0, 5.0), frames_per_second=1, options={"preset": "ultrafast", "bf": "0"})
SOUND = Sound(waveform=tone(6.0, 44100))


def edited(path: Path, seconds: float, begin_seconds: float = 0.0) -> Path:
    """A clip whose edit lists, one a track, show nothing at first and then so much; its media go on."""
    sight = replace(SLOW, times=tuple(time + begin_seconds for time in SLOW.times))
    sound = replace(SOUND, start_seconds=begin_seconds)
    data = bytearray(write_media(path, sight, sound).read_bytes())
    ticks_per_second = struct.unpack_from(">I", data, data.index(b"mvhd") + 16)[0]
    for place in (at for at in range(len(data)) if data[at : at + 4] == b"elst"):
        n_edits = struct.unpack_from(">I", data, place + 8)[0]
        assert n_edits == (2 if begin_seconds else 1)
        struct.pack_into(">I", data, place + 12 * n_edits, round(seconds * ticks_per_second))
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("name", ["clip.mp4", "clip.mov"])
def test_the_last_picture_and_the_sound_end_where_the_edit_ends(name: str, tmp_path: Path) -> None:
    path = edited(tmp_path / name, 2.4)
    assert len(sample_frames(path, 10.0, 0.05)) == 24
    assert [number_of(picture) for picture in sample_frames(path)] == [0, 1]
    assert len(read_waveform(path)) == pytest.approx(2.4 * 16000, abs=16)


@pytest.mark.parametrize("begin_seconds", [0.5, 1.0, 3.3])
@pytest.mark.parametrize("name", ["clip.mp4", "clip.mov"])
def test_an_edit_that_begins_late_ends_where_it_says(name: str, begin_seconds: float, tmp_path: Path) -> None:
    path = edited(tmp_path / name, 2.4, begin_seconds)
    times = [time for time, _ in iter_frames(path, 10.0, lambda _: 0.05)]
    assert len(times) == 24
    assert times[0] == pytest.approx(0.05, abs=0.03)  # the priming of the sound comes before both
    assert len(read_waveform(path)) == pytest.approx(2.4 * 16000, abs=16)


def test_an_edit_list_that_is_damaged_or_open_ends_nothing(tmp_path: Path) -> None:
    path = edited(tmp_path / "clip.mp4", 2.4, 1.0)
    whole = path.read_bytes()
    assert outline(path).edit_ends == {1: pytest.approx(3.4), 2: pytest.approx(3.4, abs=0.03)}
    for offset, new in ((8, b"\x7f\xff\xff\xff"), (4, b"\x09"), (24, bytes(4)), (8, bytes(4))):
        data = bytearray(whole)
        for place in (at for at in range(len(data)) if data[at : at + 4] == b"elst"):
            data[place + offset : place + offset + len(new)] = new
        path.write_bytes(data)
        assert outline(path).edit_ends == {}


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
