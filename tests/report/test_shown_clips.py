"""Real small videos, one of them damaged; what is shown of them is read back by Pillow."""

import io
from base64 import b64decode
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.formats.clips import Clip, write_clips, write_root
from pipeline.report.shown_clips import N_CLASSES_SHOWN, shown_clips
from pipeline.report.sounds import spectrogram_png
from pipeline.video import read_waveform, write_mp4

SHADES = {"cat/1.mp4": 60, "cat/2.mp4": 120, "dog/1.mp4": 180, "owl/1.mp4": 240}


@pytest.fixture
def clips_csv(tmp_path: Path) -> Path:
    """Four clips of three classes, the last of which has a train clip only; each picture has a shade of its own."""
    clips = []
    for name, shade in SHADES.items():
        path = tmp_path / "videos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        sound = np.random.default_rng(shade).uniform(-0.5, 0.5, 16000).astype(np.float32)
        write_mp4(path, [np.full((48, 64, 3), shade, np.uint8)] * 10, 10, sound, 16000)
        label = path.parent.name
        clips.append(Clip(clip_id=name, path=name, label=label, split="train" if label == "owl" else "test"))
    write_clips(tmp_path / "clips.csv", clips)
    write_root(tmp_path / "clips.csv", tmp_path / "videos")
    return tmp_path / "clips.csv"


def shade(address: str) -> float:
    return float(np.asarray(Image.open(io.BytesIO(b64decode(address.partition("base64,")[2])))).mean())


def test_one_test_clip_of_each_class_is_shown_with_its_own_picture_and_sound(clips_csv: Path) -> None:
    shown = shown_clips(clips_csv)
    assert [(clip.clip_id, clip.label) for clip in shown] == [("cat/1.mp4", "cat"), ("dog/1.mp4", "dog")]
    for clip in shown:
        assert abs(shade(clip.picture) - SHADES[clip.clip_id]) < 3
        sound = read_waveform(clips_csv.parent / "videos" / clip.clip_id)
        assert clip.spectrogram == spectrogram_png(sound, 16000)


@pytest.mark.parametrize("damage", [lambda path: path.unlink(), lambda path: path.write_bytes(b"no media")])
def test_a_video_that_is_gone_or_damaged_gives_way_to_the_next_of_its_class(clips_csv: Path, damage: object) -> None:
    assert callable(damage)
    damage(clips_csv.parent / "videos" / "cat" / "1.mp4")
    damage(clips_csv.parent / "videos" / "dog" / "1.mp4")
    assert [clip.clip_id for clip in shown_clips(clips_csv)] == ["cat/2.mp4"]


def test_imported_features_have_no_clips_to_show(tmp_path: Path) -> None:
    write_clips(tmp_path / "clips.csv", [Clip(clip_id="a", path="", label="x", split="test")])
    assert shown_clips(tmp_path / "clips.csv") == []


def test_a_few_classes_at_most_are_shown(tmp_path: Path) -> None:
    sound = np.zeros(16000, np.float32)
    write_mp4(tmp_path / "a.mp4", [np.zeros((48, 64, 3), np.uint8)] * 10, 10, sound, 16000)
    labels = [f"class {number:02d}" for number in range(N_CLASSES_SHOWN + 2)]
    write_clips(tmp_path / "clips.csv", [Clip(clip_id=name, path="a.mp4", label=name, split="test") for name in labels])
    write_root(tmp_path / "clips.csv", tmp_path)
    assert [clip.label for clip in shown_clips(tmp_path / "clips.csv")] == labels[:N_CLASSES_SHOWN]
