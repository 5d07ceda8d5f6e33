"""The tables of an MP4 declare no more than the file can hold (ISO 14496-12, 8.6 and 8.7)."""

import struct
from pathlib import Path

import pytest

from pipeline.errors import ClipError
from pipeline.video import read_waveform, sample_frames
from tests.helpers.media import Sight, Sound, write_media
from tests.helpers.zoo import WITH_B

B_PICTURES = Sight(options=WITH_B)


def declared(path: Path, name: bytes, *numbers: int) -> Path:
    """The clip, whose first table of a name begins with other numbers behind its version and flags."""
    data = bytearray(path.read_bytes())
    struct.pack_into(f">{len(numbers)}I", data, data.index(name) + 8, *numbers)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("n_entries", [1 << 20, (1 << 32) - 1])
@pytest.mark.parametrize("name", [b"stts", b"ctts", b"stsc", b"stco", b"stss"])
def test_a_table_of_more_entries_than_its_box_can_hold_is_refused(name: bytes, n_entries: int, tmp_path: Path) -> None:
    path = declared(write_media(tmp_path / "clip.mp4", B_PICTURES, Sound()), name, n_entries)
    for read in (sample_frames, read_waveform):
        with pytest.raises(
            ClipError, match=rf"{n_entries} entries of its index \({name.decode()}\) in a file"
        ) as error:
            read(path)
        assert error.value.kind == "truncated"


@pytest.mark.parametrize("packet_bytes", [0, 1, 1000])
def test_more_packets_than_the_file_can_hold_are_refused(packet_bytes: int, tmp_path: Path) -> None:
    path = declared(write_media(tmp_path / "clip.mov", B_PICTURES, Sound()), b"stsz", packet_bytes, 100_000_000)
    with pytest.raises(ClipError, match=r"100000000 entries of its index \(stsz\) in a file of \d+ bytes"):
        sample_frames(path)


@pytest.mark.parametrize("are_equal", [False, True])
@pytest.mark.parametrize("packet_bytes", [1 << 29, (1 << 30) - 256, (1 << 32) - 1])
def test_a_packet_that_is_larger_than_its_file_is_refused(packet_bytes: int, are_equal: bool, tmp_path: Path) -> None:
    path = write_media(tmp_path / "clip.mp4", B_PICTURES, Sound(), movflags="faststart")
    n_packets = len(B_PICTURES.times)
    sizes = [packet_bytes, n_packets] if are_equal else [0, n_packets, 100, packet_bytes]
    declared(path, b"stsz", *sizes)
    with pytest.raises(
        ClipError, match=rf"a packet of {packet_bytes} bytes by its index \(stsz\) in a file of \d+ bytes"
    ):
        sample_frames(path)


@pytest.mark.parametrize("too_many", [0, 7, 8, 100, 1 << 24])
def test_a_kind_of_samples_does_not_reach_into_the_next_table(too_many: int, tmp_path: Path) -> None:
    path = write_media(tmp_path / "clip.mp4", Sound())
    start = path.read_bytes().index(b"stsd") + 12  # behind name, version and count
    (size,) = struct.unpack_from(">I", path.read_bytes(), start)
    declared(path, b"stsd", 1, size + too_many)
    if too_many < 8:
        assert len(read_waveform(path)) == pytest.approx(2.5 * 16000, abs=400)
        return
    problem = rf"a kind of samples of {size + too_many} bytes by its index \(stsd\) in a file of \d+ bytes"
    with pytest.raises(ClipError, match=problem) as refusal:
        read_waveform(path)
    assert refusal.value.kind == "truncated"


@pytest.mark.parametrize("codec", ["pcm_s16le", "pcm_mulaw", "aac"])
def test_sound_whose_packets_are_of_one_size_is_used(codec: str, tmp_path: Path) -> None:
    path = write_media(tmp_path / "clip.mov", B_PICTURES, Sound(codec=codec))
    assert len(read_waveform(path)) == pytest.approx(2.5 * 16000, abs=400)
