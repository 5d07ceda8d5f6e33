"""Times of sound and pictures stand on one clock, whose zero is the earlier of the two starts."""

from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from pipeline.frames import FramesParams, offsets, picture_arrays
from pipeline.logmel import LogMelParams, streamed_arrays
from pipeline.settings.params import load_params
from pipeline.video import iter_frames, iter_waveform, sample_frames
from tests.helpers.synthetic import number_of, numbered_picture, sine, write_clip

ROOT = Path(__file__).parents[2]
LOGMEL = load_params("logmel", LogMelParams, ROOT / "params.yaml")
FRAMES = load_params("frames", FramesParams, ROOT / "params.yaml")
PICTURES = [numbered_picture(k) for k in range(100)]
SOUND = np.stack([sine(1000, 0.4, 4.0, 44100)])
VP9 = {"cpu-used": "8", "deadline": "realtime"}


def written(path: Path, pictures_seconds: float, sound_seconds: float) -> Path:
    times = [pictures_seconds + k / 25 for k in range(100)]
    audio_codec = "pcm_s16le" if path.suffix == ".mov" else "aac"
    return write_clip(path, PICTURES, SOUND, times=times, sound_seconds=sound_seconds, audio_codec=audio_codec)


@pytest.mark.parametrize("name", ["clip.mkv", "clip.mov"])
@pytest.mark.parametrize(
    ("pictures_seconds", "sound_seconds", "pictures_wait", "sound_waits"),
    [(0.0, 0.5, 0.0, 0.5), (0.5, 0.0, 0.5, 0.0), (5.0, 5.25, 0.0, 0.25), (5.5, 5.0, 0.5, 0.0), (0.0, 0.0, 0.0, 0.0)],
)
def test_the_clock_starts_with_the_earlier_of_sound_and_pictures(
    name: str, pictures_seconds: float, sound_seconds: float, pictures_wait: float, sound_waits: float, tmp_path: Path
) -> None:
    path = written(tmp_path / name, pictures_seconds, sound_seconds)
    pictures = picture_arrays("clip", iter_frames(path, 1.0, offsets(FRAMES, "clip")), FRAMES)
    examples = streamed_arrays("clip", iter_waveform(path), LOGMEL)
    np.testing.assert_allclose(pictures["seconds"], pictures_wait + np.array([0.5, 1.5, 2.5, 3.5]), atol=0.002)
    np.testing.assert_allclose(examples["seconds"], sound_waits + 0.96 * np.arange(4), atol=0.002)


def test_padding_before_zero_is_no_start(tmp_path: Path) -> None:
    path = write_clip(
        tmp_path / "clip.webm",
        PICTURES,
        SOUND,
        codec="libvpx-vp9",
        audio_codec="libopus",
        sample_rate=48000,
        options=VP9,
    )
    with av.open(str(path)) as container:
        assert (next(container.demux(audio=0)).pts or 0) < 0
    assert next(iter_frames(path, 1.0, lambda _: 0.0))[0] == pytest.approx(0.0, abs=0.001)
    assert next(iter_waveform(path))[0] == pytest.approx(0.0, abs=0.001)


@pytest.mark.parametrize(("pictures_seconds", "sound_seconds"), [(-0.5, -0.25), (0.0, -1.0)])
def test_time_stamps_below_zero_are_times_like_any_others(
    pictures_seconds: float, sound_seconds: float, tmp_path: Path
) -> None:
    times = [pictures_seconds + k / 25 for k in range(100)]
    unshifted = {"avoid_negative_ts": "disabled"}
    path = tmp_path / "clip.ts"
    write_clip(path, PICTURES, SOUND, times=times, sound_seconds=sound_seconds, container_options=unshifted)
    with av.open(str(path)) as container:
        assert min(stream.start_time or 0 for stream in container.streams) < 0
    zero = min(pictures_seconds, sound_seconds)
    pictures, blocks = list(iter_frames(path, 1.0, lambda _: 0.5)), list(iter_waveform(path))
    assert [number_of(picture) for _, picture in pictures] == [12, 37, 62, 87]
    assert [seconds for seconds, _ in pictures] == pytest.approx(pictures_seconds - zero + np.arange(4) + 0.5, abs=0.03)
    assert blocks[0][0] == pytest.approx(sound_seconds - zero, abs=0.03)  # AAC starts with silence that TS cannot mark
    assert sum(len(block) for _, block in blocks) / 16000 == pytest.approx(4.0, abs=0.06)


@pytest.mark.parametrize("pictures_seconds", [0.0, 0.5, 5.0])
def test_pictures_are_sampled_from_their_own_first_one(pictures_seconds: float, tmp_path: Path) -> None:
    path = written(tmp_path / "clip.mp4", pictures_seconds, 0.25)
    assert [number_of(picture) for picture in sample_frames(path)] == [12, 37, 62, 87]


def test_a_file_of_one_kind_starts_at_zero(tmp_path: Path) -> None:
    times = [5 + k / 25 for k in range(100)]
    assert next(iter_frames(write_clip(tmp_path / "a.mp4", PICTURES, times=times), 1.0, lambda _: 0.0))[0] == 0.0
    sound = write_clip(tmp_path / "b.mp4", waveform=SOUND, sound_seconds=5.0)
    assert next(iter_waveform(sound))[0] == 0.0


NO_B_FITS = "keyint=2:min-keyint=2:bframes=3:open-gop=0"  # the header allows B pictures, key frames leave them no room
H264_WITHOUT_B: dict[str, Any] = {"options": {"x264-params": f"{NO_B_FITS}:scenecut=0"}}
HEVC_WITHOUT_B: dict[str, Any] = {
    "codec": "libx265",
    "options": {"x265-params": f"log-level=none:pools=none:{NO_B_FITS}"},
}
WITHOUT_B = [("a.mp4", H264_WITHOUT_B), ("a.mkv", H264_WITHOUT_B), ("a.ts", H264_WITHOUT_B), ("b.mp4", HEVC_WITHOUT_B)]


@pytest.mark.parametrize(("name", "encoder"), WITHOUT_B)
def test_pictures_that_could_change_places_and_do_not_keep_their_times(
    name: str, encoder: dict[str, Any], tmp_path: Path
) -> None:
    times = (np.cumsum(np.random.default_rng(0).integers(3, 12, 50)) / 100).tolist()
    path = write_clip(tmp_path / name, PICTURES[:50], SOUND, times=times, audio_codec="libmp3lame", **encoder)
    pictures = iter_frames(path, 5.0, lambda _: 0.105)
    seconds, shown = zip(*((seconds, number_of(picture)) for seconds, picture in pictures), strict=True)
    moments = times[0] + 0.105 + np.arange(len(shown)) / 5
    assert list(shown) == [int(np.searchsorted(times, moment, side="right")) - 1 for moment in moments]
    assert seconds[0] - next(iter_waveform(path))[0] == pytest.approx(times[0] + 0.105, abs=0.03)


def test_an_edit_list_counts_where_pictures_could_change_places_and_do_not(tmp_path: Path) -> None:
    times = [k / 25 - 1.0 for k in range(100)]
    edited = {"use_editlist": "1"}
    path = write_clip(tmp_path / "clip.mp4", PICTURES, times=times, container_options=edited, **HEVC_WITHOUT_B)
    assert [number_of(picture) for picture in sample_frames(path, 25.0, 0.02)] == list(range(25, 100))
