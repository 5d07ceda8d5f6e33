"""Oracles: the frequency of a sine, librosa's own transform, and what Pillow reads from the addresses."""

import io
from base64 import b64decode

import librosa
import numpy as np
import pytest
from PIL import Image

from pipeline.report.sounds import decibels, spectrogram_png, thumbnail_jpeg

RATE = 16000


def picture(address: str) -> Image.Image:
    return Image.open(io.BytesIO(b64decode(address.partition("base64,")[2], validate=True)))


def noise(n_samples: int = RATE) -> "np.ndarray[tuple[int], np.dtype[np.float32]]":
    return np.random.default_rng(0).uniform(-1, 1, n_samples).astype(np.float32)


def test_a_sine_is_loudest_at_its_frequency() -> None:
    seconds = np.arange(RATE, dtype=np.float32) / RATE
    levels = decibels(np.sin(2 * np.pi * 1000 * seconds), RATE)
    assert levels.shape == (257, 101)
    assert set(levels[:, 10:90].argmax(axis=0)) == {1000 * 512 // RATE}
    assert levels.max() == 0
    assert levels.min() >= -80


def test_the_levels_are_those_of_librosas_own_transform() -> None:
    magnitudes = np.abs(librosa.stft(noise(), n_fft=512, hop_length=160))
    np.testing.assert_allclose(
        decibels(noise(), RATE), librosa.amplitude_to_db(magnitudes, ref=np.max, top_db=80), atol=1e-3
    )


@pytest.mark.parametrize("n_samples", [1, 100, RATE])
def test_silence_of_any_length_has_a_picture(n_samples: int) -> None:
    silence = np.zeros(n_samples, np.float32)
    assert (decibels(silence, RATE) == -80).all()
    assert picture(spectrogram_png(silence, RATE)).size == (208, 120)


def test_the_picture_is_a_png_of_the_same_bytes_each_time() -> None:
    first, second = (spectrogram_png(noise(), RATE) for _ in range(2))
    assert first == second
    assert picture(first).format == "PNG"


def test_a_thumbnail_keeps_the_shape_of_its_picture() -> None:
    small = picture(thumbnail_jpeg(np.full((240, 480, 3), 200, np.uint8)))
    assert (small.format, small.size) == ("JPEG", (160, 80))
    assert abs(int(np.asarray(small).mean()) - 200) <= 2
