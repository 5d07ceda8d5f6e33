"""A stream begins with the first picture that a decoder gives, whether or not that is marked as a key frame."""

from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from pipeline.errors import ClipError
from pipeline.video import iter_frames, sample_frames
from tests.helpers import media
from tests.helpers.recut import N_PICTURES, Recut
from tests.helpers.synthetic import number_of, write_clip

NO_HEADER = (".ts", ".h264")  # what holds parameter sets nowhere but in packets
SCENE_AT = 30
X264 = "keyint=250:min-keyint=125:scenecut=80:bframes={}:ref=3:threads=1:repeat-headers=1"


def cut_at_a_scene(path: Path, n_b: int) -> Path:
    """A clip that begins with the picture of intra slices of a new scene, which is no IDR picture."""
    noise = np.random.default_rng(5).integers(0, 255, (24, 64, 3), np.uint8)
    pictures = [media.numbered_picture(number) for number in range(60)]
    pictures[SCENE_AT:] = [np.concatenate([picture[:24], noise]) for picture in pictures[SCENE_AT:]]
    source = write_clip(path.with_name("source.nut"), pictures, options={"x264-params": X264.format(n_b)})
    with av.open(str(source)) as container, av.open(str(path), "w") as out:
        stream = out.add_stream_from_template(container.streams.video[0], opaque=True)
        packets: list[Any] = [packet for packet in container.demux(video=0) if packet.size]
        starts = [float(packet.pts * packet.time_base) for packet in packets]
        number = int(np.argmin(np.abs(np.array(starts) - SCENE_AT / 25)))
        header = container.streams.video[0].codec_context.extradata or b""
        for packet in packets[number:]:
            packet = with_header(packet, header if packet is packets[number] and path.suffix in NO_HEADER else b"")
            packet.stream = stream
            out.mux(packet)
    return path


def with_header(packet: "av.Packet[Any]", header: bytes) -> "av.Packet[Any]":
    """The packet behind the parameter sets, which a transport stream and a bare one have nowhere else."""
    longer: Any = av.Packet(header + bytes(packet))
    longer.pts, longer.dts, longer.time_base, longer.duration = (
        packet.pts,
        packet.dts,
        packet.time_base,
        packet.duration,
    )
    return longer


@pytest.mark.parametrize("name", ["clip.ts", "clip.mkv", "clip.mp4", "clip.flv", "clip.h264"])
def test_h264_may_begin_with_intra_slices_that_are_no_idr_picture(name: str, tmp_path: Path) -> None:
    path = cut_at_a_scene(tmp_path / name, 0)
    with av.open(str(path)) as container:
        assert not any(packet.is_keyframe for packet in container.demux(video=0) if packet.size)
    assert [number_of(picture) for picture in sample_frames(path, 25.0, 0.01)] == list(range(SCENE_AT, 60))
    assert [number_of(picture) for picture in sample_frames(path, 5.0, 0.01)] == list(range(SCENE_AT, 60, 5))


@pytest.mark.parametrize("name", ["clip.ts", "clip.mkv", "clip.h264"])
def test_what_no_decoder_begins_with_is_no_video(name: str, tmp_path: Path) -> None:
    path = cut_at_a_scene(tmp_path / name, 2)
    with av.open(str(path)) as container:
        assert not list(container.decode(video=0))
    with pytest.raises(ClipError, match="no video in the file; expected a video stream with a key frame"):
        sample_frames(path)


@pytest.mark.parametrize(("n_skipped", "first"), [(0, 0), (1, 12), (2, 24)])
def test_pictures_left_out_at_the_start_of_an_avi_have_no_time(n_skipped: int, first: int, tmp_path: Path) -> None:
    path = Recut("h264_open", ".avi", n_skipped=n_skipped).write(tmp_path)
    with av.open(str(path)) as container:
        n_packets = sum(packet.size > 0 for packet in container.demux(video=0))
    shown = [number_of(picture) for _, picture in iter_frames(path, 25.0, lambda _: 0.01)]
    assert shown == list(range(first, N_PICTURES))
    assert n_packets == len(shown) + (3 if n_skipped else 0)  # pictures that lead the key picture, and need one before


@pytest.mark.parametrize("name", [".ts", ".mkv", ".mp4", ".flv", ".h264"])
@pytest.mark.parametrize("n_skipped", [1, 2])
def test_pictures_renewed_bit_by_bit_are_shown_from_the_first_whole_one_on(
    n_skipped: int, name: str, tmp_path: Path
) -> None:
    path = Recut("h264_refresh", name, n_skipped=n_skipped).write(tmp_path)
    with av.open(str(path)) as container:
        expected = [number_of(frame.to_ndarray(format="rgb24")) for frame in container.decode(video=0)]
    assert [number_of(picture) for _, picture in iter_frames(path, 25.0, lambda _: 0.01)] == expected
