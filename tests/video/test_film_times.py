"""The times of a film as its maker set them."""

from pathlib import Path

import numpy as np
import pytest
from scipy.io import wavfile

from pipeline.errors import ClipError
from pipeline.video import film_times, write_mp4


@pytest.mark.parametrize(("rate", "n_pictures"), [(8, 20), (25, 50)])
def test_times_and_number_of_pictures_are_those_that_were_written(rate: int, n_pictures: int, tmp_path: Path) -> None:
    pictures = np.zeros((n_pictures, 32, 48, 3), np.uint8)
    write_mp4(tmp_path / "a.mp4", pictures, rate, np.zeros(32000, np.float32), 16000)
    times = film_times(tmp_path / "a.mp4")
    assert times.n_pictures == n_pictures
    assert (times.start, times.end) == pytest.approx((0, n_pictures / rate))
    assert times.rate == pytest.approx(rate)


def test_a_sound_has_no_film(tmp_path: Path) -> None:
    wavfile.write(tmp_path / "a.wav", 8000, np.zeros(8000, np.int16))
    with pytest.raises(ClipError, match="no video in the file"):
        film_times(tmp_path / "a.wav")
