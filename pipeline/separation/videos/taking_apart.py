"""A user's video taken apart: the sound of every track, as files that appear together or not at all."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.io import wavfile

from pipeline.errors import DataError, ParamsError
from pipeline.formats.files import disk_errors, replacing_folder
from pipeline.separation.parts.base import LocatingSeparator, Separator
from pipeline.separation.tracks import FaceTrack, tracks_of_video
from pipeline.separation.videos.films import write_films
from pipeline.separation.videos.heat import Heat, HeatMaps, write_heat
from pipeline.separation.videos.opening import Video
from pipeline.separation.videos.pieces import Joined, pieces_of
from pipeline.separation.videos.watching import Watcher
from pipeline.separation.views import ViewsParams
from pipeline.settings.paths import AnyPath
from pipeline.settings.progress import track as shown
from pipeline.video import BOUNDS, Bounds, iter_frames

FACTS = "separation.json"  # marks a folder as one of ours
WHOLE = "picture"  # name of the track that is the whole picture
QUIET_DB = -40.0  # of the mixture: a track below it is hardly heard


class TakenApart(NamedTuple):
    """The sounds of a video's tracks.

    Attributes:
        tracks: by name, where they are; None: the whole picture.
        sounds: float32 (n_tracks, n_samples).
        heats: of every track, where the separator knows it.
        warnings: what a user has to know, in words.
    """

    tracks: Mapping[str, FaceTrack | None]
    sounds: NDArray[np.float32]
    heats: Sequence[Heat]
    warnings: Sequence[str]


def check_out(out: AnyPath, mark: str = FACTS) -> None:
    """Refuse a folder that holds what a command did not write.

    Args:
        out: the folder.
        mark: the file by which the command knows a folder of its own.

    Raises:
        DataError: it is another one, or no folder.
    """
    out = Path(out)
    if out.exists() and (not out.is_dir() or (any(out.iterdir()) and not (out / mark).is_file())):
        raise DataError(f"{out}: not empty, and without {mark}; expected a new folder, or one that this command wrote")


def tracks_to_see(video: Video, tracks_csv: AnyPath | None, bounds: Bounds = BOUNDS) -> dict[str, FaceTrack | None]:
    """Return the tracks of a video by name, all of them checked; the whole picture where there is no file of them.

    Raises:
        ClipError: a track leaves the picture, jumps or has a gap.
        DataError: the file is no tracks.csv, or has no track of the video.
    """
    if tracks_csv is None:
        return {WHOLE: None}
    found = tracks_of_video(tracks_csv, video.path)
    height, width = picture_size(video, bounds)
    for track in found:
        track.check(video.path.name, width, height, video.film.end - video.film.start)
    return {track.name: track for track in found}


def picture_size(video: Video, bounds: Bounds = BOUNDS) -> tuple[int, int]:
    """Return height and width of a video's upright pictures, in pixels.

    Raises:
        ClipError: the first one cannot be decoded.
    """
    _, picture = next(iter_frames(video.path, 1.0, lambda _: 0.0, bounds))
    height, width, _ = picture.shape
    return height, width


def take_apart(
    separator: Separator,
    video: Video,
    tracks: Mapping[str, FaceTrack | None],
    params: ViewsParams,
    bounds: Bounds = BOUNDS,
) -> TakenApart:
    """Return the sound of every track of a video of any length; its film is looked at piece by piece.

    A separator that sees nothing gives as many sounds as it was trained to, in an order of its own, each of the whole
    picture.

    Args:
        separator: the fitted one.
        video: opened at the separator's rate.
        tracks: by name, where to look.
        params: section ``views`` that the separator was trained with.
        bounds: what the video may ask for.

    Raises:
        ClipError: a picture cannot be decoded.
        DataError: there are fewer tracks than the separator has to be shown, or the estimates are not finite.
    """
    if len(tracks) < separator.fewest_views:
        expected = f"at least {separator.fewest_views} in --tracks, which this separator compares"
        raise DataError(f"{video.path.name}: tracks {', '.join(tracks)}; expected {expected}")
    joined, heated = Joined(len(video.mixture), video.rate, is_ordered=separator.uses_views), HeatMaps(video)
    watcher = Watcher(video, list(tracks.values()), params, bounds)
    for piece in shown(list(pieces_of(len(video.mixture), video.rate)), "separate", "piece"):
        views = watcher.views(piece.start, piece.stop) if separator.uses_views else []
        cut = video.mixture[piece.start : piece.stop]
        joined.add(piece, separator.separate(cut, views))
        if isinstance(separator, LocatingSeparator) and params.frames_fps:
            heated.add(piece, separator.heat(cut, views), params.frames_fps)
    if not np.isfinite(joined.sounds).all():
        raise DataError(f"{video.path}: estimates are not finite; expected finite numbers")
    if not separator.uses_views:
        tracks = {f"voice_{number}": None for number in range(1, len(joined.sounds) + 1)}
    quiet = quiet_tracks(list(tracks), joined.sounds, video.mixture)
    return TakenApart(tracks, joined.sounds, heated.heats(), [*video.warnings, *quiet])


def write_taken_apart(
    out: AnyPath, video: Video, found: TakenApart, facts: Mapping[str, Any], bounds: Bounds = BOUNDS
) -> None:
    """Write a folder with ``TRACK.wav`` and ``TRACK.mp4`` for every track, ``mixture.wav`` and separation.json.

    Where there is heat, ``heat.mp4`` and ``heat.safetensors`` too.

    Args:
        out: the folder; one that this function wrote is replaced.
        video: what was taken apart.
        found: its tracks and their sounds.
        facts: what separation.json says of the separator.
        bounds: what the video may ask for.
    """
    out = Path(out)
    levels = {name: round(_level_db(sound, video.mixture), 2) for name, sound in zip(*found[:2], strict=True)}
    facts = {
        "video": video.path.name,
        **facts,
        "rate": video.rate,
        "start_seconds": round(video.start, 6),
        "seconds": round(video.seconds, 6),
        "level_db": levels,
        "warnings": list(found.warnings),
    }
    with replacing_folder(out) as folder, disk_errors(out):
        for name, sound in (("mixture", video.mixture), *zip(found.tracks, found.sounds, strict=True)):
            wavfile.write(folder / f"{name}.wav", video.rate, sound)
        if found.heats:
            write_heat(folder / "heat.safetensors", found.heats, found.tracks, video)
        write_films(folder, video, found.tracks, found.sounds, found.heats, bounds)
        (folder / FACTS).write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")


def check_tracks_are_of_use(name: str, separator: Separator, tracks_csv: AnyPath | None) -> None:
    """Refuse tracks for a separator that sees nothing.

    Raises:
        ParamsError: there are some.
    """
    if tracks_csv is not None and not separator.uses_views:
        raise ParamsError(
            f"--tracks {tracks_csv}: separator {name!r} sees nothing; expected no tracks, or one that does"
        )


def quiet_tracks(names: Sequence[str], sounds: NDArray[np.float32], mixture: NDArray[np.float32]) -> list[str]:
    """Return warnings of tracks that are hardly heard.

    Args:
        names: of the tracks.
        sounds: (n_tracks, n_samples).
        mixture: (n_samples,), which they are of.
    """
    levels = {name: _level_db(sound, mixture) for name, sound in zip(names, sounds, strict=True)}
    return [
        f"track {name!r} is at {level:.0f} dB of the mixture: it hardly sounds"
        for name, level in levels.items()
        if level < QUIET_DB
    ]


def _level_db(sound: NDArray[np.float32], mixture: NDArray[np.float32]) -> float:
    """The level of a sound over that of the mixture, at least -120 dB."""
    of_sound, of_mixture = (float(np.dot(samples, samples)) for samples in (sound, mixture))
    return 10 * float(np.log10(max(of_sound / max(of_mixture, 1e-20), 1e-12)))
