"""Sounds and views of a few people in memory's shape, written as the stages write them: no films are made."""

from pathlib import Path

import numpy as np

from pipeline.dataset.scenes.people import make_person
from pipeline.dataset.scenes.voices import CONTROL_HZ, make_speech, make_voice
from pipeline.formats.clips import Clip
from pipeline.formats.shards import Arrays, write_shards
from pipeline.separation.heard import Facts, HeardClips
from pipeline.separation.sounds import as_int16

FACTS = Facts(8000, 25.0, 32, 32, 8.0, 16)


def talking_clips(folder: Path, n_people: int = 6, split: str = "train", seconds: float = 2.0) -> HeardClips:
    """Two clips of each person: a voice, films of a mouth as dark as it is open, and a face of the pitch's colour."""
    made: dict[str, tuple[Arrays, Arrays]] = {}
    for person in range(n_people):
        for number in range(2):
            made[f"p{person}/{number}.mp4"] = _made(person, number, seconds)
    write_shards(folder / "sounds", made, lambda name: made[name][0])
    write_shards(folder / "views", made, lambda name: made[name][1])
    clips = [Clip(clip_id=name, path="", label="speech", split=split, source_id=name[:2]) for name in made]
    return HeardClips(clips, folder / "sounds", folder / "views", FACTS)


def _made(person: int, number: int, seconds: float) -> tuple[Arrays, Arrays]:
    rng = np.random.default_rng([person, number])
    who, said = make_person(np.random.default_rng(person)), make_speech(seconds, rng)
    sound = as_int16(make_voice(said, who, FACTS.rate, 0.0, rng))
    opening = said.opening[2 :: CONTROL_HZ // 25][: round(seconds * 25)]
    mouth = (200 - 150 * opening).astype(np.uint8)[:, None, None] * np.ones((1, 32, 32), np.uint8)
    face = np.full((2, 32, 32, 3), int(who.f0_hz), np.uint8)
    frames = np.repeat(mouth[2::3, ::2, ::2, None], 3, axis=3)
    views = {"mouth": mouth, "face": face, "seconds": np.zeros(1), "frames": frames, "frames_seconds": np.zeros(1)}
    return {"sound": sound, "n_clipped": np.zeros(1, np.int64)}, views
