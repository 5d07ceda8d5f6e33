"""What is seen of a video piece by piece is what the stage `views` cuts out of it as a whole."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import ClipError
from pipeline.formats.clips import Clip
from pipeline.separation.tracks import tracks_of_video
from pipeline.separation.videos.opening import open_video
from pipeline.separation.videos.watching import Watcher
from pipeline.separation.views import clip_arrays
from pipeline.video import write_mp4
from tests.helpers.apart import VIEWS
from tests.helpers.synthetic import numbered_picture, sine
from tests.helpers.tracks import standing, write_tracks


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six seconds of pictures that all differ, and half a second more of sound."""
    path = tmp_path_factory.mktemp("film") / "a.mp4"
    write_mp4(path, [numbered_picture(k, 64, 128) for k in range(150)], 25, sine(300, 0.5, 6.16, 16000), 16000)
    return path


def test_pieces_of_a_film_are_what_the_stage_cuts_of_the_whole(film: Path) -> None:
    whole = clip_arrays(Clip(clip_id="a", path="a.mp4", label=""), film, VIEWS)
    watcher = Watcher(open_video(film, 8000, -60), [None], VIEWS)
    for start, stop in ((0, 16000), (8000, 24000), (24000, 48000)):
        (view,) = watcher.views(start, stop)
        np.testing.assert_array_equal(view.mouth, whole["mouth"][start // 320 : stop // 320])
    (view,) = Watcher(open_video(film, 8000, -60), [None], VIEWS).views(0, 48000)
    np.testing.assert_array_equal(view.face[1:], whole["face"][1:])


def test_where_the_film_ends_early_its_last_picture_stays(film: Path) -> None:
    (view,) = Watcher(open_video(film, 8000, -60), [None], VIEWS).views(40000, 49280)
    assert len(view.mouth) == 29
    assert (view.mouth[25:] == view.mouth[24]).all()
    assert (view.mouth[23] != view.mouth[24]).any()


def test_every_track_has_its_own_view(film: Path, tmp_path: Path) -> None:
    rows = [*standing("left", 0, 64, 64, 6), *standing("right", 64, 64, 64, 6)]
    tracks = tracks_of_video(write_tracks(tmp_path / "t.csv", rows), film)
    views = Watcher(open_video(film, 8000, -60), tracks, VIEWS).views(0, 8000)
    for view, track in zip(views, ("left", "right"), strict=True):
        one = write_tracks(
            tmp_path / f"{track}.csv", [{**row, "clip_id": "a"} for row in rows if row["track"] == track]
        )
        clip = Clip(clip_id="a", path="a.mp4", label="")
        expected = clip_arrays(clip, film, VIEWS.model_copy(update={"tracks": one}))
        np.testing.assert_array_equal(view.mouth, expected["mouth"][:25])


def test_no_film_is_held(film: Path) -> None:
    watcher = Watcher(open_video(film, 8000, -60), [None], VIEWS)
    for start in range(0, 40000, 8000):
        watcher.views(start, start + 8000)
        assert watcher._glances is not None
        assert len(watcher._glances._held) == 25


def test_a_film_that_ends_before_its_first_picture_is_taken_is_refused(tmp_path: Path) -> None:
    write_mp4(tmp_path / "a.mp4", [np.zeros((32, 32, 3), np.uint8)], 60, sine(300, 0.5, 0.15, 16000), 16000)
    watcher = Watcher(open_video(tmp_path / "a.mp4", 8000, -60), [None], VIEWS)
    with pytest.raises(ClipError, match="it ends before its first picture is taken"):
        watcher.views(0, 1200)
