"""Source ``players``: small MP4 films of instruments being played, made by the stage, for audio-visual separation.

What a player looks like says which timbre is heard, the arm says when. Beside it something silent moves as much. Two
players of one class sound alike at all times but those of their notes, so that motion alone tells them apart. A clip's
``source_id`` is its player, so that those of test are unseen in training.
"""

from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
from pydantic import Field, NonNegativeInt, PositiveInt

from pipeline import video
from pipeline.dataset.base import DatasetParams, Found
from pipeline.dataset.layouts.locations import refuse_path, refuse_protocol
from pipeline.dataset.scenes.bodies import PictureBox, Scene, make_body, make_bystander, make_scene
from pipeline.dataset.scenes.films import make_films
from pipeline.dataset.scenes.notes import CONTROL_HZ, TIMBRES, Note, Timbre, envelope_of, make_music, make_tune, varied
from pipeline.formats.clips import Clip
from pipeline.formats.csv_rows import write_rows
from pipeline.settings.environment import cache_folder
from pipeline.settings.fingerprint import fingerprint
from pipeline.settings.params import StageParams, load_params
from pipeline.settings.paths import AnyPath

CLASS_NAMES = tuple(TIMBRES)
BOXES_FILE = "boxes.csv"  # beside the clips: where the players are, to measure heat maps by
_VARIED = 0.3  # how much instruments of a class differ at full difficulty
_NOISE = 0.004  # of the place, at full difficulty


class PlayersParams(StageParams):
    """Section ``players`` of params.yaml.

    Attributes:
        seed: of all draws.
        players_per_class: how many players of each of the six timbres.
        clips_per_player: how many clips of each.
        seconds: length of a clip.
        picture_size: pixels.
        frames_per_second: of the films.
        sample_rate: of the sound, in Hz, one that AAC knows.
        difficulty: in [0, 1]; raises noise and drift, and how much the players of a class differ.
    """

    seed: NonNegativeInt
    players_per_class: Annotated[int, Field(ge=3)]
    clips_per_player: PositiveInt
    seconds: Annotated[float, Field(ge=1)]
    picture_size: Annotated[int, Field(ge=32, multiple_of=2)]
    frames_per_second: PositiveInt
    sample_rate: Annotated[int, Field(ge=11025)]
    difficulty: Annotated[float, Field(ge=0, le=1)]


class PlayerClip(NamedTuple):
    """One clip: where it lies in the folder, and the numbers of its class, of its player within it, and of itself."""

    path: str
    label: str
    player: int
    number: int


def find_clips(params: DatasetParams) -> Found:
    """Return the folder of the players in the cache and its clips, sorted; other parameters or code, another folder.

    Args:
        params: section ``dataset`` of params.yaml; what the players are like stands in section ``players``.

    Raises:
        ParamsError: a path or a protocol is given, which the players have no use for.
    """
    refuse_path(params)
    refuse_protocol(params)
    players = load_params("players", PlayersParams)
    folder = cache_folder() / "players" / fingerprint(players.model_dump(), [__name__])
    made = make_players(folder, players)
    clips = [
        Clip(clip_id=clip.path, path=clip.path, label=clip.label, source_id=f"{clip.label} {clip.player}")
        for clip in made
    ]
    return Found(folder, clips, [])


def make_players(folder: AnyPath, params: PlayersParams) -> list[PlayerClip]:
    """Return the clips of all players, after writing those that the folder does not hold yet, and their boxes.csv.

    A clip depends on the parameters and its own numbers only, so a folder serves one set of parameters.

    Args:
        folder: where the clips go, as ``flute/player_07_clip_1.mp4``.
        params: section ``players`` of params.yaml.

    Returns:
        Every clip, sorted by path.
    """
    numbers = [(player, k) for player in range(params.players_per_class) for k in range(params.clips_per_player)]
    clips = [
        PlayerClip(f"{label}/player_{player:02d}_clip_{k}.mp4", label, player, k)
        for label in CLASS_NAMES
        for player, k in numbers
    ]
    make_films(folder, "players", clips, lambda clip, path: _write_clip(clip, path, params))
    if not (Path(folder) / BOXES_FILE).exists():
        rows = [(clip.path, *_drawn(clip, params).scene.box) for clip in sorted(clips)]
        write_rows(Path(folder) / BOXES_FILE, ("clip_id", *PictureBox._fields), rows)
    return sorted(clips)


class _Made(NamedTuple):
    """What a clip is made of."""

    tune: list[Note]
    timbre: Timbre
    scene: Scene


def _drawn(clip: PlayerClip, params: PlayersParams) -> _Made:
    """The tune of a clip, and its pictures."""
    key = (params.seed, CLASS_NAMES.index(clip.label), clip.player)
    own, look_rng, tune_rng, scene_rng = (np.random.default_rng([*key, k, clip.number * (k > 1)]) for k in range(4))
    timbre = varied(TIMBRES[clip.label], _VARIED * params.difficulty, own)
    body = make_body(CLASS_NAMES.index(clip.label), len(CLASS_NAMES), params.difficulty, look_rng)
    tune, silent_tune = (make_tune(params.seconds, tune_rng) for _ in range(2))
    n_pictures = max(1, round(params.seconds * params.frames_per_second))
    middles = (np.arange(n_pictures) + 0.5) * (CONTROL_HZ / params.frames_per_second) - 0.5
    loudness = [envelope_of(notes, timbre, params.seconds) for notes in (tune, silent_tune)]
    shown = [np.interp(middles, np.arange(len(course)), course) for course in loudness]
    bodies = (body, make_bystander(scene_rng))
    scene = make_scene(bodies, (shown[0], shown[1]), params.picture_size, params.difficulty, scene_rng)
    return _Made(tune, timbre, scene)


def _write_clip(clip: PlayerClip, path: AnyPath, params: PlayersParams) -> None:
    """Draw and encode one clip."""
    drawn = _drawn(clip, params)
    rng = np.random.default_rng([params.seed, CLASS_NAMES.index(clip.label), clip.player, 4, clip.number])
    noise = 0.001 + _NOISE * params.difficulty
    waveform = make_music(drawn.tune, drawn.timbre, params.seconds, params.sample_rate, noise, rng)
    video.write_mp4(path, drawn.scene.pictures, params.frames_per_second, waveform, params.sample_rate)
