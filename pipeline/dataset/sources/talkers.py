"""Source ``talkers``: small MP4 films of people who speak, made by the stage, for audio-visual separation.

Lips say when and which vowel, the face tells of the pitch, neither says all. Voices overlap in pitch, and a clip's
``source_id`` is its person, so that those of test are unseen in training.
"""

from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
from pydantic import Field, NonNegativeInt, PositiveInt

from pipeline import video
from pipeline.dataset.base import DatasetParams, Found
from pipeline.dataset.layouts.locations import refuse_path, refuse_protocol
from pipeline.dataset.scenes.faces import make_faces
from pipeline.dataset.scenes.films import make_films
from pipeline.dataset.scenes.people import make_person
from pipeline.dataset.scenes.voices import CONTROL_HZ, make_speech, make_voice
from pipeline.formats.clips import Clip
from pipeline.settings.environment import cache_folder
from pipeline.settings.fingerprint import fingerprint
from pipeline.settings.params import StageParams, load_params
from pipeline.settings.paths import AnyPath

LABEL = "speech"
FRAMES_PER_SECOND = 25


class TalkersParams(StageParams):
    """Section ``talkers`` of params.yaml.

    Attributes:
        seed: of all draws.
        n_people: how many persons.
        clips_per_person: how many clips of each.
        seconds: length of a clip.
        picture_size: pixels.
        sample_rate: of the sound, in Hz, one that AAC knows.
        difficulty: in [0, 1]; raises noise, drift and how much voices vary.
    """

    seed: NonNegativeInt
    n_people: Annotated[int, Field(ge=3)]
    clips_per_person: PositiveInt
    seconds: Annotated[float, Field(ge=0.5)]
    picture_size: Annotated[int, Field(ge=32, multiple_of=2)]
    sample_rate: Annotated[int, Field(ge=8000)]
    difficulty: Annotated[float, Field(ge=0, le=1)]


class TalkerClip(NamedTuple):
    """One clip: where it lies in the folder, and the numbers of its person and of itself."""

    path: str
    person: int
    number: int


def find_clips(params: DatasetParams) -> Found:
    """Return the folder of the talkers in the cache and its clips, sorted; other parameters or code, another folder.

    Args:
        params: section ``dataset`` of params.yaml; what the talkers are like stands in section ``talkers``.

    Raises:
        ParamsError: a path or a protocol is given, which the talkers have no use for.
    """
    refuse_path(params)
    refuse_protocol(params)
    talkers = load_params("talkers", TalkersParams)
    folder = cache_folder() / "talkers" / fingerprint(talkers.model_dump(), [__name__])
    made = make_talkers(folder, talkers)
    clips = [
        Clip(clip_id=clip.path, path=clip.path, label=LABEL, source_id=Path(clip.path).parent.name) for clip in made
    ]
    return Found(folder, clips, [])


def make_talkers(folder: AnyPath, params: TalkersParams) -> list[TalkerClip]:
    """Return the clips of all people, after writing those that the folder does not hold yet.

    A clip depends on the parameters, its person and its own number only, so a folder serves one set of parameters.

    Args:
        folder: where the clips go, as ``person_07/clip_03.mp4``.
        params: section ``talkers`` of params.yaml.

    Returns:
        Every clip, sorted by path.
    """
    numbers = [(person, k) for person in range(params.n_people) for k in range(params.clips_per_person)]
    clips = sorted(TalkerClip(f"person_{person:03d}/clip_{k:02d}.mp4", person, k) for person, k in numbers)
    make_films(folder, "talkers", clips, lambda clip, path: _write_clip(clip, path, params))
    return clips


def _write_clip(clip: TalkerClip, path: AnyPath, params: TalkersParams) -> None:
    """Draw and encode one clip."""
    person = make_person(np.random.default_rng([params.seed, clip.person]))
    speech_rng, voice_rng, face_rng = np.random.default_rng([params.seed, clip.person, clip.number + 1]).spawn(3)
    speech = make_speech(params.seconds, speech_rng)
    waveform = make_voice(speech, person, params.sample_rate, params.difficulty, voice_rng)
    n_pictures = max(1, round(params.seconds * FRAMES_PER_SECOND))
    middles = (np.arange(n_pictures) + 0.5) * (CONTROL_HZ / FRAMES_PER_SECOND) - 0.5
    opening, spread = (np.interp(middles, np.arange(len(track)), track) for track in (speech.opening, speech.spread))
    pictures = make_faces(opening, spread, person, params.picture_size, params.difficulty, face_rng)
    video.write_mp4(path, pictures, FRAMES_PER_SECOND, waveform, params.sample_rate)
