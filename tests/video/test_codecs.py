"""Decoders have ways of their own: no picture is lost or changed because others around it were passed over."""

import io
import re
import struct
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from pipeline.video import sample_frames
from tests.helpers.synthetic import number_of, numbered_picture, write_clip

PICTURES = [numbered_picture(k, 96, 128) for k in range(100)]
AV1 = {"preset": "12", "svtav1-params": "lp=1:keyint=50"}
INTERLACED_MPEG4 = {"flags": "+ilme+ildct", "bf": "2", "g": "12", "b_strategy": "0"}


@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv"])
@pytest.mark.parametrize("offset_seconds", [0.0, 0.5, 0.22])
def test_any_picture_of_av1_can_be_reached(name: str, offset_seconds: float, tmp_path: Path) -> None:
    path = write_clip(tmp_path / name, PICTURES, codec="libsvtav1", options=AV1)
    numbers = [number_of(picture) for picture in sample_frames(path, 1.0, offset_seconds)]
    assert numbers == [int(offset_seconds * 25) + 25 * k for k in range(4)]


@pytest.mark.parametrize("number", range(12, 24))
def test_any_picture_of_interlaced_mpeg4_can_be_reached(number: int, tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mp4", PICTURES[:48], codec="mpeg4", options=INTERLACED_MPEG4)
    with av.open(str(path)) as container:
        expected = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)][number]
    np.testing.assert_array_equal(sample_frames(path, 0.1, (number + 0.1) / 25), [expected])


@pytest.mark.parametrize(("codec", "width"), [("h263p", 128), ("h261", 176)])
def test_key_frames_that_are_none_are_seen_through(codec: str, width: int, tmp_path: Path) -> None:
    pictures = [numbered_picture(k, width * 9 // 11 if codec == "h261" else 96, width) for k in range(50)]
    path = write_clip(tmp_path / "clip.avi", pictures, codec=codec, options={"g": "12"})
    with av.open(str(path)) as container:
        assert all(packet.is_keyframe for packet in container.demux(video=0) if packet.size)
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
    starts = [frame.time - frames[0].time for frame in frames]
    expected = [frames[int(np.searchsorted(starts, time, side="right")) - 1] for time in (0.51, 1.51)]
    pictures = [frame.to_ndarray(format="rgb24") for frame in expected]
    np.testing.assert_array_equal(sample_frames(path, 1.0, 0.51), pictures)


@pytest.mark.parametrize("offset_seconds", [0.0, 0.5, 0.78])
def test_pictures_renewed_bit_by_bit_are_those_of_decoding_everything(offset_seconds: float, tmp_path: Path) -> None:
    options = {"x264-params": "intra-refresh=1:keyint=10:bframes=3:threads=1", "preset": "veryfast"}
    path = write_clip(tmp_path / "clip.mp4", PICTURES, options=options)
    with av.open(str(path)) as container:
        pictures = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    np.testing.assert_array_equal(sample_frames(path, 1.0, offset_seconds), pictures[int(offset_seconds * 25) :: 25])


def packed(path: Path) -> Path:
    """An AVI as DivX 5 and Xvid write it: a picture and the first of two that are displayed before it in one packet."""
    two_between = {"bf": "2", "b_strategy": "0", "g": "250"}
    source = write_clip(path.with_name("loose.avi"), PICTURES, codec="mpeg4", options=two_between)
    with av.open(str(source)) as container, av.open(str(path), "w") as out:
        loose = [packet for packet in container.demux(video=0) if packet.size]
        stream = out.add_stream_from_template(container.streams.video[0])
        nothing = b"\0\0\1\xb6Q\xcf"  # a picture that is not coded (ISO 14496-2, 6.2.5)
        data = [bytes(loose[0])]
        for last, first, second in zip(loose[1::3], loose[2::3], loose[3::3], strict=True):
            data += [bytes(last) + bytes(first), bytes(second), nothing]
        for number, content in enumerate(data):
            packet: av.Packet[Any] = av.Packet(content)
            packet.stream, packet.time_base = stream, loose[0].time_base
            packet.pts = packet.dts = number
            packet.is_keyframe = number == 0
            out.mux(packet)
    file = path.read_bytes()
    (writer,) = set(re.findall(rb"Lavc[\d.]+", file))
    path.write_bytes(file.replace(writer, b"DivX503b1393p".ljust(len(writer))))
    return path


@pytest.mark.parametrize("name", ["packed.avi", "copied.mkv"])
def test_packed_pictures_come_in_the_order_of_display(name: str, tmp_path: Path) -> None:
    path = packed(tmp_path / "packed.avi")
    with av.open(str(path)) as container, av.open(str(tmp_path / "copied.mkv"), "w") as out:
        stream = out.add_stream_from_template(container.streams.video[0])
        for packet in container.demux(video=0):
            if packet.size:
                packet.stream = stream
                out.mux(packet)
    pictures = sample_frames(tmp_path / name, 5.0, 0.05)
    assert [number_of(picture) for picture in pictures] == list(range(1, 100, 5))


@pytest.mark.parametrize(("orientation", "quarter_turns"), [(1, 0), (3, 2), (6, 1), (8, -1)])
def test_a_motion_jpeg_with_exif_comes_upright(orientation: int, quarter_turns: int, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / "clip.mjpeg"
    with path.open("wb") as file:
        for picture in PICTURES[:25]:
            lying = io.BytesIO()
            Image.fromarray(np.ascontiguousarray(np.rot90(picture, quarter_turns))).save(lying, "JPEG", exif=exif)
            file.write(lying.getvalue())
    assert [number_of(picture) for picture in sample_frames(path, 5.0, 0.05)] == list(range(1, 25, 5))


def test_colours_that_only_the_first_packet_brings_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "clip.avi"
    palette = np.full((256, 4), 255, np.uint8)  # alpha, red, green, blue
    palette[:, 1:] = np.arange(256)[::-1, None]
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("rawvideo", rate=25)
        stream.width, stream.height, stream.pix_fmt = 128, 96, "pal8"
        for picture in PICTURES:
            frame = av.VideoFrame.from_ndarray((255 - picture[..., 0], palette), format="pal8")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    assert [number_of(picture) for picture in sample_frames(path)] == [12, 37, 62, 87]


def with_two_headers(path: Path, clips: list[Path]) -> Path:
    """Two MP4 files of 25 pictures a second in one, which keeps a sample entry for each (ISO 14496-12, 8.5.2)."""
    lengths: list[int] = []
    with av.open(str(path), "w") as out, av.open(str(clips[0])) as first, av.open(str(clips[1])) as second:
        stream = out.add_stream_from_template(first.streams.video[0])
        for container in (first, second):
            packets = [packet for packet in container.demux(video=0) if packet.size]
            for packet in packets:
                shift = int(Fraction(sum(lengths), 25) / packet.time_base)
                packet.pts, packet.dts, packet.stream = packet.pts + shift, packet.dts + shift, stream
                out.mux(packet)
            lengths.append(len(packets))
    data = path.read_bytes()
    sizes = struct.unpack(f">{sum(lengths)}I", content_of(data, b"stsz")[12:])
    (start,) = struct.unpack_from(">I", content_of(data, b"stco"), 8)
    entries = b"".join(content_of(clip.read_bytes(), b"stsd")[8:] for clip in clips)
    new = {
        b"stsd": struct.pack(">II", 0, 2) + entries,
        b"stsc": struct.pack(">8I", 0, 2, 1, lengths[0], 1, 2, lengths[1], 2),  # a chunk for each
        b"stco": struct.pack(">4I", 0, 2, start, start + sum(sizes[: lengths[0]])),
    }
    path.write_bytes(with_boxes(data, new))
    return path


def content_of(data: bytes, name: bytes) -> bytes:
    """What the first box of a name holds."""
    start = data.index(name)
    (size,) = struct.unpack_from(">I", data, start - 4)
    return data[start + 4 : start - 4 + size]


def with_boxes(data: bytes, new: Mapping[bytes, bytes]) -> bytes:
    """The boxes of an MP4, some of them with another content."""
    boxes, position = b"", 0
    while position < len(data):
        size, name = struct.unpack_from(">I4s", data, position)
        content = new.get(name, data[position + 8 : position + size])
        if name in (b"moov", b"trak", b"mdia", b"minf", b"stbl"):
            content = with_boxes(content, new)
        boxes += struct.pack(">I4s", 8 + len(content), name) + content
        position += size
    return boxes


@pytest.mark.parametrize(("height", "width"), [(48, 64), (96, 128)])
def test_a_header_that_counts_from_some_picture_on_is_not_missed(height: int, width: int, tmp_path: Path) -> None:
    later = [numbered_picture(k, height, width) for k in range(100, 200)]
    clips = [
        write_clip(tmp_path / "first.mp4", [numbered_picture(k) for k in range(100)], options={"g": "10", "bf": "2"}),
        write_clip(tmp_path / "second.mp4", later, options={"g": "10", "x264-params": "cabac=0:ref=1:bframes=0"}),
    ]
    path = with_two_headers(tmp_path / "clip.mp4", clips)
    assert [number_of(picture) for picture in sample_frames(path)] == list(range(12, 200, 25))
