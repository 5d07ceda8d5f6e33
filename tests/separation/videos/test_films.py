"""The films of tracks and of heat, read back: what is in them, for how long, and with which sound."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.separation.tracks import FaceTrack, tracks_of_video
from pipeline.separation.videos.films import playable, window_of, write_films
from pipeline.separation.videos.heat import glowing, heat_of
from pipeline.separation.videos.opening import Video, open_video
from pipeline.video import film_times, read_waveform, sample_frames, write_mp4
from tests.helpers.synthetic import sine
from tests.helpers.tracks import standing, write_tracks

GREY = np.full((64, 128, 3), 100, np.uint8)


@pytest.fixture
def video(tmp_path: Path) -> Video:
    """Two seconds, dark on the left and bright on the right."""
    pictures = np.zeros((50, 64, 128, 3), np.uint8)
    pictures[:, :, 64:] = 200
    write_mp4(tmp_path / "a.mp4", pictures, 25, sine(300, 0.5, 2.16, 16000), 16000)
    return open_video(tmp_path / "a.mp4", 8000, -60)


def both(tmp_path: Path, width: float = 64) -> dict[str, FaceTrack | None]:
    rows = [*standing("left", 0, width, 63, 2), *standing("right", 64, width, 63, 2)]
    return {track.name: track for track in tracks_of_video(write_tracks(tmp_path / "t.csv", rows), "a.mp4")}


def test_every_track_is_shown_with_its_own_sound(video: Video, tmp_path: Path) -> None:
    sounds = np.stack([video.mixture / 2, sine(900, 0.25, video.seconds, 8000)])
    write_films(tmp_path, video, both(tmp_path), sounds, [])
    for name, level, sound in (("left", 0, sounds[0]), ("right", 200, sounds[1])):
        shown = sample_frames(tmp_path / f"{name}.mp4", 25, 0.02)
        assert shown.shape == (54, 64, 64, 3)  # the last picture stays for the 0.16 s of sound without one
        np.testing.assert_allclose(shown, level, atol=6)
        heard = read_waveform(tmp_path / f"{name}.mp4", 8000)
        np.testing.assert_allclose(heard[2000:14000], sound[2000:14000], atol=0.05)
    assert not (tmp_path / "heat.mp4").exists()


def test_heat_is_laid_over_the_film_with_the_sound_of_the_mixture(video: Video, tmp_path: Path) -> None:
    maps = np.zeros((16, 2, 2), np.float32)
    maps[:, 0, 0] = 1
    write_films(tmp_path, video, {"picture": None}, video.mixture[None], [heat_of(maps, 8)])
    shown, plain = (sample_frames(tmp_path / f"{name}.mp4", 25, 0.02).astype(int) for name in ("heat", "picture"))
    assert shown.shape == plain.shape == (54, 64, 128, 3)
    assert (shown[:, 4:12, 4:24] - plain[:, 4:12, 4:24]).mean() > 50
    assert abs(shown[:, 52:, 100:] - plain[:, 52:, 100:]).mean() < 6
    assert len(read_waveform(tmp_path / "heat.mp4", 8000)) == len(video.mixture)


def test_heat_stays_in_the_box_of_its_track(tmp_path: Path) -> None:
    tracks = list(both(tmp_path).values())
    hot, cold = heat_of(np.ones((1, 2, 2), np.float32), 8), heat_of(np.zeros((1, 2, 2), np.float32), 8)
    shown = glowing(GREY, [cold, hot], tracks, 0.0, 0.0)
    assert (shown[:, :64] == 100).all()
    assert (shown[63] == 100).all()
    expected = 0.4 * 100 + 0.6 * np.array([252, 255, 164])  # the end of the colour map inferno
    np.testing.assert_allclose(shown[:63, 64:].reshape(-1, 3).mean(axis=0), expected, atol=2)
    assert (GREY == 100).all()


def test_heat_is_that_of_its_time() -> None:
    maps = np.zeros((4, 1, 1), np.float32)
    maps[2] = 1
    heat = heat_of(maps, 2.0)
    bright = [glowing(GREY, [heat], [None], seconds, 0.0).mean() > 100 for seconds in (0.4, 0.9, 1.0, 1.4, 1.5, 9.0)]
    assert bright == [False, False, True, True, False, False]


def test_a_window_keeps_the_size_of_the_largest_box_and_stays_in_the_picture() -> None:
    seconds, boxes = np.array([0.0, 1.0]), np.array([[0.0, 0, 21, 30], [100, 30, 27, 33]])
    track = FaceTrack("anna", np.array([2, 3]), seconds, boxes)
    numbered = np.stack([*np.meshgrid(np.arange(128), np.arange(64)), np.zeros((64, 128))], axis=-1).astype(np.uint8)
    first, last = window_of(numbered, track, 0.0), window_of(numbered, track, 1.0)
    assert first.shape == last.shape == (34, 28, 3)
    assert first[0, 0].tolist() == [0, 0, 0]
    assert last[0, 0].tolist() == [100, 30, 0]  # 0.5 pixels right of its place, within the picture


def test_sounds_are_played_at_a_rate_of_aac_and_within_full_scale() -> None:
    tone = sine(400, 1.0, 1.0, 10000)
    played, rate = playable(3 * tone, 10000)
    assert rate == 11025
    assert np.abs(played).max() == 1
    again, rate = playable(tone / 2, 10000)
    np.testing.assert_allclose(again[500:-500], sine(400, 0.5, 1.0, 11025)[500:-500], atol=0.01)


def test_the_rate_of_the_film_is_kept(tmp_path: Path) -> None:
    write_mp4(tmp_path / "a.mp4", np.zeros((40, 32, 32, 3), np.uint8), 20, sine(300, 0.5, 2.0, 16000), 16000)
    opened = open_video(tmp_path / "a.mp4", 8000, -60)
    write_films(tmp_path, opened, {"picture": None}, opened.mixture[None], [])
    assert film_times(tmp_path / "picture.mp4").rate == pytest.approx(20)
