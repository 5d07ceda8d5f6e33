"""The writer of small MP4 files, read back by the reader and compared with what went in."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import DataError
from pipeline.video import read_waveform, sample_frames, write_mp4
from tests.helpers.synthetic import number_of, numbered_picture, sine

PICTURES = [numbered_picture(k) for k in range(100)]
SOUND = sine(1000, 0.4, 4.0, 44100)
INSIDE = slice(2048, -2048)  # a lossy codec rings at the ends


def test_write_mp4_writes_the_same_bytes_again(tmp_path: Path) -> None:
    for name in ("a.mp4", "b.mp4"):
        write_mp4(tmp_path / name, PICTURES, 25, SOUND, 44100)
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.mp4", "b.mp4"]


def test_write_mp4_keeps_pictures_and_sound(tmp_path: Path) -> None:
    write_mp4(tmp_path / "clip.mp4", PICTURES, 25, SOUND, 44100)
    assert [number_of(picture) for picture in sample_frames(tmp_path / "clip.mp4")] == [12, 37, 62, 87]
    waveform = read_waveform(tmp_path / "clip.mp4", 44100)
    assert waveform.shape == SOUND.shape
    np.testing.assert_allclose(waveform[INSIDE], SOUND[INSIDE], atol=0.05)


def test_write_mp4_leaves_nothing_behind_when_it_fails(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="pictures: none; expected at least one"):
        write_mp4(tmp_path / "clip.mp4", [], 25, SOUND, 44100)
    assert list(tmp_path.iterdir()) == []


def test_write_mp4_refuses_an_odd_size(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="pictures: 65 x 47; expected an even width and height"):
        write_mp4(tmp_path / "clip.mp4", [numbered_picture(0, 47, 65)], 25, SOUND, 44100)
