import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.errors import DataError, ParamsError
from pipeline.separation.faces.__main__ import faces
from pipeline.separation.faces.cascade import FaceFinder, faces_of_video
from pipeline.separation.tracks import tracks_of_video
from pipeline.video import write_mp4

SIZE = 96
PARTS = (  # centre, radii, softness of the edge, brightness, from the hair to the chin
    ((0.42, 0.50), (0.46, 0.40), 0.15, 50),
    ((0.52, 0.50), (0.42, 0.32), 0.15, 190),
    ((0.12, 0.50), (0.14, 0.30), 0.30, 50),
    *(((0.37, 0.50 + side), (0.02, 0.09), 0.40, 60) for side in (-0.14, 0.14)),
    *(((0.44, 0.50 + side), (0.06, 0.10), 0.50, 130) for side in (-0.14, 0.14)),
    *(((0.44, 0.50 + side), (0.03, 0.06), 0.30, 40) for side in (-0.14, 0.14)),
    ((0.52, 0.50), (0.12, 0.025), 0.60, 215),
    ((0.63, 0.50), (0.02, 0.06), 0.50, 120),
    ((0.76, 0.50), (0.035, 0.11), 0.40, 100),
)
FACE_CENTRE, FACE_WIDTH = (0.50, 0.54), 0.85  # of the drawn square, as a cascade boxes a face


def drawn_face(size: int = SIZE) -> NDArray[np.uint8]:
    """A face from the front, (size, size, 3), of soft ellipses."""
    rows, columns = (np.mgrid[:size, :size] + 0.5) / size
    picture = np.full((size, size), 90.0)
    for (y, x), (height, width), soft, level in PARTS:
        distance = np.hypot((rows - y) / height, (columns - x) / width)
        weight = np.clip((1 + soft - distance) / (2 * soft), 0, 1)
        picture += weight * (level - picture)
    return np.repeat(picture.astype(np.uint8)[..., None], 3, axis=2)


def film(path: Path, *tops: float, moving: float = 0.0, n_pictures: int = 50, rate: int = 25) -> Path:
    """A film of some faces beside each other, the first of which moves by so many pixels a second."""
    pictures = np.full((n_pictures, 160, 320, 3), 90, np.uint8)
    for number, top in enumerate(tops):
        for k, picture in enumerate(pictures):
            left, y = round(20 + 150 * number + (moving * k / rate if number == 0 else 0)), round(top)
            picture[y : y + SIZE, left : left + SIZE] = drawn_face()
    write_mp4(path, pictures, rate, np.zeros(round(16000 * n_pictures / rate), np.float32), 16000)
    return path


@pytest.mark.parametrize(("size", "width", "height"), [(64, 500, 400), (128, 1200, 900), (400, 1200, 900)])
def test_a_face_is_boxed_where_it_is_at_any_size(size: int, width: int, height: int) -> None:
    picture = np.full((height, width, 3), 90, np.uint8)
    left, top = width // 2, height // 3
    picture[top : top + size, left : left + size] = drawn_face(size)
    (box,) = FaceFinder().faces(picture)
    expected = np.array([left + FACE_CENTRE[0] * size, top + FACE_CENTRE[1] * size])
    np.testing.assert_allclose(box[:2] + box[2:] / 2, expected, atol=0.08 * size)
    assert box[2] == pytest.approx(FACE_WIDTH * size, rel=0.2)


def test_what_is_no_face_has_no_box() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (200, 300, 3)).astype(np.uint8)
    assert FaceFinder().faces(noise).shape == (0, 4)
    assert FaceFinder().faces(np.ascontiguousarray(drawn_face(128)[::-1])).shape == (0, 4)  # upside down


def test_two_faces_of_a_film_are_two_tracks_that_the_reader_takes(tmp_path: Path) -> None:
    video = film(tmp_path / "talk.mp4", 20, 40, moving=15)
    faces(video, tmp_path / "tracks.csv")
    first, second = tracks_of_video(tmp_path / "tracks.csv", video)
    assert (first.name, second.name) == ("face_1", "face_2")
    for track in (first, second):
        track.check("talk.mp4", 320, 160, 2.0)
        np.testing.assert_allclose(track.seconds, np.arange(10) / 5, atol=1e-3)
    moved = first.boxes[-1, 0] - first.boxes[0, 0]
    assert moved == pytest.approx(15 * 1.8, abs=6)
    np.testing.assert_allclose(np.ptp(second.boxes, axis=0), 0, atol=6)


def test_a_face_that_flashes_up_is_left_out(tmp_path: Path) -> None:
    assert faces_of_video(film(tmp_path / "flash.mp4", 20, n_pictures=20)) == []


def test_a_film_without_a_face_is_named_and_nothing_is_written(tmp_path: Path) -> None:
    video = film(tmp_path / "grey.mp4")
    with pytest.raises(DataError, match=r"grey.mp4: no face for a second or longer; expected one, upright and seen"):
        faces(video, tmp_path / "tracks.csv")
    assert not (tmp_path / "tracks.csv").exists()


@pytest.mark.parametrize("found", [None, object()], ids=["no OpenCV", "one without cascades"])
def test_without_opencv_the_extra_is_named(found: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cv2", found)
    with pytest.raises(ParamsError, match=r"OpenCV 4, which is not installed; expected .*--editable '\.\[faces\]'"):
        FaceFinder()
