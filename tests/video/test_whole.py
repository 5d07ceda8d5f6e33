"""What is all there is used, whatever a size or a made-up length says; what is not is refused."""

import struct
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from pipeline.errors import ClipError
from pipeline.video import read_waveform, sample_frames
from pipeline.video.outline import outline
from tests.helpers.recut import SEGMENT, with_longer_segment
from tests.helpers.specimen import add_to_size
from tests.helpers.synthetic import numbered_picture, sine, write_clip

RATE = 48000
PICTURES = [numbered_picture(k) for k in range(50)]
SOUND = np.stack([sine(1000, 0.4, 2.0, RATE)])
MP4 = {"audio_codec": "aac", "container_options": {"movflags": "faststart"}}
FRAGMENTS = {"audio_codec": "aac", "container_options": {"movflags": "frag_keyframe+empty_moov"}}
AVI = {"codec": "mpeg4", "audio_codec": "libmp3lame"}
CLUSTER = b"\x1f\x43\xb6\x75"  # the name of an element of packets


def oversized(path: Path, name: bytes, n_bytes: int) -> Path:
    """The file, with a larger size of the last box or chunk of a name."""
    data = path.read_bytes()
    if name == SEGMENT:
        path.write_bytes(with_longer_segment(data, n_bytes))
        return path
    if data[:4] != b"RIFF":
        path.write_bytes(add_to_size(name, n_bytes)(data))
        return path
    place = 4 if name == b"RIFF" else data.rindex(name) - 4  # a LIST has its size before its name
    (size,) = struct.unpack_from("<I", data, place)
    path.write_bytes(data[:place] + struct.pack("<I", size + n_bytes) + data[place + 4 :])
    return path


MKV = {"audio_codec": "aac"}
WEBM = {"codec": "libvpx", "options": {"deadline": "realtime", "cpu-used": "8"}, "audio_codec": "libopus"}
SIZES = [
    ("clip.mp4", MP4, b"mdat"),
    ("clip.mov", MP4, b"mdat"),
    ("last.mp4", {"audio_codec": "aac"}, b"moov"),
    ("fragments.mp4", FRAGMENTS, b"mfra"),
    ("clip.avi", AVI, b"RIFF"),
    ("clip.avi", AVI, b"movi"),
    ("clip.mkv", MKV, SEGMENT),
    ("clip.webm", WEBM, SEGMENT),
    ("index_first.mkv", MKV | {"container_options": {"reserve_index_space": "10000"}}, SEGMENT),
    ("many.mkv", MKV | {"container_options": {"cluster_time_limit": "300"}}, SEGMENT),
]


@pytest.mark.parametrize("n_bytes", [1, 8, 4096])
@pytest.mark.parametrize(("name", "streams", "box"), SIZES)
def test_a_size_that_is_too_large_does_not_matter_where_every_packet_is_there(
    name: str, streams: dict[str, Any], box: bytes, n_bytes: int, tmp_path: Path
) -> None:
    path = oversized(write_clip(tmp_path / name, PICTURES, SOUND, sample_rate=RATE, **streams), box, n_bytes)
    assert len(sample_frames(path)) == 2
    assert len(read_waveform(path)) / 16000 == pytest.approx(2.0, abs=0.08)


@pytest.mark.parametrize("n_lost", [1, 8, 100, 3000])
@pytest.mark.parametrize(("name", "streams", "box"), SIZES)
def test_a_size_that_is_too_large_hides_no_loss(
    name: str, streams: dict[str, Any], box: bytes, n_lost: int, tmp_path: Path
) -> None:
    n_lost += 300 if box == b"mfra" else 0  # a list of fragments at the end, without which none is missing
    path = oversized(write_clip(tmp_path / name, PICTURES, SOUND, sample_rate=RATE, **streams), box, 8)
    path.write_bytes(path.read_bytes()[:-n_lost])
    for read in (sample_frames, read_waveform):
        with pytest.raises(ClipError) as refusal:
            read(path)
        assert refusal.value.kind == "truncated"


@pytest.mark.parametrize("name", ["clip.mp4", "clip.mov"])
def test_an_index_that_is_cut_at_any_byte_is_noticed(name: str, tmp_path: Path) -> None:
    path = write_clip(tmp_path / name, PICTURES, SOUND, sample_rate=RATE, audio_codec="aac")
    data = path.read_bytes()
    behind_tracks = data.rindex(b"udta") - 4  # the writer's name: with the bytes from here on nothing is lost
    unnoticed, kinds = [], set()
    for n_left in range(data.rindex(b"moov") - 4, len(data)):
        path.write_bytes(data[:n_left])
        try:
            outline(path)
            unnoticed.append(n_left)
        except ClipError as refusal:
            kinds.add(refusal.kind)
    assert (unnoticed, kinds) == ([behind_tracks], {"truncated"})


@pytest.mark.parametrize("streams", [MKV, WEBM])
def test_a_matroska_file_that_is_cut_before_its_packets_is_noticed(streams: dict[str, Any], tmp_path: Path) -> None:
    name = "clip.webm" if streams is WEBM else "clip.mkv"
    path = write_clip(tmp_path / name, PICTURES, SOUND, sample_rate=RATE, **streams)
    data = path.read_bytes()
    for n_left in range(data.index(SEGMENT) + 12, data.index(CLUSTER)):
        path.write_bytes(data[:n_left])
        with pytest.raises(ClipError) as refusal:
            outline(path)
        assert refusal.value.kind == "truncated"


@pytest.mark.parametrize("n_left", range(8, 40))
def test_a_riff_file_that_is_cut_in_its_first_chunks_is_refused(n_left: int, tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.avi", PICTURES, SOUND, sample_rate=RATE, **AVI)
    path.write_bytes(path.read_bytes()[:n_left])
    with pytest.raises(ClipError) as refusal:
        read_waveform(path)
    assert refusal.value.kind == "truncated"


@pytest.mark.parametrize(("lost_from", "is_whole"), [(b"\x1c\x53\xbb\x6b", True), (CLUSTER, False)])
def test_a_matroska_file_that_ends_with_a_whole_cluster_is_told_by_its_times(
    lost_from: bytes, is_whole: bool, tmp_path: Path
) -> None:
    streams = MKV | {"container_options": {"cluster_time_limit": "150"}}
    path = write_clip(tmp_path / "clip.mkv", PICTURES, SOUND, sample_rate=RATE, **streams)
    data = path.read_bytes()
    path.write_bytes(data[: data.rindex(lost_from)])  # the list of key pictures, or the last cluster too
    if is_whole:
        assert len(sample_frames(path)) == 2
    else:
        with pytest.raises(ClipError, match="by its header"):
            sample_frames(path)


@pytest.mark.parametrize("audio_codec", ["libmp3lame", "ac3", "pcm_s16le"])
def test_a_length_that_is_made_of_bit_rates_is_no_statement(audio_codec: str, tmp_path: Path) -> None:
    live = {"live": "1"}
    path = write_clip(
        tmp_path / "clip.mkv", waveform=SOUND, sample_rate=RATE, audio_codec=audio_codec, container_options=live
    )
    path.write_bytes(path.read_bytes() + b"\xec\x10\x03\x00\x00" + bytes(0x30000))  # Void, which is no sound
    with av.open(str(path)) as container:
        assert (container.duration or 0) / av.time_base > 2.5
    assert len(read_waveform(path)) / 16000 == pytest.approx(2.0, abs=0.08)


def test_an_avi_that_ends_anywhere_in_its_first_list_is_refused(tmp_path: Path) -> None:
    whole = write_clip(tmp_path / "clip.avi", PICTURES, SOUND, sample_rate=RATE, **AVI).read_bytes()
    (list_size,) = struct.unpack_from("<I", whole, 16)
    for n_bytes in [*range(8, 64), *range(64, 20 + list_size, 101)]:
        (tmp_path / "clip.avi").write_bytes(whole[:n_bytes])
        with pytest.raises(ClipError, match=rf": {n_bytes} bytes; expected \d+ bytes by its header$"):
            outline(tmp_path / "clip.avi")


def test_a_matroska_file_that_ends_inside_the_head_of_a_cluster_is_refused(tmp_path: Path) -> None:
    streams = MKV | {"container_options": {"cluster_time_limit": "150"}}
    path = write_clip(tmp_path / "clip.mkv", PICTURES, SOUND, sample_rate=RATE, **streams)
    data = path.read_bytes()
    for n_left in (1, 3, 4, 5):  # of four bytes of its name and eight of its size
        path.write_bytes(data[: data.rindex(CLUSTER) + n_left])
        with pytest.raises(ClipError, match=r"\d+ bytes; expected \d+ bytes by its header$"):
            sample_frames(path)
