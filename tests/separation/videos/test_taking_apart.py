"""A video taken apart by separators whose sounds are known: its files, its warnings, and what is refused."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import load_file
from scipy.io import wavfile

from pipeline.errors import ClipError, DataError, ParamsError
from pipeline.separation.parts.base import View
from pipeline.separation.tracks import FaceTrack
from pipeline.separation.videos.heat import HeatMaps
from pipeline.separation.videos.opening import Video, open_video
from pipeline.separation.videos.pieces import pieces_of
from pipeline.separation.videos.taking_apart import (
    TakenApart,
    check_out,
    check_tracks_are_of_use,
    take_apart,
    tracks_to_see,
    write_taken_apart,
)
from pipeline.separation.views import ViewsParams
from pipeline.video import write_mp4
from tests.helpers.apart import VIEWS, Blind, Brightness
from tests.helpers.synthetic import sine
from tests.helpers.tracks import standing, write_tracks

BOTH = [*standing("left", 0, 64, 64, 2), *standing("right", 64, 64, 64, 2)]


@pytest.fixture
def video(tmp_path: Path) -> Video:
    """Two seconds, black on the left and bright on the right."""
    pictures = np.zeros((50, 64, 128, 3), np.uint8)
    pictures[:, :, 64:] = 200
    write_mp4(tmp_path / "a.mp4", pictures, 25, sine(300, 0.5, 2.0, 16000), 16000)
    return open_video(tmp_path / "a.mp4", 8000, -60)


def apart(video: Video, tracks: dict[str, FaceTrack | None]) -> TakenApart:
    return take_apart(Brightness(), video, tracks, VIEWS)  # type: ignore[arg-type]  # it cannot be fitted


def test_every_track_gets_the_sound_that_the_separator_makes_of_its_view(video: Video, tmp_path: Path) -> None:
    found = apart(video, tracks_to_see(video, write_tracks(tmp_path / "t.csv", BOTH)))
    assert list(found.tracks) == ["left", "right"]
    np.testing.assert_allclose(found.sounds[1], video.mixture * 200 / 255, atol=0.01)
    np.testing.assert_allclose(found.sounds[0], 0, atol=0.01)
    assert found.warnings == ["track 'left' is at -120 dB of the mixture: it hardly sounds"] or (
        len(found.warnings) == 1 and found.warnings[0].startswith("track 'left' is at -")
    )


def test_without_tracks_the_whole_picture_is_the_face(video: Video) -> None:
    found = apart(video, tracks_to_see(video, None))
    assert found.tracks == {"picture": None}
    np.testing.assert_allclose(found.sounds[0], video.mixture * 100 / 255, atol=0.02)


def test_more_tracks_than_sources_have_a_sound_each(video: Video, tmp_path: Path) -> None:
    rows = [*BOTH, *standing("middle", 32, 64, 64, 2)]
    found = apart(video, tracks_to_see(video, write_tracks(tmp_path / "t.csv", rows)))
    assert found.sounds.shape == (3, len(video.mixture))


def test_a_separator_that_sees_nothing_gives_voices_in_one_order(video: Video) -> None:
    found = take_apart(Blind(), video, {"picture": None}, VIEWS)  # type: ignore[arg-type]  # a stand-in, of which no more is used
    assert list(found.tracks) == ["voice_1", "voice_2"]
    np.testing.assert_allclose(found.sounds[0], -found.sounds[1])
    with pytest.raises(ParamsError, match=r"--tracks t\.csv: separator 'blind' sees nothing; expected no tracks"):
        check_tracks_are_of_use("blind", Blind(), "t.csv")  # type: ignore[arg-type]  # a stand-in, of which no more is used


def test_the_files_are_there_and_the_sounds_are_floats_at_the_separators_rate(video: Video, tmp_path: Path) -> None:
    found = apart(video, tracks_to_see(video, write_tracks(tmp_path / "t.csv", BOTH)))
    for _ in range(2):  # a folder of the command's own is replaced
        check_out(tmp_path / "out")
        write_taken_apart(tmp_path / "out", video, found, {"separator": "brightness"})
    names = ["left.mp4", "left.wav", "mixture.wav", "right.mp4", "right.wav", "separation.json"]
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == names
    for name, expected in (("mixture", video.mixture), ("right", found.sounds[1])):
        rate, sound = wavfile.read(tmp_path / "out" / f"{name}.wav")
        assert rate == 8000
        assert sound.dtype == np.float32
        np.testing.assert_array_equal(sound, expected)
    facts = json.loads((tmp_path / "out/separation.json").read_text())
    assert facts["level_db"]["right"] == pytest.approx(20 * np.log10(200 / 255), abs=0.1)
    assert (facts["video"], facts["separator"], facts["seconds"]) == ("a.mp4", "brightness", video.seconds)


def test_nothing_is_half_written(video: Video, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    found = apart(video, tracks_to_see(video, None))
    monkeypatch.setattr("pipeline.separation.videos.taking_apart.write_films", stop)
    with pytest.raises(KeyboardInterrupt):
        write_taken_apart(tmp_path / "out", video, found, {})
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.mp4"]


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    check_out(tmp_path / "out")
    (tmp_path / "out/thesis.txt").write_text("years of work")
    with pytest.raises(DataError, match=r"out: not empty, and without separation\.json; expected a new folder"):
        check_out(tmp_path / "out")
    with pytest.raises(DataError, match=r"thesis\.txt: not empty"):
        check_out(tmp_path / "out/thesis.txt")


def test_a_track_that_leaves_the_picture_is_refused_before_anything_is_separated(video: Video, tmp_path: Path) -> None:
    tracks = write_tracks(tmp_path / "t.csv", standing("left", 80, 64, 64, 2))
    with pytest.raises(ClipError, match=r"clip 'a\.mp4': track 'left', row 2 at 0\.00 s: its box 80, 0, 64, 64 is"):
        tracks_to_see(video, tracks)


def test_estimates_that_are_no_numbers_are_an_error(video: Video) -> None:
    broken = Brightness()
    broken.separate = lambda mixture, views: np.full((1, len(mixture)), np.nan, np.float32)  # type: ignore[method-assign]  # one that does otherwise
    with pytest.raises(DataError, match=r"a\.mp4: estimates are not finite; expected finite numbers"):
        take_apart(broken, video, {"picture": None}, VIEWS)  # type: ignore[arg-type]  # a stand-in, of which no more is used


def test_a_separator_that_compares_needs_two_tracks(video: Video) -> None:
    comparing = Brightness()
    comparing.fewest_views = 2  # type: ignore[misc]  # of this one alone
    with pytest.raises(
        DataError, match=r"a\.mp4: tracks picture; expected at least 2 in --tracks, which this separator"
    ):
        take_apart(comparing, video, {"picture": None}, VIEWS)  # type: ignore[arg-type]  # a stand-in, of which no more is used


class Locating(Brightness):
    """One that is hot where the frames are bright."""

    def heat(self, mixture: NDArray[np.float32], views: Sequence[View]) -> NDArray[np.float32]:
        return np.stack([view.frames[..., 0] for view in views]).astype(np.float32)

    def distances(self, sounds: NDArray[np.float32], frames: NDArray[np.uint8]) -> NDArray[np.float32]:
        return np.zeros(len(sounds), np.float32)


def test_where_it_sounds_is_an_array_and_a_film(video: Video, tmp_path: Path) -> None:
    views = ViewsParams(frames_fps=8, frames_size=8)
    tracks = tracks_to_see(video, write_tracks(tmp_path / "t.csv", BOTH))
    separator = Locating()
    separator.separate = lambda mixture, views: np.stack([mixture] * len(views))  # type: ignore[method-assign]  # one that does otherwise
    found = take_apart(separator, video, tracks, views)  # type: ignore[arg-type]  # a stand-in, of which no more is used
    write_taken_apart(tmp_path / "out", video, found, {})
    arrays = load_file(tmp_path / "out/heat.safetensors")
    assert {name: array.shape for name, array in arrays.items()} == {
        "seconds": (16,),
        "left": (16, 8, 8),
        "left.boxes": (16, 4),
        "right": (16, 8, 8),
        "right.boxes": (16, 4),
    }
    np.testing.assert_allclose(arrays["right"][:, :, 1:], 200, atol=6)
    np.testing.assert_allclose(arrays["left"][:, :, :-1], 0, atol=6)
    assert arrays["right.boxes"][3].tolist() == [64, 0, 64, 64]
    assert arrays["seconds"][:2].tolist() == [1 / 16, 3 / 16]
    assert (tmp_path / "out/heat.mp4").is_file()


def test_heat_of_pieces_is_that_of_the_whole(video: Video) -> None:
    """Frames numbered over a long time, in pieces that overlap."""
    long = video._replace(mixture=np.zeros(130 * 8000, np.float32))
    heated, rate = HeatMaps(long), 8.0
    for piece in pieces_of(len(long.mixture), long.rate):
        frames = np.arange(round(piece.start / 1000), round(piece.stop / 1000), dtype=np.float32)
        heated.add(piece, np.stack([frames, -frames])[:, :, None, None], rate)
    for sign, heat in zip((1, -1), heated.heats(), strict=True):
        np.testing.assert_array_equal(heat.maps[:, 0, 0], sign * np.arange(1040))
