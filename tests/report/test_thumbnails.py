"""Small pictures of real small videos, as Pillow reads them."""

import io
from base64 import b64decode
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.formats.clips import Clip, read_clips, write_root
from pipeline.formats.files import file_sha256
from pipeline.report.clip_parts import sounds_at
from pipeline.report.sounds import small_spectrogram_jpeg
from pipeline.report.spans import Half
from pipeline.report.thumbnails import thumbnails
from pipeline.video import write_mp4
from tests.helpers.synthetic import sine
from tests.report.test_shown_clips import SHADES, clips_csv, shade

__all__ = ["clips_csv"]  # the fixture

BOTH_HALVES: tuple[Half, Half] = ("audio", "visual")
BOTH = [(name, half) for name in SHADES for half in BOTH_HALVES]


def test_each_half_of_each_clip_has_its_own_picture(clips_csv: Path) -> None:
    found = thumbnails(clips_csv, {clip.clip_id: clip for clip in read_clips(clips_csv)}, BOTH * 2)
    assert sorted(found) == sorted(BOTH)
    for name, expected in SHADES.items():
        assert abs(shade(found[name, "visual"]) - expected) < 4
    assert len({found[name, "audio"] for name in SHADES}) == len(SHADES)
    assert max(map(len, found.values())) < 8000


def test_what_is_gone_damaged_or_without_a_file_is_left_out(clips_csv: Path) -> None:
    clips = {clip.clip_id: clip for clip in read_clips(clips_csv)}
    (clips_csv.parent / "videos/cat/1.mp4").unlink()
    (clips_csv.parent / "videos/cat/2.mp4").write_bytes(b"no media")
    found = thumbnails(clips_csv, clips, [*BOTH, ("unknown", "audio")])
    assert {name for name, _ in found} == {"dog/1.mp4", "owl/1.mp4"}
    assert thumbnails(clips_csv.with_name("no.csv"), {}, BOTH) == {}


def hashed(clips_csv: Path) -> dict[str, Clip]:
    """The clips with the hashes of their files."""
    videos = clips_csv.parent / "videos"
    return {clip.clip_id: replace(clip, sha256=file_sha256(videos / clip.path)) for clip in read_clips(clips_csv)}


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AVR_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_a_picture_that_was_drawn_before_is_taken_from_the_cache(clips_csv: Path, cache: Path) -> None:
    clips = hashed(clips_csv)
    drawn = thumbnails(clips_csv, clips, BOTH)
    (clips_csv.parent / "videos/cat/1.mp4").write_bytes(b"no media any more")
    assert thumbnails(clips_csv, clips, BOTH) == drawn  # nothing is decoded
    for entry in cache.rglob("*.safetensors"):
        entry.write_bytes(entry.read_bytes()[:-1])
    remade = thumbnails(clips_csv, clips, BOTH)
    assert remade == {key: picture for key, picture in drawn.items() if key[0] != "cat/1.mp4"}
    other = clips | {"dog/1.mp4": replace(clips["cat/2.mp4"], clip_id="dog/1.mp4")}
    assert thumbnails(clips_csv, other, BOTH)["dog/1.mp4", "visual"] == drawn["cat/2.mp4", "visual"]
    (clips_csv.parent / "videos/cat/2.mp4").unlink()
    assert ("cat/2.mp4", "audio") not in thumbnails(clips_csv, clips, BOTH)


def test_no_picture_is_kept_of_a_file_that_is_another_one_than_the_run_began_with(clips_csv: Path, cache: Path) -> None:
    clips, video = hashed(clips_csv), clips_csv.parent / "videos/cat/1.mp4"
    own = video.read_bytes()
    video.write_bytes((clips_csv.parent / "videos/dog/1.mp4").read_bytes())
    found = thumbnails(clips_csv, clips, BOTH)
    assert found["cat/1.mp4", "visual"] == found["dog/1.mp4", "visual"]
    video.write_bytes(own)
    found = thumbnails(clips_csv, clips, BOTH)
    assert abs(shade(found["cat/1.mp4", "visual"]) - SHADES["cat/1.mp4"]) < 4


def test_a_window_shows_its_own_sound_and_picture(tmp_path: Path) -> None:
    """A film of four seconds, each of a shade and a pitch of its own; the sound ends a second early."""
    shades, rate = (60, 120, 180, 240), 16000
    sound = np.concatenate([sine(500.0 * (k + 1), 0.5, 1.0, rate) for k in range(3)])
    pictures = [np.full((48, 64, 3), shade, np.uint8) for shade in shades for _ in range(10)]
    write_mp4(tmp_path / "film.mp4", pictures, 10, sound, rate)
    write_root(tmp_path / "clips.csv", tmp_path)
    parts = [Clip(clip_id="film.mp4", path="film.mp4", label="x").part(k, k + 1.0) for k in range(4)]
    wanted = [(part.clip_id, half) for part in parts for half in BOTH_HALVES]
    found = thumbnails(tmp_path / "clips.csv", {part.clip_id: part for part in parts}, wanted)
    assert set(found) == set(wanted) - {("film.mp4#t=3,4", "audio")}
    for part, expected in zip(parts, shades, strict=True):
        assert abs(shade(found[part.clip_id, "visual"]) - expected) < 4
    heard = sounds_at(tmp_path / "film.mp4", [(k, k + 1.0) for k in range(3)])
    for (start, _), samples in heard.items():
        spectrum = np.abs(np.fft.rfft(samples[2000:14000]))
        assert len(samples) == rate
        assert abs(spectrum.argmax() * rate / 12000 - 500.0 * (start + 1)) < 5


@pytest.mark.parametrize("hertz", [300, 1000, 5000])
def test_a_higher_sound_is_bright_higher_up(hertz: int) -> None:
    seconds = np.arange(16000, dtype=np.float32) / 16000
    image = Image.open(
        io.BytesIO(b64decode(small_spectrogram_jpeg(np.sin(2 * np.pi * hertz * seconds), 16000).partition(",")[2]))
    )
    assert (image.format, image.size) == ("JPEG", (112, 84))
    brightest = int(np.asarray(image.convert("L"), float)[:, 20:90].mean(axis=1).argmax())
    mel = 2595 * np.log10(1 + hertz / 700) / (2595 * np.log10(1 + 8000 / 700))
    assert abs((1 - brightest / 83) - mel) < 0.06
