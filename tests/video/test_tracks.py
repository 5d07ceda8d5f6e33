"""Which tracks count: the film and not a still beside it; files that have neither sound nor pictures say so."""

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from pipeline.errors import ClipError
from pipeline.video import iter_frames, read_waveform, sample_frames
from tests.helpers.media import Sight, Sound, write_media
from tests.helpers.synthetic import number_of, numbered_picture, sine, write_clip

STILL = Sight(codec="mjpeg", pixel_format="yuvj420p", options={}, times=(0.0,))
PICTURES = [numbered_picture(k) for k in range(50)]
ONE_KEY = {"x264-params": "keyint=250:min-keyint=250:scenecut=0:bframes=0"}
SOUND = np.stack([sine(1000, 0.4, 2.0, 44100)])


@pytest.mark.parametrize("name", ["clip.mp4", "clip.mov", "clip.mkv"])
def test_a_still_before_the_film_is_not_taken_for_it(name: str, tmp_path: Path) -> None:
    path = write_media(tmp_path / name, STILL, Sight(), Sound())
    assert [number_of(picture) for picture in sample_frames(path, 10.0, 0.05)] == list(range(25))
    assert len(read_waveform(path)) > 39000


def test_a_still_is_the_film_where_there_is_no_other(tmp_path: Path) -> None:
    path = write_media(tmp_path / "clip.mp4", STILL, Sound())
    assert [number_of(picture) for picture in sample_frames(path, 10.0, 0.05)] == [0]


def subtitles(path: Path) -> Path:
    """A file of subtitles alone."""
    text = path.with_suffix(".srt")
    text.write_text("1\n00:00:00,000 --> 00:00:02,000\nnothing to see\n\n")
    with av.open(str(text)) as container, av.open(str(path), "w") as out:
        stream = out.add_stream_from_template(container.streams.subtitles[0], opaque=True)
        for packet in container.demux():
            if packet.size:
                packet.stream = stream
                out.mux(packet)
    return path


def data(path: Path) -> Path:
    """A file with a stream of data alone."""
    with av.open(str(path), "w") as out:
        stream = out.add_data_stream("bin_data")
        for number in range(20):
            packet: av.Packet[Any] = av.Packet(bytes(100))
            packet.stream, packet.pts, packet.dts = stream, number, number
            out.mux(packet)
    return path


def cover(path: Path) -> Path:
    """A file with a cover alone."""
    return write_media(path, Sight(codec="mjpeg", pixel_format="yuvj420p", options={}, times=(0.0,), is_cover=True))


@pytest.mark.parametrize(
    ("write", "name"),
    [(subtitles, "clip.mkv"), (data, "clip.ts"), (cover, "clip.mp4")],
    ids=["subtitles", "data", "cover"],
)
def test_a_file_of_other_tracks_alone_has_no_sound_and_no_pictures(
    write: Callable[[Path], Path], name: str, tmp_path: Path
) -> None:
    path = write(tmp_path / name)
    with pytest.raises(ClipError, match="no audio in the file; expected an audio stream"):
        read_waveform(path)
    with pytest.raises(ClipError, match="no video in the file; expected a video stream with a key frame"):
        sample_frames(path)


def test_scrambled_sound_is_refused_and_leaves_the_pictures(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.ts", PICTURES, SOUND)
    path.write_bytes(path.read_bytes().replace(b"\xff\xf1", b"\x0f\x1f"))  # the mark of each AAC frame
    with av.open(str(path)) as container:
        assert container.streams.audio[0].rate == 0
    with pytest.raises(ClipError, match=r"damaged data \(.*\); expected intact packets"):
        read_waveform(path)
    assert [number_of(picture) for picture in sample_frames(path)] == [12, 37]


@pytest.mark.parametrize("name", ["clip.webm", "clip.mkv"])
def test_two_recordings_in_one_file_are_refused_in_both_streams(name: str, tmp_path: Path) -> None:
    streams: dict[str, Any] = {"codec": "libvpx", "audio_codec": "libopus", "sample_rate": 48000}
    path = write_clip(tmp_path / name, PICTURES, SOUND, **(streams if name == "clip.webm" else {}))
    path.write_bytes(2 * path.read_bytes())
    for read in (read_waveform, sample_frames):
        with pytest.raises(ClipError, match=r"fall back by \d\.\d\d s; expected one recording, whose times rise"):
            read(path)


def moved(path: Path, milliseconds: int) -> Path:
    """The Matroska file, one packet of whose sound has another time."""
    data = bytearray(path.read_bytes())
    with av.open(str(path)) as container:
        content = next(bytes(packet) for number, packet in enumerate(container.demux(audio=0)) if number == 40)
    place = data.index(content) - 3  # of the block's time: two bytes, and a byte of flags before its content
    struct.pack_into(">h", data, place, struct.unpack_from(">h", data, place)[0] + milliseconds)
    path.write_bytes(data)
    return path


def test_a_packet_whose_time_falls_back_a_little_adds_no_silence(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mkv", waveform=SOUND)
    whole = read_waveform(path)
    np.testing.assert_array_equal(read_waveform(moved(path, -200)), whole)


@pytest.mark.parametrize("milliseconds", [-400, 400])
def test_a_time_that_is_far_from_its_neighbours_is_refused(milliseconds: int, tmp_path: Path) -> None:
    path = moved(write_clip(tmp_path / "clip.mkv", waveform=SOUND), milliseconds)
    with pytest.raises(ClipError, match=r"the times of its audio fall back by 0\.\d\d s; expected one recording"):
        read_waveform(path)


def test_sound_beside_a_track_without_pictures_starts_at_zero(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.ts", PICTURES, SOUND, options=ONE_KEY, drop_first=1)
    with pytest.raises(ClipError, match="no video in the file"):
        next(iter_frames(path, 1.0, lambda _: 0.0))
    assert len(read_waveform(path)) > 31000
