from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import ClipError
from pipeline.formats.clips import Clip
from pipeline.separation.views import ViewsParams, clip_arrays, film_arrays, grey, mouth_of
from pipeline.video import write_mp4

PARAMS = ViewsParams(mouth_fps=25, mouth_size=16, face_size=24, faces_per_second=1)


@pytest.mark.parametrize("rate", [15, 25, 50])
def test_pictures_are_taken_by_time_whatever_the_rate_of_the_film(rate: int, tmp_path: Path) -> None:
    """Two seconds that get brighter: at each moment the mouth is as bright as the film then."""
    levels = np.linspace(20, 220, 2 * rate).astype(np.uint8)
    pictures = np.repeat(levels[:, None, None, None], 3, axis=3) * np.ones((1, 64, 64, 1), np.uint8)
    write_mp4(tmp_path / "a.mp4", pictures, rate, np.zeros(32000, np.float32), 16000)
    arrays = clip_arrays(Clip(clip_id="a", path="a.mp4", label=""), tmp_path / "a.mp4", PARAMS)
    assert arrays["mouth"].shape == (50, 16, 16)
    assert arrays["face"].shape[1:] == (24, 24, 3)
    times = (np.arange(50) + 0.5) / 25
    shown = levels[np.minimum((times * rate + 1e-6).astype(int), len(levels) - 1)]
    np.testing.assert_allclose(arrays["mouth"].mean(axis=(1, 2)), shown, atol=6)
    assert arrays["seconds"].tolist() == pytest.approx([0.0])


def test_the_mouth_is_the_lower_middle_of_the_face() -> None:
    face = np.zeros((100, 80, 3), np.uint8)
    face[72, 40] = 255
    side = 36
    where = np.argwhere(mouth_of(face)[..., 0])
    assert mouth_of(face).shape == (side, side, 3)
    np.testing.assert_allclose(where[0], [side / 2, side / 2], atol=1)


def test_the_mouth_stays_inside_of_a_flat_picture() -> None:
    assert mouth_of(np.zeros((20, 300, 3), np.uint8)).shape == (9, 9, 3)


def test_grey_is_brightness() -> None:
    picture = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255]]], np.uint8)
    assert grey(picture).tolist() == [[76, 150, 29, 255]]


def test_a_clip_of_one_picture_has_no_view() -> None:
    with pytest.raises(ClipError, match="clip 'a': 1 pictures; expected at least 2 of a face") as raised:
        film_arrays("a", [(0.02, np.zeros((8, 8, 3), np.uint8))], PARAMS)
    assert raised.value.kind == "no_view"
