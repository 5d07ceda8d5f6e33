"""Pictures of one file and sound of another as one file."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.dataset.layouts.joining import join, lacks_sound
from pipeline.video import iter_frames, read_waveform
from tests.helpers.media import Sight, Sound, tone, write_media
from tests.helpers.synthetic import number_of

FILMS = {
    "film.mp4": Sight(),
    "film.mkv": Sight(options={"preset": "medium", "bf": "2", "g": "12"}),  # pictures stored out of order
    "film.webm": Sight(codec="libvpx", options={}),
    "film.ts": Sight(),
    "film.flv": Sight(),
}
BEEP_SECONDS = 1.0  # of silence before the tone


def beep(path: Path, codec: str) -> bytes:
    """A sound that is silent at first."""
    waveform = np.concatenate([np.zeros((1, 44100), np.float32), tone(1.5, 44100)], axis=1)
    return write_media(path, Sound(codec=codec, waveform=waveform)).read_bytes()


@pytest.mark.parametrize("film", FILMS)
@pytest.mark.parametrize(("sound", "codec"), [("sound.wav", "pcm_s16le"), ("sound.m4a", "aac"), ("sound.flac", "flac")])
def test_the_pictures_and_the_sound_begin_together(film: str, sound: str, codec: str, tmp_path: Path) -> None:
    pictures = write_media(tmp_path / film, FILMS[film]).read_bytes()
    assert lacks_sound(pictures)
    joined = join(pictures, beep(tmp_path / sound, codec))
    assert joined is not None
    path = tmp_path / "joined.mkv"
    path.write_bytes(joined)
    assert [number_of(picture) for _, picture in iter_frames(path, 5.0, lambda _: 0.05)] == list(range(0, 25, 2))
    waveform = read_waveform(path, 16000)
    assert np.flatnonzero(np.abs(waveform) > 0.1)[0] / 16000 == pytest.approx(BEEP_SECONDS, abs=0.03)
    assert len(waveform) / 16000 == pytest.approx(2.5, abs=0.06)


def test_a_joined_file_has_the_same_bytes_each_time(tmp_path: Path) -> None:
    film, sound = write_media(tmp_path / "film.mp4", Sight()).read_bytes(), beep(tmp_path / "sound.wav", "pcm_s16le")
    assert join(film, sound) == join(film, sound)


def test_a_film_with_sound_lacks_none_and_what_is_no_film_lacks_nothing(tmp_path: Path) -> None:
    film, sound = (
        write_media(tmp_path / "film.mp4", Sight(), Sound()).read_bytes(),
        beep(tmp_path / "s.wav", "pcm_s16le"),
    )
    assert [lacks_sound(data) for data in (film, sound, b"noise", b"")] == [False] * 4


def test_what_cannot_be_read_is_not_joined(tmp_path: Path) -> None:
    film, sound = write_media(tmp_path / "film.mp4", Sight()).read_bytes(), beep(tmp_path / "s.wav", "pcm_s16le")
    assert [join(*pair) for pair in ((film, film), (sound, sound), (film, b"noise"), (b"noise", sound))] == [None] * 4


def test_a_list_of_other_files_is_not_followed(tmp_path: Path) -> None:
    write_media(tmp_path / "film.mp4", Sight())
    playlist = f"ffconcat version 1.0\nfile '{tmp_path / 'film.mp4'}'\n".encode()
    assert not lacks_sound(playlist)
    assert join(playlist, beep(tmp_path / "s.wav", "pcm_s16le")) is None
