"""Long files as clips of some seconds each: which windows a file has, and how long it is."""

import math
from collections.abc import Iterable, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from pipeline.dataset.base import DatasetParams, Found, source_module
from pipeline.dataset.film_arrays import film_arrays
from pipeline.dataset.shots import film_cuts, shots_between
from pipeline.errors import DataError, ParamsError
from pipeline.formats.clips import Clip, whole_files
from pipeline.formats.shards import Arrays
from pipeline.settings.limits import Limits, OneSidedChoice, load_limits
from pipeline.settings.notices import tell_once
from pipeline.settings.paths import AnyPath

if TYPE_CHECKING:
    from pipeline.video import Bounds

SLACK_SECONDS = 0.1  # by which the last whole window may miss the end: sound and pictures rarely end together
DECIMALS = 2  # of the times of windows, in seconds, as the search shows times
_VIDEO = "pipeline.video"
Times = tuple[float, float]  # start and end, in seconds


class WindowedParams(DatasetParams):
    """Section ``dataset`` of params.yaml of the first pipeline.

    Attributes:
        windows: ``fixed``: files are cut by the clock; ``shots``: first where their picture cuts, then by the clock.
        window_seconds: a longer file, or shot, is cut into clips of this length; None: none is.
        window_hop_seconds: from the start of one window to the next; None: ``window_seconds``.
        one_sided: whether clips without sound, and clips without pictures, are kept for what they have.
    """

    windows: Literal["fixed", "shots"]
    window_seconds: Annotated[float, Field(ge=SLACK_SECONDS, allow_inf_nan=False)] | None
    window_hop_seconds: Annotated[float, Field(ge=SLACK_SECONDS)] | None
    one_sided: OneSidedChoice

    @model_validator(mode="after")
    def _hop_leaves_nothing_out(self) -> Self:
        hop = self.window_hop_seconds
        if hop is not None and (self.window_seconds is None or hop > self.window_seconds):
            raise ValueError(
                f"window_hop_seconds={hop}, window_seconds={self.window_seconds}; expected a hop of at most the window"
            )
        return self


def windows_of(n_seconds: float, window_seconds: float, hop_seconds: float) -> list[tuple[float, float]]:
    """Return start and end of each window of a file, in seconds; none of a file that is no longer than a window.

    Args:
        n_seconds: when the file ends.
        window_seconds: length of a window.
        hop_seconds: from the start of one to the next; the last one ends with the file.

    Example:
        >>> windows_of(25.0, 10.0, 10.0), windows_of(10.02, 10.0, 10.0)
        ([(0.0, 10.0), (10.0, 20.0), (15.0, 25.0)], [])
    """
    n_left = n_seconds - window_seconds
    if n_left <= SLACK_SECONDS:
        return []
    starts = [hop_seconds * k for k in range(math.floor(n_left / hop_seconds + 1e-9) + 1)]
    if n_left - starts[-1] > SLACK_SECONDS:
        starts.append(n_left)
    return [(round(start, DECIMALS), round(start + window_seconds, DECIMALS)) for start in starts]


def in_windows(found: Found, params: WindowedParams) -> Found:
    """Return what a source holds, its long files as windows, all of one hash; some stay as they are.

    Those are files whose rows have the times of an event, since nothing tells what a window beside it is, and files
    whose length or shots cannot be read, which the stages that decode refuse in their own words.

    Args:
        found: clips with their hashes.
        params: section ``dataset``.

    Raises:
        DataError: there are more windows than a table may have rows.
        ParamsError: the source has no videos, or what finds shots is not installed.
    """
    if params.window_seconds is None and params.windows == "fixed":
        return found
    if not hasattr(source_module(params.source), "find_clips"):
        asked = f"windows={params.windows}, window_seconds={params.window_seconds}"
        raise ParamsError(f"dataset: {asked}: source {params.source!r} has no videos; expected fixed and null")
    uncut = [clip for clip in found.clips if clip.sha256 and clip.start_seconds is None]
    shots = _shots(found.root, uncut, params)
    parts = _parts(shots, params, load_limits())
    clips = [
        part
        for clip in found.clips
        for part in ([clip.part(*times) for times in parts.get(clip.clip_id, ())] or [clip])
    ]
    print(f"dataset: {_in_words(clips, len(found.clips) - len(shots))}")
    return found._replace(clips=clips)


def _shots(root: Path, clips: Sequence[Clip], params: WindowedParams) -> dict[str, list[Times]]:
    """The shots of each file, by clip_id; one that lasts as long as the file where shots are not asked for."""
    limits = load_limits()
    ends = film_ends(root, clips, params.clip_timeout_seconds, limits)
    if params.windows == "fixed":
        return {clip_id: [(0.0, end)] for clip_id, end in ends.items()}
    readable = [clip for clip in clips if clip.clip_id in ends]
    cuts = film_cuts(root, readable, params.clip_timeout_seconds, limits)
    if lost := sorted(ends.keys() - cuts.keys()):
        why = "within dataset.clip_timeout_seconds, or not at all; they are cut by the clock alone"
        tell_once(f"dataset: the shots of {len(lost)} files cannot be found, such as {lost[0]!r}: {why}")
    return {clip_id: shots_between(cuts.get(clip_id, []), end) for clip_id, end in ends.items()}


def _parts(shots: dict[str, list[Times]], params: WindowedParams, limits: Limits) -> dict[str, list[Times]]:
    """The windows of each file, by clip_id; none of a file that stays whole."""
    window = params.window_seconds or math.inf
    hop = params.window_hop_seconds or window
    n_windows = sum(max(1.0, (end - start) / hop) for of_file in shots.values() for start, end in of_file)
    if n_windows > limits.table_rows:
        expected = f"at most {limits.named('table_rows')}: a longer hop makes fewer"
        raise DataError(f"{n_windows:.0f} windows; expected {expected}")
    return {clip_id: _windows_in(of_file, window, hop) for clip_id, of_file in shots.items()}


def _windows_in(shots: Sequence[Times], window: float, hop: float) -> list[Times]:
    """The shots, those that are longer than a window as windows; none where that is one, the file itself."""
    parts = [
        (round(start + first, DECIMALS), round(start + last, DECIMALS))
        for start, end in shots
        for first, last in windows_of(end - start, window, hop) or [(0.0, end - start)]
    ]
    return parts if len(parts) > 1 else []


def _in_words(clips: Sequence[Clip], n_unmeasured: int) -> str:
    """What was cut, and what was not, however long it is."""
    windows, n_events = [clip for clip in clips if clip.window], sum(clip.start_seconds is not None for clip in clips)
    reasons = {"have the times of an event": n_events, "have no length that can be read": n_unmeasured - n_events}
    whole = [f"; {count} stay whole, as they {reason}" for reason, count in reasons.items() if count]
    return f"{len(whole_files(windows))} files cut into {len(windows)} windows{''.join(whole)}"


def film_ends(root: AnyPath, clips: Iterable[Clip], timeout_seconds: float, limits: Limits) -> dict[str, float]:
    """Return when the pictures of files end, in seconds by clip_id; those whose packets cannot be read are left out.

    Files are opened in processes of their own, and what they say stays in the clip cache.

    Args:
        root: the folder that the clips' paths start from.
        clips: with hashes.
        timeout_seconds: what one file may take.
        limits: what a file may ask for.
    """
    found = film_arrays("film_ends", _film_end, [_VIDEO], root, clips, timeout_seconds, limits)
    return {clip_id: float(arrays["seconds"][0]) for clip_id, arrays in found.items()}


def _film_end(clip: Clip, path: Path, *, bounds: "Bounds") -> Arrays:
    """When the pictures of a file end, by its packets; called in a worker."""
    return {"seconds": np.array([import_module(_VIDEO).film_times(path, bounds).end])}
