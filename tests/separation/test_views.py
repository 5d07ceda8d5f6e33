from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from pipeline.errors import ClipError
from pipeline.formats.clips import Clip
from pipeline.separation.views import ViewsParams, clip_arrays, film_arrays, frames_arrays, grey, mouth_of
from pipeline.video import write_mp4
from tests.helpers.tracks import standing, write_tracks

PARAMS = ViewsParams(mouth_fps=25, mouth_size=16, face_size=24, faces_per_second=1, allow_low_rate=False, tracks=None)
FRAMES = ViewsParams(frames_fps=8, frames_size=12)


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


@pytest.mark.parametrize("rate", [8, 15, 25])
def test_frames_are_whole_pictures_by_time_in_place_of_a_face(rate: int, tmp_path: Path) -> None:
    """Two seconds that get brighter, green above and blue below: each frame is as bright as the film then."""
    levels = np.linspace(20, 220, 2 * rate).astype(np.uint8)
    pictures = np.zeros((len(levels), 32, 32, 3), np.uint8)
    pictures[:, :16, :, 1] = levels[:, None, None]
    pictures[:, 16:, :, 2] = levels[:, None, None]
    write_mp4(tmp_path / "a.mp4", pictures, rate, np.zeros(32000, np.float32), 16000)
    arrays = clip_arrays(Clip(clip_id="a", path="a.mp4", label=""), tmp_path / "a.mp4", FRAMES)
    assert sorted(arrays) == ["frames", "frames_seconds"]
    assert (arrays["frames"].shape, arrays["frames"].dtype) == ((16, 12, 12, 3), np.uint8)
    assert arrays["frames_seconds"].tolist() == pytest.approx([0.0])
    shown = levels[((np.arange(16) + 0.5) / 8 * rate + 1e-6).astype(int)]
    np.testing.assert_allclose(arrays["frames"][:, :5, :, 1].mean(axis=(1, 2)), shown, atol=8)
    np.testing.assert_allclose(arrays["frames"][:, 7:, :, 2].mean(axis=(1, 2)), shown, atol=12)


def test_both_views_may_be_cut(tmp_path: Path) -> None:
    write_mp4(tmp_path / "a.mp4", np.zeros((20, 32, 32, 3), np.uint8), 20, np.zeros(16000, np.float32), 16000)
    both = ViewsParams(**{name: value for params in (PARAMS, FRAMES) for name, value in params if value})
    arrays = clip_arrays(Clip(clip_id="a", path="a.mp4", label=""), tmp_path / "a.mp4", both)
    assert (len(arrays["mouth"]), len(arrays["frames"])) == (25, 8)


@pytest.mark.parametrize("given", [{}, {"frames_fps": 8}, {"frames_fps": 8, "frames_size": 12, "mouth_size": 16}])
def test_half_a_view_is_refused(given: dict[str, float]) -> None:
    words = ", ".join(sorted(given)) or "nothing"
    expected = "all of face_size, faces_per_second, mouth_fps, mouth_size or all of frames_fps, frames_size"
    with pytest.raises(ValidationError, match=f"{words}; expected {expected}"):
        ViewsParams(**given)


def test_frames_of_one_picture_are_refused() -> None:
    with pytest.raises(ClipError, match="clip 'a': 1 pictures; expected at least 2 of what sounds"):
        frames_arrays("a", iter([(0.06, np.zeros((8, 8, 3), np.uint8))]), FRAMES)


def test_the_face_is_where_its_track_says(tmp_path: Path) -> None:
    """A film that is black but for its right half; the track is there, and says where the mouth is."""
    pictures = np.zeros((50, 64, 128, 3), np.uint8)
    pictures[:, :, 64:] = 200
    write_mp4(tmp_path / "a.mp4", pictures, 25, np.zeros(32000, np.float32), 16000)
    rows = standing("anna", 64, 64, 64, 2, clip_id="a")
    params = PARAMS.model_copy(update={"tracks": write_tracks(tmp_path / "t.csv", rows)})
    arrays = clip_arrays(Clip(clip_id="a", path="a.mp4", label=""), tmp_path / "a.mp4", params)
    assert arrays["mouth"].shape == (50, 16, 16)
    assert arrays["mouth"].min() > 180
    assert arrays["face"].min() > 180


def test_other_tracks_are_other_params_to_the_cache(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    params = PARAMS.model_copy(update={"tracks": path})
    dumped = []
    for width in (50, 51):
        write_tracks(path, standing("anna", 0, width, 60, 1))
        dumped.append(params.model_dump(mode="json"))
    assert dumped[0] != dumped[1]


def test_a_film_of_few_pictures_a_second_is_refused_unless_it_is_allowed(tmp_path: Path) -> None:
    write_mp4(tmp_path / "a.mp4", np.zeros((20, 32, 32, 3), np.uint8), 10, np.zeros(32000, np.float32), 16000)
    clip = Clip(clip_id="a", path="a.mp4", label="")
    with pytest.raises(ClipError, match=r"10\.00 pictures a second; expected at least 15, or views\.allow") as raised:
        clip_arrays(clip, tmp_path / "a.mp4", PARAMS)
    assert raised.value.kind == "low_rate"
    allowed = PARAMS.model_copy(update={"allow_low_rate": True})
    assert clip_arrays(clip, tmp_path / "a.mp4", allowed)["mouth"].shape == (50, 16, 16)
