"""Clips with damaged bytes: never a crash, never a hang, and either a refusal or the length of the whole clip.

A plain test run tries the same damage every time, ``make fuzz`` other damage: FUZZ_EXAMPLES files for each test.
"""

import multiprocessing
import os
from collections.abc import Iterator
from concurrent.futures import TimeoutError as Hang
from pathlib import Path
from typing import NamedTuple, get_args

import av
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pebble import ProcessExpired, ProcessPool

from pipeline.errors import RejectKind
from tests.helpers.damage import Wound, lengths_of, wounds
from tests.helpers.media import Sight, Sound
from tests.helpers.specimen import Specimen
from tests.helpers.zoo import CLUSTERS, INDEX_FIRST, MJPEG, MP3, MPEG4, OPUS, PCM, UNSHIFTED, VORBIS, VP9_SIGHT, WITH_B

B_PICTURES = Sight(options=WITH_B)
CLIPS = {
    "index_last.mp4": Specimen(tracks=(B_PICTURES, Sound())),
    "index_first.mp4": Specimen(tracks=(B_PICTURES, MP3), muxer=INDEX_FIRST),
    "h264_aac.mkv": Specimen(tracks=(B_PICTURES, Sound()), muxer=CLUSTERS),
    "ffv1_vorbis.mkv": Specimen(tracks=(Sight(codec="ffv1", options={}), VORBIS), muxer=CLUSTERS),
    "vp9_opus.webm": Specimen(tracks=(VP9_SIGHT, OPUS), muxer=CLUSTERS),
    "mpeg4_mp3.avi": Specimen(tracks=(MPEG4, MP3), muxer=UNSHIFTED),
    "mjpeg_pcm.avi": Specimen(tracks=(MJPEG, PCM)),
}
SLACK_SECONDS = 0.275  # 0.25 s and 1 %: so much a header may overstate, since honest ones do
TIMEOUT_SECONDS = 20
N_EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "0"))
fuzzed = settings(
    max_examples=N_EXAMPLES or 250, derandomize=not N_EXAMPLES, database=None, deadline=None, print_blob=False
)
Lengths = dict[str, float | str]


class Reader:
    """Whole clips, where their packets lie, and a child process that reads what was damaged and may die of it."""

    def __init__(self, folder: Path, pool: ProcessPool) -> None:
        self._pool = pool
        self.data = {name: clip.write(folder / name).read_bytes() for name, clip in CLIPS.items()}
        self.maps = {name: map_of(folder / name) for name in CLIPS}
        self.whole = {name: self.lengths(name, data) for name, data in self.data.items()}

    def lengths(self, name: str, data: bytes) -> Lengths:
        """What the reader makes of these bytes; a dead or hanging child fails the test."""
        try:
            return self._pool.schedule(lengths_of, [data, name], timeout=TIMEOUT_SECONDS).result()
        except (Hang, ProcessExpired) as end:
            pytest.fail(f"{name}: the child process ended with {end!r}")


class Map(NamedTuple):
    """Where the parts of a file lie: first byte, and the one behind the last.

    Attributes:
        header: what says how to read the packets, before them or behind them.
        middle: half of the packets. What a Matroska file loses at its very beginning or end looks like a clip that
            starts later or ends sooner.
    """

    header: tuple[int, int]
    middle: tuple[int, int]


def map_of(path: Path) -> Map:
    """Where the parts of a clip lie."""
    with av.open(str(path)) as container:
        places = sorted(packet.pos for packet in container.demux() if packet.size and packet.pos is not None)
    header = max((0, places[0]), (places[-1], path.stat().st_size), key=lambda part: part[1] - part[0])
    return Map(header, (places[len(places) // 4], places[len(places) * 3 // 4]))


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    with ProcessPool(1, context=multiprocessing.get_context("spawn")) as pool:
        yield Reader(tmp_path_factory.mktemp("fuzz"), pool)


@fuzzed
@given(name=st.sampled_from(sorted(CLIPS)), hurt=st.lists(wounds(), min_size=1, max_size=3))
def test_damaged_packets_leave_the_length_or_refuse_the_clip(reader: Reader, name: str, hurt: list[Wound]) -> None:
    data = reader.data[name]
    for wound in hurt:
        data = wound.inflict(data, *reader.maps[name].middle)
    for side, seconds in reader.lengths(name, data).items():
        assert seconds in get_args(RejectKind) or seconds == pytest.approx(reader.whole[name][side], abs=SLACK_SECONDS)


@fuzzed
@given(name=st.sampled_from(sorted(CLIPS)), hurt=st.lists(wounds(), min_size=1, max_size=2))
def test_a_damaged_header_ends_in_some_length_or_a_refusal(reader: Reader, name: str, hurt: list[Wound]) -> None:
    data = reader.data[name]
    for wound in hurt:
        data = wound.inflict(data, *reader.maps[name].header)
    for seconds in reader.lengths(name, data).values():
        assert seconds in get_args(RejectKind) or isinstance(seconds, float)


@fuzzed
@given(name=st.sampled_from(sorted(CLIPS)), share=st.floats(0, 1, exclude_max=True))
def test_a_clip_cut_anywhere_is_refused(reader: Reader, name: str, share: float) -> None:
    data, n_left = reader.data[name], int(share * len(reader.data[name]))
    assume(n_left != data.rfind(b"udta") - 4)  # behind all tracks of an MP4 stands what nobody misses
    assert set(reader.lengths(name, data[:n_left]).values()) <= {"truncated", "not_media"}
