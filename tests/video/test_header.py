"""Pictures do not depend on what the header of an MP4 says, or leaves out, of their order and size."""

import itertools
import struct
from fractions import Fraction
from pathlib import Path

import av
import pytest

from pipeline.video import sample_frames
from tests.helpers.synthetic import number_of, numbered_picture, write_clip

PICTURES = [numbered_picture(k) for k in range(100)]
B_PYRAMID = {"x264-params": "keyint=250:bframes=8:b-adapt=0:b-pyramid=normal:scenecut=0"}
NO_B = {"bf": "0"}


def ue(number: int) -> str:
    """The Exp-Golomb code of a number, in bits (H.264, 9.1)."""
    code = f"{number + 1:b}"
    return "0" * (len(code) - 1) + code


def with_reordering(parameters: bytes, stated: int | None) -> bytes:
    """A parameter set of x264 that says how far pictures change places, or does not say it (H.264, E.1.1)."""
    bits = f"{int.from_bytes(parameters):0{8 * len(parameters)}b}".rstrip("0")
    found = [
        (length, reordered, buffered)
        for length, reordered, buffered in itertools.product(range(7, 17), range(1, 5), range(1, 17))
        if bits.endswith(restriction(length, reordered, buffered))
    ]
    ((length, reordered, buffered),) = found
    new = "01" if stated is None else restriction(length, stated, buffered)
    changed = bits.removesuffix(restriction(length, reordered, buffered)) + new
    return int(changed.ljust(8 * len(parameters), "0"), 2).to_bytes(len(parameters))


def restriction(length: int, n_reordered: int, n_buffered: int) -> str:
    """How x264 ends a parameter set: longest motion (a logarithm), pictures that change places, pictures held."""
    return "1111" + 2 * ue(length) + ue(n_reordered) + ue(n_buffered) + "1"


def restated(path: Path, stated: int | None) -> Path:
    """The clip, with another statement of how far pictures change places."""
    with av.open(str(path)) as container:
        header = container.streams.video[0].codec_context.extradata or b""
    (n_bytes,) = struct.unpack_from(">H", header, 6)  # of the first parameter set
    parameters = header[8 : 8 + n_bytes]
    assert path.read_bytes().count(parameters) == 1
    path.write_bytes(path.read_bytes().replace(parameters, with_reordering(parameters, stated)))
    return path


@pytest.mark.parametrize("container", [{}, {"movflags": "frag_keyframe+empty_moov"}])
def test_the_order_of_display_may_be_left_open(container: dict[str, str], tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mp4", PICTURES, options=B_PYRAMID, container_options=container)
    pictures = sample_frames(restated(path, None), 5.0, 0.05)
    assert [number_of(picture) for picture in pictures] == list(range(1, 100, 5))


def test_the_times_of_display_count_where_the_stream_says_that_it_has_no_b_pictures(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mp4", PICTURES, options=B_PYRAMID)
    pictures = sample_frames(restated(path, 0), 5.0, 0.05)
    assert [number_of(picture) for picture in pictures] == list(range(1, 100, 5))


@pytest.mark.parametrize("stated", [None, 2])
@pytest.mark.parametrize("name", ["copied.mp4", "copied.mkv"])
def test_the_decoder_finds_the_order_of_display_where_times_leave_it_open(
    stated: int | None, name: str, tmp_path: Path
) -> None:
    path = restated(write_clip(tmp_path / "clip.mp4", PICTURES, options=B_PYRAMID), stated)
    with av.open(str(path)) as container, av.open(str(tmp_path / name), "w") as out:
        stream = out.add_stream_from_template(container.streams.video[0])
        for number, packet in enumerate(packet for packet in container.demux(video=0) if packet.size):
            packet.stream, packet.time_base = stream, Fraction(1, 25)
            packet.pts = packet.dts = number  # as a program does that copies out of an AVI
            packet.duration = 1
            out.mux(packet)
    pictures = sample_frames(tmp_path / name, 5.0, 0.05)
    assert [number_of(picture) for picture in pictures] == list(range(1, 100, 5))


@pytest.mark.parametrize("options", [B_PYRAMID, NO_B, {"profile": "baseline"}, {"profile": "main", "bf": "0"}])
def test_pictures_come_in_the_order_of_display(options: dict[str, str], tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mp4", PICTURES, options=options)
    assert [number_of(picture) for picture in sample_frames(path, 5.0, 0.05)] == list(range(1, 100, 5))


@pytest.mark.parametrize("options", [B_PYRAMID, NO_B, {"profile": "baseline"}])
def test_a_picture_has_its_own_size_whatever_the_container_says(options: dict[str, str], tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mp4", PICTURES, options=options)
    height, width, _ = PICTURES[0].shape
    data = path.read_bytes()
    place = data.index(b"avc1", data.index(b"stsd")) + 28  # of the width in the sample entry (ISO 14496-12, 12.1.3)
    assert struct.unpack_from(">HH", data, place) == (width, height)
    path.write_bytes(data[:place] + struct.pack(">HH", 2 * width, height // 2) + data[place + 4 :])
    assert sample_frames(path)[0].shape == (height, width, 3)


@pytest.mark.parametrize("options", [NO_B, {"bf": "3"}])
@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_pictures_of_another_size_are_scaled_to_that_of_the_first(
    order: tuple[int, int], options: dict[str, str], tmp_path: Path
) -> None:
    height, width, _ = PICTURES[0].shape
    larger = [numbered_picture(k, 2 * height, 2 * width) for k in range(25, 50)]
    clips = [
        write_clip(tmp_path / f"{number}.h264", pictures, options=options)
        for number, pictures in enumerate([PICTURES[:25], larger])
    ]
    path = tmp_path / "clip.h264"
    path.write_bytes(b"".join(clips[number].read_bytes() for number in order))
    pictures = sample_frames(path, 5.0, 0.05)
    assert {picture.shape for picture in pictures} == {(PICTURES, larger)[order[0]][0].shape}
    assert [number_of(picture) for picture in pictures] == [25 * n + k for n in order for k in range(1, 25, 5)]
