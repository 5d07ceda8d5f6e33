"""`avr separate` and `avr duets` as a user calls them, with an untrained separator: files, messages, exit."""

import contextlib
from pathlib import Path

import numpy as np
import pytest
from scipy.io import wavfile

from pipeline.errors import ClipError, DataError, ParamsError
from pipeline.formats.clips import Clip, write_clips, write_root
from pipeline.separation.__main__ import duets, separate
from pipeline.separation.mixtures import Mixture, Segment, write_mixtures
from pipeline.separation.tracks import tracks_of_video
from pipeline.video import read_waveform, sample_frames, write_mp4
from tests.helpers.apart import project_with
from tests.helpers.synthetic import numbered_picture, sine
from tests.helpers.tracks import standing, write_tracks


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = project_with(tmp_path_factory.mktemp("project"))
    pictures = np.zeros((50, 32, 64, 3), np.uint8)
    write_mp4(folder / "a.mp4", pictures, 25, sine(300, 0.5, 2.0, 16000), 16000)
    write_mp4(folder / "slow.mp4", pictures[:20], 10, sine(300, 0.5, 2.0, 16000), 16000)
    write_tracks(folder / "t.csv", [*standing("left", 0, 32, 32, 2), *standing("right", 32, 32, 32, 2)])
    return folder


def test_a_video_becomes_a_sound_and_a_film_for_each_track(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with contextlib.chdir(project):
        separate(Path("a.mp4"), out=Path("out"), tracks=Path("t.csv"))
    names = ["left.mp4", "left.wav", "mixture.wav", "right.mp4", "right.wav", "separation.json"]
    assert sorted(file.name for file in (project / "out").iterdir()) == names
    assert capsys.readouterr().out == "out: left, right: 2.0 s taken apart by visualvoice\n"


def test_of_things_that_are_played_it_also_says_where_they_sound(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = project_with(tmp_path, "amnet", "music")
    pictures = [numbered_picture(k, 32, 64) for k in range(32)]
    write_mp4(folder / "a.mp4", pictures, 8, sine(300, 0.5, 4.0, 16000), 16000)
    write_tracks(folder / "t.csv", [*standing("left", 0, 32, 32, 4), *standing("right", 32, 32, 32, 4)])
    with contextlib.chdir(folder):
        separate(Path("a.mp4"), out=Path("out"), tracks=Path("t.csv"), task="music")
    assert {"heat.mp4", "heat.safetensors", "left.wav", "right.mp4"} <= {
        file.name for file in Path(folder / "out").iterdir()
    }
    assert wavfile.read(folder / "out/left.wav")[0] == 11025
    assert capsys.readouterr().out == "out: left, right: 4.0 s taken apart by amnet\n"


def test_a_film_of_few_pictures_is_refused(project: Path) -> None:
    with contextlib.chdir(project), pytest.raises(ClipError, match=r"'slow\.mp4': 10\.00 pictures a second; expected"):
        separate(Path("slow.mp4"), out=Path("none"))
    assert not (project / "none").exists()


def test_a_separator_of_another_rate_is_refused_with_both_values(tmp_path: Path) -> None:
    folder = project_with(tmp_path, sounds={"rate": 16000}, views={"mouth_size": 48})
    with (
        contextlib.chdir(folder),
        pytest.raises(ParamsError, match="rate=16000, trained on 8000, mouth_size=48, trained on 32; expected sounds"),
    ):
        separate(Path("a.mp4"), out=Path("none"))


def test_what_was_not_trained_is_named(project: Path) -> None:
    with contextlib.chdir(project), pytest.raises(DataError, match=r"separators/audio_only: no seed-N\.safetensors"):
        separate(Path("a.mp4"), out=Path("none"), name="audio_only")
    with contextlib.chdir(project), pytest.raises(ParamsError, match=r"separation/opera/params\.yaml: No such file"):
        separate(Path("a.mp4"), out=Path("none"), task="opera")


@pytest.fixture
def mixed(project: Path) -> list[np.ndarray]:
    """Two clips of other sizes, and a test mixture of a second of them."""
    data = project / "separation/speech/data"
    sounds = [sine(300, 0.5, 2.0, 16000), sine(800, 0.5, 2.0, 16000)]
    for name, sound, height, level in zip("xy", sounds, (32, 48), (50, 150), strict=True):
        write_mp4(project / f"{name}.mp4", np.full((50, height, 32, 3), level, np.uint8), 25, sound, 16000)
    clips = [Clip(clip_id=name, path=f"{name}.mp4", label="speech", split="test", source_id=name) for name in "xy"]
    write_clips(data / "clips.csv", clips)
    write_root(data / "clips.csv", project)
    parts = (Segment("x", 0.5, 0.8), Segment("y", 0.25, 0.4))
    mixtures = [Mixture(f"{split}-0000", split, "any", 1.0, parts) for split in ("validation", "test")]
    write_mixtures(data / "mixtures.csv", mixtures)
    return [0.8 * sounds[0][8000:24000], 0.4 * sounds[1][4000:20000]]


def test_a_duet_is_a_test_mixture_side_by_side(
    project: Path, mixed: list[np.ndarray], capsys: pytest.CaptureFixture[str]
) -> None:
    with contextlib.chdir(project):
        for _ in range(2):
            duets(Path("duets"), n=5)
    names = ["duets.json", "sources", "test-0000.mp4", "tracks.csv"]
    assert sorted(file.name for file in (project / "duets").iterdir()) == names
    shown = sample_frames(project / "duets/test-0000.mp4", 25, 0.02)
    assert shown.shape == (25, 48, 80, 3)  # 32 x 32 becomes 48 x 48, beside 32 x 48
    np.testing.assert_allclose(shown[:, :, 2:46].mean(axis=(0, 1, 2)), 50, atol=3)
    np.testing.assert_allclose(shown[:, :, 50:].mean(axis=(0, 1, 2)), 150, atol=3)
    tracks = tracks_of_video(project / "duets/tracks.csv", "duets/test-0000.mp4")
    assert [(track.name, track.boxes[0].tolist()) for track in tracks] == [
        ("left", [0, 0, 48, 48]),
        ("right", [48, 0, 32, 48]),
    ]
    heard = read_waveform(project / "duets/test-0000.mp4", 16000)
    for name, expected in zip(("left", "right"), mixed, strict=True):
        _, source = wavfile.read(project / f"duets/sources/test-0000_{name}.wav")
        np.testing.assert_allclose(source[2000:-2000], expected[2000:-2000], atol=0.03)
    np.testing.assert_allclose(heard[2000:-2000], sum(mixed)[2000:-2000], atol=0.05)
    assert "try: avr separate duets/test-0000.mp4 --tracks duets/tracks.csv --task speech --out apart" in (
        capsys.readouterr().out
    )


def test_a_duet_can_be_taken_apart(project: Path, mixed: list[np.ndarray]) -> None:
    with contextlib.chdir(project):
        duets(Path("duets"), n=1)
        separate(Path("duets/test-0000.mp4"), out=Path("apart"), tracks=Path("duets/tracks.csv"))
    rate, left = wavfile.read(project / "apart/left.wav")
    assert (rate, len(left)) == (8000, 8000)


def test_duets_leave_a_folder_of_something_else_alone(project: Path, tmp_path: Path) -> None:
    (tmp_path / "tracks.csv").write_text("mine")
    with pytest.raises(DataError, match=r"not empty, and without duets\.json"):
        duets(tmp_path)
