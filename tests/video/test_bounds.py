"""What a media file may ask for: a few bytes never become days of sound or thousands of equal pictures."""

import wave
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from pipeline.errors import ClipError
from pipeline.video import BOUNDS, iter_frames, iter_waveform, write_mp4
from tests.helpers.project import ROOT

CASES = ROOT.parent / "shared" / "cases" / "limits"
PICTURES = [np.full((48, 64, 3), level, np.uint8) for level in range(0, 200, 10)]


def read_sound(path: Path, **bounds: float) -> int:
    return sum(len(block) for _, block in iter_waveform(path, bounds=BOUNDS._replace(**bounds)))


def read_pictures(path: Path, **bounds: float) -> int:
    return sum(1 for _ in iter_frames(path, 10.0, lambda _: 0.05, BOUNDS._replace(**bounds)))


def clip(folder: Path) -> Path:
    """A video of 2 s at 10 pictures a second."""
    write_mp4(folder / "clip.mp4", PICTURES, 10, np.zeros(2 * 16000, np.float32), 16000)
    return folder / "clip.mp4"


def with_gap(path: Path, gap_seconds: int) -> Path:
    """Three pictures, the second of which is on display for a long time."""
    with av.open(path, "w") as container:
        stream = container.add_stream("mjpeg", rate=10, options={"strict": "unofficial"})
        stream.width, stream.height, stream.pix_fmt, stream.time_base = 64, 48, "yuvj420p", Fraction(1, 10)
        for picture, tick in zip(PICTURES, (0, 1, 1 + 10 * gap_seconds), strict=False):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = tick, Fraction(1, 10)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def slow_wav(path: Path, rate: int, n_samples: int) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 1, rate, n_samples, "NONE", ""))
        file.writeframes(bytes(n_samples))
    return path


@pytest.mark.parametrize(
    ("read", "key", "limit", "problem"),
    [
        (read_sound, "clip_seconds", 1.9, r"2 s of audio"),
        (read_pictures, "clip_seconds", 1.9, r"2 s of video"),
        (read_pictures, "gap_seconds", 0.09, r"0\.1 s of one and the same picture"),
        (read_pictures, "rows_per_clip", 19, r"20 pictures and more"),
        (read_pictures, "picture_pixels", 64 * 48 - 1, r"3072 pixels a picture"),
        (read_sound, "n_streams", 1, r"2 streams"),
        (read_pictures, "n_streams", 1, r"2 streams"),
    ],
)
def test_a_clip_that_asks_for_more_than_a_limit_is_refused_and_the_limit_named(
    tmp_path: Path, read: Callable[..., int], key: str, limit: float, problem: str
) -> None:
    path = clip(tmp_path)
    with pytest.raises(ClipError, match=rf"{problem}; expected at most limits\.{key}={limit}$") as caught:
        read(path, **{key: limit})
    assert caught.value.kind == "limit"
    assert read(path) > 0


def test_what_is_just_within_all_limits_is_read(tmp_path: Path) -> None:
    just = {"clip_seconds": 2.1, "gap_seconds": 0.11, "rows_per_clip": 20, "picture_pixels": 64 * 48, "n_streams": 2}
    assert read_pictures(clip(tmp_path), **just) == 20
    assert read_sound(clip(tmp_path), clip_seconds=2.1, n_streams=2) == 32000


@pytest.mark.parametrize("gap_seconds", [601, 5_000, 20_000])
@pytest.mark.parametrize("container", ["mkv", "mp4", "mov", "nut"])
def test_a_few_pictures_far_apart_do_not_become_thousands(tmp_path: Path, container: str, gap_seconds: int) -> None:
    path = with_gap(tmp_path / f"gap.{container}", gap_seconds)
    with pytest.raises(ClipError, match=r"expected at most limits\.") as caught:
        read_pictures(path)
    assert caught.value.kind == "limit"


@pytest.mark.parametrize("n_samples", [22_000, 100_000])
def test_slow_sound_does_not_become_days(tmp_path: Path, n_samples: int) -> None:
    path = slow_wav(tmp_path / "slow.wav", 1, n_samples)
    with pytest.raises(ClipError, match=r"s of audio( and more)?; expected at most limits\.clip_seconds=21600$"):
        read_sound(path)


@pytest.mark.skipif(not CASES.exists(), reason="the cases of ../shared are not there")
@pytest.mark.parametrize(
    ("name", "read", "key"),
    [
        ("gap_1e4.mkv", read_pictures, "gap_seconds"),
        ("hang_1550_mj.avi", read_pictures, "clip_seconds"),
        ("sound_1hz_200kB.avi", read_sound, "clip_seconds"),
    ],
)
def test_files_that_asked_for_too_much_are_refused_at_once(name: str, read: Callable[..., int], key: str) -> None:
    with pytest.raises(ClipError, match=rf"expected at most limits\.{key}=") as caught:
        read(CASES / name)
    assert caught.value.kind == "limit"
