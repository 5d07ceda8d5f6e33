import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import soxr
from numpy.typing import NDArray

from pipeline.errors import ClipError, ParamsError
from pipeline.video import iter_frames, read_waveform, sample_frames
from pipeline.video.media import Media
from tests.helpers.synthetic import OPEN_GOP_H264, OPEN_GOP_HEVC, cut, number_of, numbered_picture, sine, write_clip

Reader = Callable[[Path], NDArray[Any]]
PICTURES = [numbered_picture(k) for k in range(100)]
UNEVEN_TIMES = np.cumsum(np.random.default_rng(0).uniform(0.01, 0.09, 100)).tolist()
STEREO = np.stack([sine(1000, 0.4, 4.0, 44100), sine(1000, 0.2, 4.0, 44100)])
INSIDE = slice(2048, -2048)  # a lossy codec rings at the ends
INDEX_FIRST = {"movflags": "faststart"}
B_PYRAMID = {"x264-params": "keyint=250:bframes=8:b-adapt=0:b-pyramid=normal:scenecut=0"}
EVERY_STREAM: dict[str, dict[str, Any]] = {
    "closed.mp4": {"options": {"g": "12", "bf": "0"}},
    "one_gop.mp4": {"options": {"g": "250"}},
    "b_pyramid.mp4": {"options": B_PYRAMID},
    "open_gop.mp4": {"options": OPEN_GOP_H264},
    "hevc.mp4": {"codec": "libx265", "options": {"x265-params": "log-level=none:keyint=20:open-gop=0:pools=none"}},
    "hevc_open_gop.mp4": {"codec": "libx265", "options": OPEN_GOP_HEVC},
    "uneven.mp4": {"times": UNEVEN_TIMES},
    "uneven_open_gop.mkv": {"times": UNEVEN_TIMES, "options": OPEN_GOP_H264},
    "vp9.webm": {"codec": "libvpx-vp9", "options": {"cpu-used": "8", "deadline": "realtime", "g": "30"}},
    "divx.avi": {"codec": "mpeg4", "options": {"bf": "2"}},
    "transport.ts": {"options": OPEN_GOP_H264},
}


def every_picture(path: Path) -> tuple[list[float], NDArray[np.uint8], float]:
    """Start of each picture, all pictures, and the end: whatever a decoder that skips nothing gives."""
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
        ticks = [frame.pts or 0 for frame in frames]
        starts = [float((pts - ticks[0]) * (frames[0].time_base or 0)) for pts in ticks]
        pictures = np.stack([np.asarray(frame.to_ndarray(format="rgb24"), np.uint8) for frame in frames])
    with av.open(str(path)) as container:
        last = max((p for p in container.demux(video=0) if p.pts is not None), key=lambda packet: packet.pts or 0)
    duration = float((last.duration or 0) * last.time_base) or (starts[-1] / (len(starts) - 1))
    return starts, pictures, starts[-1] + duration


@pytest.fixture(scope="module", params=EVERY_STREAM)
def stream(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("streams") / request.param, PICTURES, **EVERY_STREAM[request.param])


@pytest.mark.parametrize(("rate", "offset"), [(1.0, 0.5), (1.0, 0.0), (2.0, 0.25), (60.0, 0.0)])
def test_planned_decoding_gives_the_bytes_of_decoding_everything(stream: Path, rate: float, offset: float) -> None:
    starts, pictures, end = every_picture(stream)
    times = np.arange(offset, end - 1e-6, 1 / rate)
    expected = [np.searchsorted(starts, time + 1e-6, side="right") - 1 for time in times]
    np.testing.assert_array_equal(sample_frames(stream, rate, offset), pictures[expected])


def test_a_picture_is_the_one_on_display_at_its_time(stream: Path) -> None:
    starts = EVERY_STREAM[stream.name].get("times", [k / 25 for k in range(100)])
    shown = [(time, number_of(picture)) for time, picture in iter_frames(stream, 3.0, lambda _: 0.21)]
    latest = [max(k for k in range(100) if starts[k] - starts[0] <= time + 0.002) for time, _ in shown]
    assert [number for _, number in shown] == latest


def test_the_last_time_is_inside_the_last_picture(stream: Path) -> None:
    _, _, end = every_picture(stream)
    times = [time for time, _ in iter_frames(stream, 100.0, lambda _: 0.0)]
    assert times == [k / 100 for k in range(math.ceil(100 * (end - 1e-6)))]


@pytest.mark.parametrize("name", ["closed.mp4", "open_gop.mp4", "hevc_open_gop.mp4"])
@pytest.mark.parametrize("n_neighbours", [1, 2])
def test_any_neighbours_can_be_reached_alone(name: str, n_neighbours: int, tmp_path: Path) -> None:
    path = write_clip(tmp_path / name, PICTURES[:40], **EVERY_STREAM[name])
    for first in range(40 - n_neighbours):
        offsets = [first / 25] * n_neighbours + [99.0]
        pictures = iter_frames(path, 25.0, offsets.__getitem__)
        assert [number_of(picture) for _, picture in pictures] == [first + k for k in range(n_neighbours)]


def test_each_time_may_have_an_offset_of_its_own(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mp4", PICTURES)
    offsets = [0.1, 0.9, 0.0, 0.5, 9.0]
    shown = [(time, number_of(picture)) for time, picture in iter_frames(path, 1.0, offsets.__getitem__)]
    assert shown == [(0.1, 2), (1.9, 47), (2.0, 50), (3.5, 87)]


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_a_turned_clip_comes_upright(degrees: int, tmp_path: Path) -> None:
    lying = [np.rot90(picture, -degrees // 90) for picture in PICTURES[:50]]
    path = write_clip(tmp_path / "clip.mp4", lying, rotation_degrees=degrees)
    assert [number_of(picture) for picture in sample_frames(path)] == [12, 37]


def test_a_mirrored_clip_comes_unmirrored(tmp_path: Path) -> None:
    path = tmp_path / "clip.mov"
    mirror = [-(1 << 16), 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30]
    write_clip(path, [picture[:, ::-1] for picture in PICTURES[:50]], display_matrix=mirror)
    assert [number_of(picture) for picture in sample_frames(path)] == [12, 37]


def test_odd_sizes_keep_every_row_and_column(tmp_path: Path) -> None:
    odd = [numbered_picture(k, 47, 65) for k in range(30)]
    path = write_clip(tmp_path / "clip.webm", odd, **EVERY_STREAM["vp9.webm"])
    np.testing.assert_array_equal(sample_frames(path, 25.0, 0.0), every_picture(path)[1])
    assert sample_frames(path).shape == (1, 47, 65, 3)


def test_a_clip_shorter_than_the_offset_has_no_pictures_but_a_size(tmp_path: Path) -> None:
    assert sample_frames(write_clip(tmp_path / "clip.mp4", PICTURES[:10])).shape == (0, 48, 64, 3)


def test_what_lies_before_the_first_key_frame_is_not_shown(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.ts", PICTURES, options=OPEN_GOP_H264, drop_first=5)
    starts, pictures, _ = every_picture(path)
    assert number_of(sample_frames(path, offset_seconds=0.0)[0]) == number_of(pictures[0])
    np.testing.assert_array_equal(sample_frames(path, 25.0, 0.0)[: len(starts)], pictures)


def test_what_lies_outside_the_edit_list_is_not_shown(tmp_path: Path) -> None:
    times = [k / 25 - 1.0 for k in range(100)]
    path = write_clip(tmp_path / "clip.mp4", PICTURES, times=times, container_options={"use_editlist": "1"})
    _, pictures, _ = every_picture(path)
    np.testing.assert_array_equal(sample_frames(path, 25.0, 0.0), pictures)
    assert number_of(sample_frames(path, offset_seconds=0.0)[0]) == 25


@pytest.mark.parametrize("name", ["one_gop.mp4", "vp9.webm"])
def test_a_decoder_starts_no_thread_of_its_own(name: str, tmp_path: Path) -> None:
    path = write_clip(tmp_path / name, PICTURES, **EVERY_STREAM[name])
    n_before = len(list(Path("/proc/self/task").iterdir()))
    frames = iter_frames(path, 25.0, lambda _: 0.0)
    assert number_of(next(frames)[1]) == 0
    assert len(list(Path("/proc/self/task").iterdir())) <= n_before


@pytest.mark.parametrize("name", ["clip.mp4", "clip.mov"])
def test_a_sine_comes_back_with_its_length_frequency_and_level(name: str, tmp_path: Path) -> None:
    waveform = read_waveform(write_clip(tmp_path / name, PICTURES, STEREO))
    expected = sine(1000, 0.3, 4.0, 16000)
    assert waveform.dtype == np.float32
    assert abs(len(waveform) - 64000) <= 16
    spectrum = np.abs(np.fft.rfft(waveform[:64000]))
    assert np.argmax(spectrum) == 4000
    assert np.sqrt(np.mean(waveform**2)) == pytest.approx(np.sqrt(np.mean(expected**2)), rel=0.01)


@pytest.mark.parametrize("audio_codec", ["pcm_s16le", "pcm_u8", "pcm_f32le", "pcm_s32le"])
def test_every_sample_format_has_the_same_scale(audio_codec: str, tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mkv", waveform=STEREO, audio_codec=audio_codec)
    np.testing.assert_allclose(read_waveform(path, 44100), STEREO.mean(axis=0), atol=0.01)


def test_resampling_is_that_of_soxr(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mov", waveform=STEREO, audio_codec="pcm_f32le")
    expected = soxr.resample(STEREO.mean(axis=0), 44100, 16000, quality="HQ")
    np.testing.assert_allclose(read_waveform(path), expected, atol=1e-6)


def test_a_waveform_louder_than_one_is_clipped(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mov", waveform=5 * STEREO, audio_codec="pcm_f32le")
    assert np.abs(read_waveform(path)).max() == 1.0


def test_a_clip_without_audio_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ClipError, match=r"clip\.mp4': no audio in the file; expected an audio stream") as refusal:
        read_waveform(write_clip(tmp_path / "clip.mp4", PICTURES[:25]))
    assert refusal.value.kind == "no_audio"


def test_a_clip_without_video_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ClipError, match="no video in the file; expected a video stream") as refusal:
        sample_frames(write_clip(tmp_path / "clip.mp4", waveform=STEREO))
    assert refusal.value.kind == "no_video"


def test_a_cover_is_no_video(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mp4", PICTURES[:1], STEREO, codec="mjpeg", is_cover=True)
    with pytest.raises(ClipError, match="no video in the file"):
        sample_frames(path)
    assert len(read_waveform(path)) > 60000


@pytest.mark.parametrize("data", [b"", b"a page that says 404\n" * 99, np.random.default_rng(0).bytes(9999)])
def test_what_is_no_media_is_refused(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(data)
    for read in (read_waveform, sample_frames):
        with pytest.raises(ClipError, match="no format that FFmpeg knows; expected a media file") as refusal:
            read(path)
        assert refusal.value.kind == "not_media"


@pytest.mark.parametrize("read", [read_waveform, sample_frames])
@pytest.mark.parametrize("name", ["missing.mp4", ""])
def test_what_cannot_be_opened_is_refused(read: Reader, name: str, tmp_path: Path) -> None:
    with pytest.raises(ClipError, match=r"(No such file|Is a directory).*expected a file that can be read") as refusal:
        read(tmp_path / name)
    assert refusal.value.kind == "unreadable"


@pytest.mark.parametrize("read", [read_waveform, sample_frames])
@pytest.mark.parametrize(
    ("name", "fraction"),
    [("clip.mp4", 0.5), ("clip.mp4", 0.99), ("clip.mov", 0.8), ("clip.mkv", 0.5), ("clip.mkv", 0.9)],
)
def test_a_clip_cut_short_is_refused(read: Reader, name: str, fraction: float, tmp_path: Path) -> None:
    path = cut(write_clip(tmp_path / name, PICTURES, STEREO, container_options=INDEX_FIRST), fraction)
    with pytest.raises(ClipError, match=r"bytes by its header|without its index|is incomplete") as refusal:
        read(path)
    assert refusal.value.kind == "truncated"


@pytest.mark.parametrize("read", [read_waveform, sample_frames])
def test_an_mp4_cut_before_its_index_is_refused(read: Reader, tmp_path: Path) -> None:
    path = cut(write_clip(tmp_path / "clip.mp4", PICTURES, STEREO), 0.7)
    with pytest.raises(ClipError, match=r"an MP4 without its index \(moov\); expected a whole file") as refusal:
        read(path)
    assert refusal.value.kind == "truncated"


@pytest.mark.parametrize("read", [read_waveform, sample_frames])
def test_a_clip_with_a_hole_is_refused(read: Reader, tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mp4", PICTURES, STEREO, options={"g": "250"})
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 3000] = bytes(3000)
    path.write_bytes(data)
    with pytest.raises(ClipError, match=r"damaged data .*; expected intact packets") as refusal:
        read(path)
    assert refusal.value.kind == "undecodable"


def test_a_picture_that_the_decoder_guessed_is_refused(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mp4", [numbered_picture(k, 96, 128) for k in range(25)], options={"bf": "0"})
    with av.open(str(path)) as container:
        first = next(container.demux(video=0))
        start, size = first.pos or 0, first.size
    data = bytearray(path.read_bytes())
    data[start + size // 2 : start + size] = bytes(size - size // 2)
    path.write_bytes(data)
    with pytest.raises(ClipError, match=r"damaged data \(a concealed frame\); expected intact packets"):
        sample_frames(path)


def test_a_picture_that_never_comes_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_clip(tmp_path / "clip.mp4", PICTURES[:25])
    monkeypatch.setattr(Media, "decode", lambda *_: [])  # no decoder passes over a packet at our command
    with pytest.raises(ClipError, match=r"no picture decoded for 0\.50 s; expected one in its turn"):
        sample_frames(path)


def test_a_refusal_prints_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = cut(write_clip(tmp_path / "clip.mp4", PICTURES, STEREO), 0.5)
    capfd.readouterr()
    with pytest.raises(ClipError, match="without its index"):
        read_waveform(path)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("frames_per_second", "offset_seconds", "message"),
    [
        (0.0, 0.5, r"frames_per_second=0\.0; expected more than 0"),
        (math.nan, 0.5, "frames_per_second=nan; expected more than 0"),
        (1.0, -0.1, r"offset_seconds=-0\.1; expected 0 or more"),
        (1.0, math.nan, "offset_seconds=nan; expected 0 or more"),
    ],
)
def test_times_that_make_no_sense_are_refused(
    frames_per_second: float, offset_seconds: float, message: str, tmp_path: Path
) -> None:
    with pytest.raises(ParamsError, match=message):
        sample_frames(write_clip(tmp_path / "clip.mp4", PICTURES[:25]), frames_per_second, offset_seconds)


def test_a_colon_in_a_name_is_no_protocol(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_clip(tmp_path / "clip.mp4", PICTURES[:25]).rename(tmp_path / "http:clip.mp4")
    monkeypatch.chdir(tmp_path)
    assert len(sample_frames(Path("http:clip.mp4"))) == 1
