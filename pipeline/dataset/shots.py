"""Shots: the stretches of a film between two cuts, which PySceneDetect finds."""

import itertools
import math
from collections.abc import Iterable, Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING

import numpy as np

from pipeline.dataset.film_arrays import film_arrays
from pipeline.errors import ParamsError
from pipeline.formats.clips import Clip
from pipeline.formats.shards import Arrays
from pipeline.settings.limits import Limits
from pipeline.settings.paths import AnyPath

if TYPE_CHECKING:
    from pipeline.video import Bounds

SHORTEST_SECONDS = 1.0  # of a shot: a shorter one has hardly a picture and an example of sound
SHORTEST_LAST_SECONDS = 1.5  # whose sound has to last until an example's end, half a second behind its middle
PICTURES_PER_SECOND = 10.0  # that are looked at; a cut is found to a tenth of a second
LONGEST_SIDE = 256  # of the pictures that are compared, in pixels


def shots_between(cuts: Iterable[float], end: float) -> list[tuple[float, float]]:
    """Return start and end of each shot, in seconds; one that is too short joins the next, the last the one before.

    Args:
        cuts: when a new shot begins, rising, within the film.
        end: of the film.

    Example:
        >>> shots_between([0.4, 5.0, 5.5, 9.6], 10.0)
        [(0.0, 5.0), (5.0, 10.0)]
    """
    starts = [0.0]
    for cut in cuts:
        if cut - starts[-1] >= SHORTEST_SECONDS and end - cut >= SHORTEST_LAST_SECONDS:
            starts.append(cut)
    return list(itertools.pairwise([*starts, end]))


def film_cuts(root: AnyPath, clips: Sequence[Clip], timeout_seconds: float, limits: Limits) -> dict[str, list[float]]:
    """Return when new shots begin in films, in seconds by clip_id; films that cannot be decoded are left out.

    Each film is decoded once, in a process of its own, and what was found stays in the clip cache.

    Args:
        root: the folder that the clips' paths start from.
        clips: with hashes.
        timeout_seconds: what one film may take.
        limits: what a film may ask for.

    Raises:
        ParamsError: PySceneDetect is not installed.
    """
    if find_spec("scenedetect") is None:
        expected = "expected .venv/bin/uv pip install -c requirements.lock -e '.[shots]'"
        raise ParamsError(f"dataset.windows=shots: PySceneDetect is not installed; {expected}")
    modules = ["pipeline.dataset.shots", "pipeline.video"]
    version = str(import_module("scenedetect").__version__)
    found = film_arrays("film_cuts", cuts_of_film, modules, root, clips, timeout_seconds, limits, version)
    return {clip_id: arrays["seconds"].tolist() for clip_id, arrays in found.items()}


def cuts_of_film(clip: Clip, path: AnyPath, *, bounds: "Bounds") -> Arrays:
    """Return ``seconds`` (n,) float64: when pictures differ from those before by far more than around that time.

    Args:
        clip: whose film it is.
        path: of the film.
        bounds: what it may ask for; the number of pictures is bounded by its length alone.

    Raises:
        ClipError: the film cannot be decoded, or is out of bounds.

    References:
        Castellano, PySceneDetect 0.7, AdaptiveDetector with its own thresholds.
    """
    from scenedetect import AdaptiveDetector, FrameTimecode

    from pipeline.video import iter_frames

    detector, times, cuts = AdaptiveDetector(min_scene_len=0), list[float](), list[float]()
    bounds = bounds._replace(rows_per_clip=math.ceil(bounds.clip_seconds * PICTURES_PER_SECOND))
    for seconds, picture in iter_frames(path, PICTURES_PER_SECOND, lambda _: 0.0, bounds):
        number = FrameTimecode(len(times), fps=PICTURES_PER_SECOND)
        times.append(seconds)
        step = math.ceil(max(picture.shape[:2]) / LONGEST_SIDE)
        blue_green_red = np.ascontiguousarray(picture[::step, ::step, ::-1])
        cuts += [times[cut.frame_num] for cut in detector.process_frame(number, blue_green_red)]
    return {"seconds": np.array(cuts, np.float64)}
