"""The sound of a box that stays: the views that a separator is shown, by hand, and what is refused."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import ClipError
from pipeline.separation.boxes import SoundingBox
from pipeline.separation.sounds import SoundsParams
from pipeline.separation.videos.one_track import rest_of, standing_track, track_sound
from pipeline.separation.videos.trained import Trained
from pipeline.settings.limits import Limits
from pipeline.video import read_waveform, write_mp4
from tests.helpers.apart import VIEWS, Brightness
from tests.helpers.separation import committed_params
from tests.helpers.synthetic import sine

RIGHT = SoundingBox(0.5, 0.0, 0.5, 1.0)


@pytest.fixture
def film(tmp_path: Path) -> Path:
    """Two and a half seconds, black on the left and bright on the right."""
    pictures = np.zeros((62, 64, 128, 3), np.uint8)
    pictures[:, :, 64:] = 200
    write_mp4(tmp_path / "a.mp4", pictures, 25, sine(300, 0.5, 2.48, 16000), 16000)
    return tmp_path / "a.mp4"


def trained(fewest_views: int = 1) -> Trained:
    """A separator whose sounds are the mixture times how bright a mouth is."""
    separator = Brightness()
    separator.fewest_views = fewest_views  # type: ignore[misc]  # of this one alone
    params = committed_params("speech")
    sounds, limits = SoundsParams(**params["sounds"]), Limits(**params["limits"])
    return Trained("brightness", separator, sounds, VIEWS, limits)  # type: ignore[arg-type]  # it cannot be fitted


@pytest.mark.parametrize("fewest_views", [1, 2])
def test_the_sound_is_that_of_the_box_alone(film: Path, fewest_views: int) -> None:
    mixture = read_waveform(film, 8000)
    bright = track_sound(film, RIGHT, trained(fewest_views))
    assert (bright.rate, bright.warnings) == (8000, [])
    np.testing.assert_allclose(bright.waveform, mixture[: len(bright.waveform)] * 200 / 255, atol=0.01)
    dark = track_sound(film, SoundingBox(0.0, 0.0, 0.25, 1.0), trained(fewest_views))
    np.testing.assert_allclose(dark.waveform, 0, atol=0.01)
    (warning,) = dark.warnings
    assert warning.startswith("track 'box' is at -")


def test_the_track_stands_all_through_the_film(film: Path) -> None:
    track = standing_track("box", SoundingBox(0.25, 0.5, 0.5, 0.25), trained().opened(film), trained())
    assert track.seconds.tolist() == [0, 1, 2, 3]
    assert track.boxes.tolist() == [[32, 32, 64, 16]] * 4


def test_a_box_of_no_pixel_and_one_that_leaves_the_picture_are_refused(film: Path) -> None:
    with pytest.raises(ClipError, match=r"track 'box': 0\.64 x 64 of 128 x 64 pixels; expected at least 1 x 1 pixel"):
        track_sound(film, SoundingBox(0.0, 0.0, 0.005, 1.0), trained())
    with pytest.raises(ClipError, match="its box 64, 0, 128, 64 is outside of the picture"):
        track_sound(film, SoundingBox(0.5, 0.0, 1.0, 1.0), trained())


@pytest.mark.parametrize(
    ("box", "rest"),
    [
        ((0.0, 0.0, 0.5, 1.0), (0.5, 0.0, 0.5, 1.0)),
        ((0.75, 0.25, 0.25, 0.5), (0.0, 0.0, 0.75, 1.0)),
        ((0.0, 0.0, 1.0, 0.75), (0.0, 0.75, 1.0, 0.25)),
        ((0.25, 0.5, 0.5, 0.5), (0.0, 0.0, 1.0, 0.5)),
    ],
)
def test_the_rest_is_the_largest_part_beside_the_box(
    film: Path, box: tuple[float, ...], rest: tuple[float, ...]
) -> None:
    assert rest_of(SoundingBox(*box), trained().opened(film)) == SoundingBox(*rest)


def test_the_whole_picture_leaves_no_rest(film: Path) -> None:
    with pytest.raises(
        ClipError, match="the box is the whole picture; expected a part beside it, which this separator"
    ):
        track_sound(film, SoundingBox(0.0, 0.0, 1.0, 1.0), trained(2))
