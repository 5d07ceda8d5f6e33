"""Odd streams come out right, and what only looks like a clip is refused."""

import itertools
import wave
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from pipeline.errors import ClipError
from pipeline.video import read_waveform, sample_frames
from pipeline.video.boxes import open_boxes
from pipeline.video.media import Media
from pipeline.video.outline import outline
from pipeline.video.track import Track
from pipeline.video.whole import plain_format
from tests.helpers.synthetic import OPEN_GOP_H264, cut, number_of, numbered_picture, sine, write_clip

PICTURES = [numbered_picture(k) for k in range(100)]
STEREO = np.stack([sine(1000, 0.4, 4.0, 44100), sine(1000, 0.2, 4.0, 44100)])
INDEX_FIRST = {"movflags": "faststart"}
B_PYRAMID = {"x264-params": "keyint=250:bframes=8:b-adapt=0:b-pyramid=normal:scenecut=0"}


def keys_every(n: int) -> dict[str, str]:
    """Options of x264: one key frame in so many pictures, and no B pictures."""
    return {"x264-params": f"keyint={n}:min-keyint={n}:scenecut=0:bframes=0"}


@pytest.mark.parametrize("options", [B_PYRAMID, {"bf": "2", "g": "12"}, {"bf": "0"}])
def test_pictures_of_an_avi_come_in_the_order_of_display(options: dict[str, str], tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.avi", PICTURES, options=options)  # AVI does not say when a B picture is shown
    assert [number_of(picture) for picture in sample_frames(path, 5.0, 0.05)] == list(range(1, 100, 5))


def test_the_pictures_of_a_bare_stream_come_at_an_even_rate(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.h264", PICTURES)
    assert [number_of(picture) for picture in sample_frames(path, 5.0, 0.05)] == list(range(1, 100, 5))


@pytest.mark.parametrize("n_channels", [6, 8])
def test_many_channels_are_averaged(n_channels: int, tmp_path: Path) -> None:
    sound = np.zeros((44100, n_channels), np.int16)
    sound[:, -1] = 8000
    with wave.open(str(tmp_path / "clip.wav"), "wb") as file:
        file.setparams((n_channels, 2, 44100, 0, "NONE", ""))
        file.writeframes(sound.tobytes())
    np.testing.assert_allclose(read_waveform(tmp_path / "clip.wav", 44100), 8000 / 32768 / n_channels, atol=1e-6)


def with_a_hole(folder: Path, lost_seconds: float) -> Path:
    """Four seconds of sound whose packets are missing from 1.3 s on."""
    path = folder / "clip.mkv"
    with av.open(str(write_clip(folder / "whole.mkv", waveform=STEREO))) as source, av.open(str(path), "w") as target:
        stream = target.add_stream_from_template(source.streams[0])
        for packet in source.demux(audio=0):
            if packet.pts is not None and not 1300 <= packet.pts < 1300 + 1000 * lost_seconds:
                packet.stream = stream
                target.mux(packet)
    return path


def test_lost_sound_is_silence_where_it_was(tmp_path: Path) -> None:
    waveform = read_waveform(with_a_hole(tmp_path, 0.5))
    assert abs(len(waveform) - 64000) < 500
    assert not waveform[22400:27200].any()  # 1.4 to 1.7 s
    assert np.abs(waveform[:20000]).reshape(-1, 100).max(axis=1).min() > 0.2


def test_a_gap_below_a_tenth_of_a_second_is_not_filled(tmp_path: Path) -> None:
    n_left = len(read_waveform(with_a_hole(tmp_path, 0.07)))  # three packets of 1024 samples less
    assert len(read_waveform(tmp_path / "whole.mkv")) - n_left == pytest.approx(3 * 1024 * 16000 / 44100, abs=2)


def test_a_gap_above_a_tenth_of_a_second_is_filled(tmp_path: Path) -> None:
    n_left = len(read_waveform(with_a_hole(tmp_path, 0.12)))
    assert len(read_waveform(tmp_path / "whole.mkv")) == pytest.approx(n_left, abs=20)  # times of whole milliseconds


def test_frames_without_a_time_follow_each_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_clip(tmp_path / "clip.mov", waveform=STEREO, audio_codec="pcm_s16le")
    whole, decode, numbers = read_waveform(path), Media.decode, itertools.count()

    def untimed(media: Media, track: Track, packet: "av.Packet[Any] | None") -> list[Any]:
        """As codecs of several frames a packet do, of which only the first has a time; we cannot write those."""
        frames = decode(media, track, packet)
        for frame in frames:
            frame.pts = None if next(numbers) % 8 else frame.pts
        return frames

    monkeypatch.setattr(Media, "decode", untimed)
    np.testing.assert_array_equal(read_waveform(path), whole)


@pytest.mark.parametrize("n_samples", [44100, 30000, 20011])
def test_times_of_whole_milliseconds_cost_no_sample(n_samples: int, tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mkv", waveform=STEREO[:, :n_samples], audio_codec="flac")
    np.testing.assert_allclose(read_waveform(path, 44100), STEREO[:, :n_samples].mean(axis=0), atol=1e-4)


def test_more_than_a_second_of_lost_sound_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ClipError, match=r"1\.\d\d s of sound missing at 1\.\d\d s; expected at most 1 s missing"):
        read_waveform(with_a_hole(tmp_path, 1.5))


def test_a_playlist_is_no_clip(tmp_path: Path) -> None:
    write_clip(tmp_path / "other.mp4", PICTURES[:25])
    (tmp_path / "clip.mp4").write_text("ffconcat version 1.0\nfile other.mp4\n")
    with pytest.raises(ClipError, match="no format that FFmpeg knows"):
        sample_frames(tmp_path / "clip.mp4")


def test_a_codec_without_a_decoder_is_refused(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mp4", PICTURES[:25], STEREO)
    path.write_bytes(path.read_bytes().replace(b"avc1", b"zzzz"))
    with pytest.raises(ClipError, match="no decoder for its video; expected a codec that FFmpeg decodes"):
        sample_frames(path)


@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv", "clip.avi"])
@pytest.mark.parametrize(("options", "drop_first"), [(OPEN_GOP_H264, 5), (keys_every(2), 1)])
def test_a_clip_whose_first_picture_is_no_key_frame_is_refused(
    name: str, options: dict[str, str], drop_first: int, tmp_path: Path
) -> None:
    path = write_clip(tmp_path / name, PICTURES[:50], options=options, drop_first=drop_first)
    with pytest.raises(ClipError, match="the first picture is no key frame; expected a key frame first"):
        sample_frames(path)


def test_pictures_without_a_key_frame_are_no_video(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.ts", PICTURES[:50], options=keys_every(250), drop_first=1)
    with pytest.raises(ClipError, match="no video in the file; expected a video stream with a key frame"):
        sample_frames(path)


def test_a_bare_stream_is_shown_from_its_first_key_frame_on(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.h264", PICTURES[:50], options=keys_every(12), drop_first=5)
    assert [number_of(picture) for picture in sample_frames(path, 5.0, 0.05)] == list(range(13, 50, 5))


def test_a_header_cut_short_is_refused(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.flv", PICTURES[:25], STEREO)
    path.write_bytes(path.read_bytes()[:9])
    with pytest.raises(ClipError, match="no format that FFmpeg knows; expected a media file"):
        read_waveform(path)


def test_a_file_that_ends_inside_its_header_is_refused(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mkv", PICTURES[:25], STEREO)
    path.write_bytes(path.read_bytes()[:45])  # behind the name of the format
    with pytest.raises(ClipError, match="it ends inside its header; expected a whole file"):
        read_waveform(path)


def test_a_packet_cut_short_is_refused(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.flv", PICTURES[:25], STEREO)  # a format that does not state its size
    path.write_bytes(path.read_bytes()[:-60])
    with pytest.raises(ClipError, match="a packet is incomplete; expected a whole file"):
        sample_frames(path)


def flash_cut_at(path: Path, seconds: float) -> Path:
    """Four seconds that end with a whole packet; only the header of a Flash video tells how long it was."""
    with av.open(str(write_clip(path, PICTURES, STEREO))) as container:
        places = [packet.pos for packet in container.demux() if packet.size and packet.dts * packet.time_base < seconds]
    path.write_bytes(path.read_bytes()[: max(places)])
    return path


@pytest.mark.parametrize("seconds", [0.5, 2.0, 3.65])
def test_the_header_tells_that_packets_are_missing_at_the_end(seconds: float, tmp_path: Path) -> None:
    with pytest.raises(ClipError, match=r"\d\.\d\d s of audio; expected 4\.\d\d s by its header"):
        sample_frames(flash_cut_at(tmp_path / "clip.flv", seconds))


def test_a_header_may_overstate_a_length_by_a_quarter_of_a_second(tmp_path: Path) -> None:
    assert len(sample_frames(flash_cut_at(tmp_path / "clip.flv", 3.85))) == 4


def test_a_tag_in_another_encoding_is_passed_over(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mp4", PICTURES)
    data = path.read_bytes()
    assert b"Lavf" in data  # the name of the writer
    path.write_bytes(data.replace(b"Lavf", "Läv".encode("latin-1") + b"f"))
    assert len(sample_frames(path)) == 4


def test_junk_behind_an_mp4_is_passed_over(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mp4", PICTURES)
    path.write_bytes(path.read_bytes() + b"junk" * 100)
    assert len(sample_frames(path)) == 4


FILE_START = b"\0\0\0\x08ftyp" + b"\0\0\0\x08moov"
LIKE_A_BOX = b"\x7f\xff\xff\xffmoov"  # of two gigabytes


@pytest.mark.parametrize(
    "data",
    [bytes(4) + b"mdat" + LIKE_A_BOX, b"\0\0\0\x01mdat" + (24).to_bytes(8) + LIKE_A_BOX, b"\0\0\0\x01mdat" + bytes(8)],
    ids=["reaches to the end", "64 bits", "64 bits that are 0"],
)
def test_the_size_of_a_box_may_be_written_in_other_ways(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(FILE_START + data)
    outline(path)
    path.write_bytes(FILE_START + b"\0\0\0\x01moof" + (1 << 32).to_bytes(8))
    with pytest.raises(ClipError, match="32 bytes; expected 4294967312 bytes by its header"):
        outline(path)


@pytest.mark.parametrize(
    ("data", "names"),
    [
        (b"\0\0\0\x08wide" + FILE_START[8:], {b"wide", b"moov"}),
        (b"RIFF0000AVI " + bytes(99), set()),  # of 808 MB: a size in letters
    ],
    ids=["an old MOV", "an AVI"],
)
def test_only_what_starts_like_an_mp4_has_boxes(data: bytes, names: set[bytes], tmp_path: Path) -> None:
    (tmp_path / "clip").write_bytes(data)
    with open_boxes(tmp_path / "clip") as boxes:
        assert (set(boxes.top) if plain_format(boxes) == "mov" else set()) == names


def test_a_live_recording_does_not_know_its_size(tmp_path: Path) -> None:
    (tmp_path / "clip.wav").write_bytes(b"RIFF\xff\xff\xff\xffWAVE")
    outline(tmp_path / "clip.wav")


@pytest.mark.parametrize("name", ["clip.mp4", "clip.avi", "clip.mkv"])
def test_the_container_tells_what_a_broken_download_lost(name: str, tmp_path: Path) -> None:
    path = cut(write_clip(tmp_path / name, PICTURES, STEREO, container_options=INDEX_FIRST), 0.97)
    with pytest.raises(ClipError, match=r"\d+ bytes; expected \d+ bytes by its header|a packet is incomplete"):
        sample_frames(path)


def with_an_empty_track(path: Path, codec: str) -> Path:
    """A clip with sound or pictures, and a track of the other kind in which nothing was recorded."""
    source = write_clip(path.with_name(f"whole{path.suffix}"), PICTURES[:50], STEREO)
    with av.open(str(source)) as container, av.open(str(path), "w") as out:
        empty: Any = out.add_stream(codec)
        empty.open()
        kept = container.streams.video[0] if empty.type == "audio" else container.streams.audio[0]
        stream = out.add_stream_from_template(kept)
        for packet in container.demux(kept):
            if packet.size:
                packet.stream = stream
                out.mux(packet)
    return path


@pytest.mark.parametrize("says_lengths", [True, False])
def test_a_track_of_a_matroska_file_may_be_empty(says_lengths: bool, tmp_path: Path) -> None:
    paths = {codec: with_an_empty_track(tmp_path / f"{codec}.mkv", codec) for codec in ("aac", "libx264")}
    for path in paths.values():
        assert path.read_bytes().count(b"DURATION") == 2
        path.write_bytes(path.read_bytes().replace(b"DURATION", b"DURATION" if says_lengths else b"SOMEWHAT"))
    assert len(sample_frames(paths["aac"])) == 2
    assert abs(len(read_waveform(paths["libx264"])) - 64000) < 500
    with pytest.raises(ClipError, match="no audio in the file"):
        read_waveform(paths["aac"])
    with pytest.raises(ClipError, match="no video in the file"):
        sample_frames(paths["libx264"])


def test_a_few_pictures_may_stand_beside_a_long_sound(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mkv", PICTURES[:2], STEREO, options=B_PYRAMID)
    with av.open(str(path)) as container:
        assert container.streams.video[0].duration > 4000  # what FFmpeg makes up, in milliseconds
    assert [number_of(picture) for picture in sample_frames(path, 25.0, 0.0)] == [0, 1]
    assert abs(len(read_waveform(path)) - 64000) < 500
