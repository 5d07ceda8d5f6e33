from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.errors import ClipError
from pipeline.formats.clips import Clip
from pipeline.separation.sounds import SoundsParams, as_int16, clip_arrays
from pipeline.video import write_mp4

PARAMS = SoundsParams(rate=8000, silence_db=-60, shortest_seconds=0.5)
CLIP = Clip(clip_id="talk.mp4", path="talk.mp4", label="speech")


def film(path: Path, waveform: NDArray[np.floating]) -> Path:
    write_mp4(path, np.zeros((25, 32, 32, 3), np.uint8), 25, waveform.astype(np.float32), 16000)
    return path


def test_the_sound_is_that_of_the_file_at_the_rate_that_is_asked_for(tmp_path: Path) -> None:
    time = np.arange(16000) / 16000
    path = film(tmp_path / "talk.mp4", 0.5 * np.sin(2 * np.pi * 440 * time))
    sound = clip_arrays(CLIP, path, PARAMS)["sound"]
    assert (sound.dtype, len(sound)) == (np.int16, 8000)
    spectrum = np.abs(np.fft.rfft(sound[1000:7000]))
    assert np.argmax(spectrum) * 8000 / 6000 == pytest.approx(440, abs=2)
    assert np.abs(sound[1000:7000]).max() / 32768 == pytest.approx(0.5, abs=0.03)


def test_a_silent_clip_is_refused(tmp_path: Path) -> None:
    path = film(tmp_path / "talk.mp4", np.zeros(16000))
    with pytest.raises(
        ClipError,
        match=r"'talk.mp4': its loudest sample is at .* of full scale; expected sound above sounds.silence_db=-60",
    ) as raised:
        clip_arrays(CLIP, path, PARAMS)
    assert raised.value.kind == "silent"


def test_a_clip_that_is_shorter_than_a_window_is_refused(tmp_path: Path) -> None:
    path = film(tmp_path / "talk.mp4", 0.5 * np.sin(np.arange(16000) / 5))
    with pytest.raises(
        ClipError, match=r"clip 'talk.mp4': 1(.0\d)? s of sound; expected at least sounds.shortest_seconds=1.28"
    ) as raised:
        clip_arrays(CLIP, path, PARAMS.model_copy(update={"shortest_seconds": 1.28}))
    assert raised.value.kind == "too_short"


def test_samples_at_full_scale_are_counted(tmp_path: Path) -> None:
    square = np.sign(np.sin(2 * np.pi * 50 * np.arange(16000) / 16000))
    assert clip_arrays(CLIP, film(tmp_path / "loud.mp4", square), PARAMS)["n_clipped"][0] > 500
    assert clip_arrays(CLIP, film(tmp_path / "soft.mp4", 0.3 * square), PARAMS)["n_clipped"][0] == 0


def test_sixteen_bits_are_rounded_and_never_wrap() -> None:
    assert as_int16(np.array([-2.0, -1.0, 0.25 / 32768, 0.75 / 32768, 1.0, 2.0])).tolist() == [
        -32768,
        -32768,
        0,
        1,
        32767,
        32767,
    ]
