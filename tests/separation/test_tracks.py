"""Tracks of faces: boxes between rows by hand, and a message for each way in which a file cannot be used."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import ClipError, DataError
from pipeline.separation.tracks import FaceTrack, read_tracks, track_of_clip, tracks_of_video
from tests.helpers.tracks import Row, standing, write_tracks

PIXELS = np.stack([*np.meshgrid(np.arange(100), np.arange(60)), np.zeros((60, 100))], axis=-1).astype(np.uint8)
"""A picture whose first channel is the column and whose second is the row."""
RIGHT: Row = {"track": "anna", "seconds": 0, "x": 10, "y": 5, "width": 20, "height": 30}


def only(path: Path) -> FaceTrack:
    ((track,),) = read_tracks(path).values()
    return track


def test_a_box_is_on_the_straight_line_between_two_rows(tmp_path: Path) -> None:
    rows = [RIGHT, {**RIGHT, "seconds": 1, "x": 18, "width": 24, "y": 9}]
    face = only(write_tracks(tmp_path / "t.csv", rows)).face(PIXELS, 0.25)
    assert face.shape == (30, 21, 3)  # a quarter of the way: x 12, y 6, 21 x 30
    assert face[0, 0].tolist() == [12, 6, 0]
    assert face[-1, -1].tolist() == [32, 35, 0]


def test_before_the_first_row_and_behind_the_last_one_the_box_stays(tmp_path: Path) -> None:
    track = only(write_tracks(tmp_path / "t.csv", [{**RIGHT, "seconds": 1}, {**RIGHT, "seconds": 2, "x": 14}]))
    assert track.face(PIXELS, 0.0)[0, 0, 0] == 10
    assert track.face(PIXELS, 5.0)[0, 0, 0] == 14


def test_the_mouth_is_where_its_columns_say(tmp_path: Path) -> None:
    assert only(write_tracks(tmp_path / "a.csv", [RIGHT])).mouth(PIXELS, 0) is None
    row = {**RIGHT, "mouth_x": 22, "mouth_y": 30, "mouth_side": 10}
    mouth = only(write_tracks(tmp_path / "b.csv", [row])).mouth(PIXELS, 0)
    assert mouth is not None
    assert mouth.shape == (10, 10, 3)
    assert mouth[5, 5].tolist() == [22, 30, 0]


def test_a_box_at_the_edge_is_cut_by_the_picture(tmp_path: Path) -> None:
    track = only(write_tracks(tmp_path / "t.csv", [{**RIGHT, "x": 80.6}]))
    assert track.face(PIXELS, 0).shape == (30, 19, 3)
    track.check("a.mp4", 100, 60, 1.0)  # 0.6 pixels outside are rounding


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        (
            [{**RIGHT, "x": 82}],
            "track 'anna', row 2 at 0.00 s: its box 82, 5, 20, 30 is outside of the picture; "
            "expected x, y, width, height within 100 x 60 pixels",
        ),
        (
            [RIGHT, {**RIGHT, "seconds": 0.5, "x": 21}],
            "track 'anna', row 3 at 0.50 s: it jumps by 0.55 of its width; expected at most 0.5 from one row",
        ),
        (
            [RIGHT, {**RIGHT, "seconds": 1.2}, {**RIGHT, "seconds": 2}],
            "track 'anna', row 2 at 0.00 s: no row from 0.00 to 1.20 s; expected one at least each 1 s, all through "
            "the 2.00 s of the film",
        ),
        ([RIGHT, {**RIGHT, "seconds": 0.5}], "row 3 at 0.50 s: no row from 0.50 to 2.00 s"),
        ([{**RIGHT, "seconds": 1.1}, {**RIGHT, "seconds": 2}], "row 2 at 1.10 s: no row from 0.00 to 1.10 s"),
        (
            [{**RIGHT, "mouth_x": 22, "mouth_y": 61, "mouth_side": 10}],
            "row 2 at 0.00 s: its mouth 22, 61 is outside of the picture; expected mouth_x, mouth_y within 100 x 60",
        ),
    ],
)
def test_a_track_that_is_none_of_a_face_names_its_row_and_time(rows: list[Row], problem: str, tmp_path: Path) -> None:
    track = only(write_tracks(tmp_path / "t.csv", rows))
    with pytest.raises(ClipError) as refused:
        track.check("a.mp4", 100, 60, 2.0)
    assert str(refused.value).startswith(f"clip 'a.mp4': {problem}" if problem.startswith("track") else "clip 'a.mp4'")
    assert problem in str(refused.value)
    assert refused.value.kind == "bad_track"


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        ([{"track": "a", "seconds": 0}], "no column x, y, width, height; expected track, seconds, x, y"),
        ([{**RIGHT, "width": "wide"}], "track 'anna', row 2: width 'wide'; expected a number"),
        ([{**RIGHT, "x": "inf"}], "track 'anna', row 2: x 'inf'; expected a number"),
        ([RIGHT, {**RIGHT, "seconds": 1, "height": 0}], "row 3 at 1.00 s: height 0; expected at least 1 pixel"),
        ([{**RIGHT, "seconds": 1}, RIGHT], "track 'anna', row 3: 0 s after 1 s; expected times that rise"),
    ],
)
def test_a_file_that_is_no_table_of_boxes_names_the_cell(rows: list[Row], problem: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=problem):
        read_tracks(write_tracks(tmp_path / "t.csv", rows))


def test_a_table_without_rows_is_refused(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("track,seconds,x,y,width,height\n")
    with pytest.raises(DataError, match="no rows; expected a box for each track at least once a second"):
        read_tracks(tmp_path / "t.csv")


def test_the_tracks_of_a_video_are_those_with_its_name(tmp_path: Path) -> None:
    rows = [*standing("left", 0, 50, 60, 1, clip_id="a"), *standing("right", 50, 50, 60, 1, clip_id="b.mp4")]
    path = write_tracks(tmp_path / "t.csv", rows)
    assert [track.name for track in tracks_of_video(path, "films/a.mp4")] == ["left"]
    assert [track.name for track in tracks_of_video(path, "films/b.mp4")] == ["right"]
    with pytest.raises(DataError, match=r"no row with clip_id 'c\.mp4'; it has rows of a, b\.mp4"):
        tracks_of_video(path, "films/c.mp4")


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("../up", "is no name of a file"),
        ("Mixture", "is also the name of mixture.wav"),
        ("LEFT", "is also the name of track 'left'"),
    ],
)
def test_names_that_no_files_can_have_beside_each_other_are_refused(name: str, problem: str, tmp_path: Path) -> None:
    rows = [*standing("left", 0, 50, 60, 1), *standing(name, 50, 50, 60, 1)]
    with pytest.raises(DataError, match=rf"track '{name}', row 4: {problem}; expected letters"):
        tracks_of_video(write_tracks(tmp_path / "t.csv", rows), "a.mp4")


def test_a_clip_of_a_data_set_has_one_track(tmp_path: Path) -> None:
    rows = [standing(name, 0, 50, 60, 0, clip_id=clip)[0] for name, clip in (("x", "a"), ("x", "b"), ("y", "b"))]
    path = write_tracks(tmp_path / "t.csv", rows)
    assert track_of_clip(path, "a").name == "x"
    for clip, kind in (("b", "bad_track"), ("c", "no_view")):
        with pytest.raises(ClipError) as refused:
            track_of_clip(path, clip)
        assert refused.value.kind == kind


def test_a_file_that_has_changed_is_read_again(tmp_path: Path) -> None:
    path = write_tracks(tmp_path / "t.csv", [RIGHT])
    assert only(path).name == "anna"
    write_tracks(path, [{**RIGHT, "track": "berta"}])
    assert only(path).name == "berta"
