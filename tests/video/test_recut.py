"""Clips that were cut, trimmed, copied and joined show what a plain decoder shows, at the times of their container.

A plain test run tries the same few clips every time; those marked slow, and ``make fuzz``, many others.
"""

import os
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import ClipError
from pipeline.video import iter_frames, read_waveform
from tests.helpers.recut import CODECS, CONTAINERS, RATE, Recut
from tests.helpers.synthetic import number_of

STEP_SECONDS, OFFSET_SECONDS = 0.5 / RATE, 0.25 / RATE
UNEQUAL_SECONDS = 0.3  # how far sound and pictures of one clip may differ in length
EDITED = (".mp4", ".mov")
N_EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "0"))


@st.composite
def recuts(draw: st.DrawFn) -> Recut:
    container = draw(st.sampled_from(sorted(CONTAINERS)))
    is_joined = draw(st.booleans())
    return Recut(
        draw(st.sampled_from(CONTAINERS[container])),
        container,
        n_skipped=draw(st.integers(0, 3)),
        n_lost=draw(st.sampled_from([0, 0, 1, 3])) if container in (".ts", ".flv", ".h264") else 0,
        trimmed_seconds=draw(
            st.sampled_from([0.0, 0.04, 0.1, 0.3, 0.7, *([-0.3, -1.01] if container in EDITED else [])])
        ),
        shown_seconds=draw(st.sampled_from([None, None, 0.61, 1.3, 1.55])) if container in EDITED else None,
        n_too_many=draw(st.sampled_from([0, 8, 5000])) if container in (".mkv", ".webm") and not is_joined else 0,
        is_joined=is_joined,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("recut")


def decoded(path: Path, edit_seconds: float | None) -> tuple[np.ndarray, list[int], float]:
    """Starts in seconds and numbers of all pictures, and the last moment at which the last one can end.

    An AVI does not say when a picture is presented: there they take the times of decoding in turn. Where there is no
    container the pictures follow each other evenly.
    """
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
        times = [float(frame.time or 0) for frame in frames]
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.pts is not None]
    if path.suffix == ".avi":
        times = sorted(float(packet.dts * packet.time_base) for packet in packets)[-len(frames) :]
    end = max((float((packet.pts + (packet.duration or 0)) * packet.time_base) for packet in packets), default=0.0)
    numbers = [number_of(frame.to_ndarray(format="rgb24")) for frame in frames]
    if path.suffix == ".h264":
        return np.arange(len(frames)) / RATE, numbers, len(frames) / RATE
    if edit_seconds is not None:
        return np.array(times) - times[0], numbers, min(end, edit_seconds) - times[0]
    return np.array(times) - times[0], numbers, max(end, times[-1] + 1 / RATE) - times[0]


def outcomes(path: Path) -> tuple[list[int] | str, float | str]:
    """The numbers of the pictures and the seconds of sound, or what the refusals say."""
    pictures: list[int] | str
    sound: float | str
    try:
        shown = iter_frames(path, 1 / STEP_SECONDS, lambda _: OFFSET_SECONDS)
        pictures = [number_of(picture) for _, picture in shown]
    except ClipError as error:
        pictures = str(error)
    try:
        sound = len(read_waveform(path)) / 16000
    except ClipError as error:
        sound = str(error)
    return pictures, sound


def check(recut: Recut, folder: Path) -> None:
    """Compare the pictures with those of a plain decoder; two recordings in one are refused or joined in both streams.

    A clip that a plain decoder fails on may be refused.
    """
    path = recut.write(folder)
    pictures, sound = outcomes(path)
    if isinstance(pictures, str):
        has_times = recut.container not in (".avi", ".h264")
        is_refused_alike = pictures == sound or (not has_times and "no picture decoded" in pictures)
        assert is_refused_alike if recut.is_joined else fails_to_decode(path)
        return
    edit_seconds = None if recut.shown_seconds is None else recut.shown_seconds + max(0.0, -recut.trimmed_seconds)
    starts, numbers, end = decoded(path, edit_seconds)
    moments = OFFSET_SECONDS + STEP_SECONDS * np.arange(len(pictures))
    assert pictures == [numbers[place] for place in np.searchsorted(starts, moments + 1e-6, side="right") - 1]
    assert starts[-1] - STEP_SECONDS < len(pictures) * STEP_SECONDS < end + STEP_SECONDS
    if not recut.n_lost and not recut.is_bare:
        assert sound == pytest.approx(len(pictures) * STEP_SECONDS, abs=UNEQUAL_SECONDS)


def fails_to_decode(path: Path) -> bool:
    """Whether a plain decoder fails."""
    with av.open(str(path)) as container, pytest.raises(av.error.InvalidDataError):
        list(container.decode(video=0))
    return True


@settings(max_examples=N_EXAMPLES // 10 or 40, derandomize=not N_EXAMPLES, database=None, deadline=None)
@given(recut=recuts())
def test_a_recut_clip_shows_what_a_plain_decoder_shows(recut: Recut, folder: Path) -> None:
    check(recut, folder)


@pytest.mark.slow
@settings(max_examples=600, derandomize=True, database=None, deadline=None)
@given(recut=recuts())
def test_many_recut_clips_show_what_a_plain_decoder_shows(recut: Recut, folder: Path) -> None:
    check(recut, folder)


@pytest.mark.parametrize(
    ("codec", "first"),
    [("hevc_radl", 22), ("hevc", 24), ("hevc_open", 24), ("h264_open", 24), ("h264_b", 24), ("mpeg4", 24)],
)
def test_pictures_before_the_key_frame_are_shown_if_they_need_nothing_before_it(
    codec: str, first: int, folder: Path
) -> None:
    path = Recut(codec, ".mkv", n_skipped=2).write(folder)
    shown = [number_of(picture) for _, picture in iter_frames(path, RATE, lambda _: OFFSET_SECONDS)]
    assert shown[:4] == list(range(first, first + 4))


def test_every_codec_has_a_container() -> None:
    assert {codec for codecs in CONTAINERS.values() for codec in codecs} == set(CODECS)
