"""Two clips side by side in one film, their sounds mixed, the true sources beside it: to try separators on.

What is mixed is what the test mixtures of a task say, so that no separator was trained on the people of a duet.
"""

import json
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.io import wavfile

from pipeline.errors import ClipError
from pipeline.formats.clips import read_clips, read_root
from pipeline.formats.csv_rows import write_rows
from pipeline.formats.files import disk_errors, replacing_folder
from pipeline.separation.mixtures import Mixture, Segment, read_mixtures
from pipeline.separation.tracks import NEEDED
from pipeline.settings.paths import AnyPath
from pipeline.settings.progress import track
from pipeline.video import film_times, iter_frames, read_waveform, write_mp4

SOUND_RATE = 16000  # Hz
NAMES = ("left", "right", "third")  # of the tracks
TRACKS, SOURCES = "tracks.csv", "sources"
FACTS = "duets.json"  # marks a folder as one of ours


class Duet(NamedTuple):
    """A film that was made.

    Attributes:
        path: its name in the folder.
        names: of its tracks, in the order of the mixture's sources.
        boxes: left, top, width, height of each in pixels.
        seconds: its length.
    """

    path: str
    names: Sequence[str]
    boxes: Sequence[tuple[int, int, int, int]]
    seconds: float


def duets_of_task(folder: AnyPath, data: AnyPath, n: int) -> list[Duet]:
    """Write the first test mixtures of a task as films.

    Args:
        folder: which is made.
        data: folder that the task's stages wrote.
        n: how many.

    Raises:
        ClipError: a clip cannot be decoded, or ends before its part of the mixture.
        DataError: the task's files are damaged, or the videos are not in their place.
        OSError: its stages have not run.
    """
    clips_csv = Path(data) / "clips.csv"
    test = [mixture for mixture in read_mixtures(Path(data) / "mixtures.csv") if mixture.split == "test"]
    paths = {clip.clip_id: clip.path for clip in read_clips(clips_csv)}
    return write_duets(folder, test[:n], read_root(clips_csv), paths)


def write_duets(folder: AnyPath, mixtures: Sequence[Mixture], root: AnyPath, paths: dict[str, str]) -> list[Duet]:
    """Write a film for every mixture, ``tracks.csv`` of all of them, ``sources/FILM_TRACK.wav`` and duets.json.

    Args:
        folder: which is made, or takes the place of an older one.
        mixtures: what is mixed.
        root: folder of the clips.
        paths: of the clips in it, by their ids.

    Raises:
        ClipError: a clip cannot be decoded, or ends before its part of the mixture.
    """
    folder = Path(folder)
    with replacing_folder(folder) as new, disk_errors(folder):
        (new / SOURCES).mkdir()
        made = [_write_duet(new, mixture, Path(root), paths) for mixture in track(mixtures, "duets", "film")]
        rows = [
            (duet.path, name, second, *box)
            for duet in made
            for name, box in zip(duet.names, duet.boxes, strict=True)
            for second in range(int(np.ceil(duet.seconds)) + 1)
        ]
        write_rows(new / TRACKS, ("clip_id", *NEEDED), rows)
        facts = {mixture.mixture_id: [part._asdict() for part in mixture.segments] for mixture in mixtures}
        (new / FACTS).write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    return made


def _write_duet(folder: Path, mixture: Mixture, root: Path, paths: dict[str, str]) -> Duet:
    """One film and its sources."""
    name, files = f"{mixture.mixture_id}.mp4", [root / paths[part.clip_id] for part in mixture.segments]
    sources = np.stack([_sound(file, part, mixture) for file, part in zip(files, mixture.segments, strict=True)])
    for source, track_name in zip(sources, NAMES, strict=False):
        wavfile.write(folder / SOURCES / f"{mixture.mixture_id}_{track_name}.wav", SOUND_RATE, source)
    rate = max(1, round(film_times(files[0]).rate))
    films = [_film(file, part, mixture, rate) for file, part in zip(files, mixture.segments, strict=True)]
    height = max(film[0].shape[0] for film in films)
    films = [[_of_height(picture, height) for picture in film] for film in films]
    sides = [np.concatenate(pictures, axis=1) for pictures in zip(*films, strict=True)]
    write_mp4(folder / name, sides, rate, sources.sum(axis=0), SOUND_RATE)
    widths = [film[0].shape[1] for film in films]
    boxes = [(sum(widths[:k]), 0, width, height) for k, width in enumerate(widths)]
    return Duet(name, NAMES[: len(files)], boxes, mixture.seconds)


def _sound(file: Path, part: Segment, mixture: Mixture) -> NDArray[np.float32]:
    """A source as it is summed, (n_samples,)."""
    first, length = round(part.start_seconds * SOUND_RATE), round(mixture.seconds * SOUND_RATE)
    cut = read_waveform(file, SOUND_RATE)[first : first + length] * np.float32(part.gain)
    return np.pad(cut, (0, length - len(cut)))


def _film(file: Path, part: Segment, mixture: Mixture, rate: int) -> list[NDArray[np.uint8]]:
    """The pictures of a source, as many as the others have."""
    n_pictures = max(1, round(mixture.seconds * rate))
    shown = iter_frames(file, rate, lambda _: part.start_seconds + 0.5 / rate)
    pictures = [picture for _, picture in islice(shown, n_pictures)]
    if not pictures:
        problem = f"no picture at {part.start_seconds:.2f} s"
        raise ClipError(part.clip_id, "too_short", problem, "a film as long as the mixture")
    return [*pictures, *[pictures[-1]] * (n_pictures - len(pictures))]


def _of_height(picture: NDArray[np.uint8], height: int) -> NDArray[np.uint8]:
    """A picture of an even height and width, its aspect ratio kept."""
    height, width = height + height % 2, round(picture.shape[1] * height / picture.shape[0] / 2) * 2
    if picture.shape[:2] == (height, width):
        return picture
    return np.asarray(Image.fromarray(picture).resize((width, height), Image.Resampling.BILINEAR))
