"""The part of a video that has sound and pictures, by hand; and what is refused."""

from pathlib import Path

import av
import numpy as np
import pytest
from scipy.io import wavfile

from pipeline.errors import ClipError
from pipeline.separation.videos.opening import open_video
from pipeline.video import write_mp4
from tests.helpers.synthetic import sine

SILENCE_DB = -60


def film(path: Path, film_seconds: float, sound_seconds: float) -> Path:
    pictures = np.zeros((round(film_seconds * 25), 32, 48, 3), np.uint8)
    write_mp4(path, pictures, 25, sine(300, 0.5, sound_seconds, 16000), 16000)
    return path


@pytest.mark.parametrize(
    ("film_seconds", "sound_seconds", "seconds", "warning"),
    [
        (2.0, 2.0, 2.0, None),
        (3.0, 2.8, 2.8, None),  # the film goes on
        (2.0, 2.16, 2.16, None),  # its last picture stays
        (2.0, 2.4, 2.0, None),  # it does not stay for so long
        (2.0, 3.0, 2.0, "the film ends at 2.00 s and the sound at 3.00 s: what only one of them has is left out"),
        (3.0, 2.0, 2.0, "the film ends at 3.00 s and the sound at 2.00 s: what only one of them has is left out"),
    ],
)
def test_what_film_and_sound_have_in_common_is_taken(
    film_seconds: float, sound_seconds: float, seconds: float, warning: str | None, tmp_path: Path
) -> None:
    video = open_video(film(tmp_path / "a.mp4", film_seconds, sound_seconds), 8000, SILENCE_DB)
    assert video.start == 0
    assert video.seconds == pytest.approx(seconds, abs=0.01)
    assert video.warnings == ((warning,) if warning else ())
    assert video.n_pictures(25) == round(seconds * 25)
    expected = sine(300, 0.5, seconds, 8000)[1000:-1000]
    np.testing.assert_allclose(video.mixture[1000 : 1000 + len(expected)], expected, atol=0.02)


def test_silence_is_refused(tmp_path: Path) -> None:
    write_mp4(tmp_path / "a.mp4", np.zeros((25, 32, 48, 3), np.uint8), 25, np.zeros(16000, np.float32), 16000)
    with pytest.raises(ClipError, match=r"expected sound above sounds\.silence_db=-60") as refused:
        open_video(tmp_path / "a.mp4", 8000, SILENCE_DB)
    assert refused.value.kind == "silent"


def test_a_file_without_pictures_is_refused(tmp_path: Path) -> None:
    wavfile.write(tmp_path / "a.wav", 8000, sine(300, 0.5, 1.0, 8000))
    with pytest.raises(ClipError) as refused:
        open_video(tmp_path / "a.wav", 8000, SILENCE_DB)
    assert refused.value.kind == "no_video"


def test_a_film_without_sound_is_refused(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "a.mp4"), "w") as file:
        stream = file.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 48, 32, "yuv420p"
        for _ in range(25):
            file.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((32, 48, 3), np.uint8))))
        file.mux(stream.encode(None))
    with pytest.raises(ClipError) as refused:
        open_video(tmp_path / "a.mp4", 8000, SILENCE_DB)
    assert refused.value.kind == "no_audio"


def test_stereo_at_another_rate_is_the_mean_of_its_channels(tmp_path: Path) -> None:
    left, right = sine(300, 0.4, 2.0, 44100), sine(700, 0.2, 2.0, 44100)
    with av.open(str(tmp_path / "a.mkv"), "w") as file:
        pictures, sound = file.add_stream("libx264", rate=25), file.add_stream("pcm_s16le", rate=44100, layout="stereo")
        pictures.width, pictures.height, pictures.pix_fmt = 48, 32, "yuv420p"
        for _ in range(50):
            file.mux(pictures.encode(av.VideoFrame.from_ndarray(np.zeros((32, 48, 3), np.uint8))))
        file.mux(pictures.encode(None))
        packed = np.stack([left, right], axis=1).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(np.int16(packed * 32767), format="s16", layout="stereo")
        frame.sample_rate = 44100
        file.mux(sound.encode(frame))
        file.mux(sound.encode(None))
    video = open_video(tmp_path / "a.mkv", 8000, SILENCE_DB)
    expected = (sine(300, 0.4, 2.0, 8000) + sine(700, 0.2, 2.0, 8000)) / 2
    assert video.seconds == pytest.approx(2.0, abs=0.001)
    np.testing.assert_allclose(video.mixture[100:-100], expected[100:-100], atol=1e-3)
