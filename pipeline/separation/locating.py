"""Where fitted separators see each test clip sound, and whether they hear which of two times its sound is of."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.formats.clips import Clip
from pipeline.formats.shards import Arrays, write_shards
from pipeline.separation.heard import HeardClips
from pipeline.separation.parts.base import LocatingSeparator, Separator, View
from pipeline.settings.device import one_thread
from pipeline.settings.paths import AnyPath

LOCATED = "located"  # folder within that of the estimates
FILM_SECONDS = 3.0  # of the films that are compared with two sounds
SHIFT_SECONDS = 1.0  # between these sounds, as published


def write_located(separators: Sequence[Separator], clips: HeardClips, out: AnyPath) -> None:
    """Write of every test clip what separators that locate sounds see in it.

    ``heat`` float32 (n_seeds, height, width), the mean over its time; ``aligned`` and ``shifted`` float32 (n_seeds,
    n_films), how far films are from their own sound, and from that of a second later or earlier. A clip that is too
    short for this has no films.

    Args:
        separators: the fits of one separator.
        clips: of all splits.
        out: the folder of the estimates; theirs is one within it.
    """
    locating = [separator for separator in separators if isinstance(separator, LocatingSeparator)]
    chosen = {clip.clip_id: clip for clip in clips.of_split("test")} if locating else {}

    def arrays_of(clip_id: str) -> Arrays:
        made = [_located(separator, clips, chosen[clip_id]) for separator in locating]
        return {name: np.stack([of_seed[name] for of_seed in made]) for name in made[0]}

    with one_thread():
        write_shards(Path(out) / LOCATED, chosen, arrays_of)


def _located(separator: LocatingSeparator, clips: HeardClips, clip: Clip) -> dict[str, NDArray[np.float32]]:
    """The arrays of one clip and seed."""
    sound = clips.sound(clip.clip_id)
    heat = separator.heat(sound, [View(frames=clips.whole_film(clip.clip_id))])[0].mean(axis=0)
    films, aligned, shifted = _films(clips, clip.clip_id)
    if not len(films):
        return {"heat": heat, "aligned": np.empty(0, np.float32), "shifted": np.empty(0, np.float32)}
    return {
        "heat": heat,
        "aligned": separator.distances(aligned, films),
        "shifted": separator.distances(shifted, films),
    }


def _films(clips: HeardClips, clip_id: str) -> tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.float32]]:
    """Films of a clip, a second apart, their sounds, and those of a second later, or earlier for the last one."""
    rate, n_samples = clips.facts.rate, round(FILM_SECONDS * clips.facts.rate)
    n_films = int((clips.n_samples(clip_id) / rate - FILM_SECONDS) / SHIFT_SECONDS) + 1
    starts = [SHIFT_SECONDS * k for k in range(n_films)] if n_films > 1 else []
    others = [*starts[1:], *starts[-2:-1]]

    def sounds(seconds: Sequence[float]) -> NDArray[np.float32]:
        cut = [clips.sound(clip_id, round(start * rate), n_samples) for start in seconds]
        return np.stack(cut) if cut else np.empty((0, n_samples), np.float32)

    films = [clips.frames(clip_id, start, clips.n_frames(FILM_SECONDS)) for start in starts]
    return np.stack(films) if films else np.empty((0, 0, 0, 0, 3), np.uint8), sounds(starts), sounds(others)
