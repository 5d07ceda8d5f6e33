"""Long files as clips of some seconds each: which windows a file has, and how long it is."""

import math
from collections.abc import Iterable, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Self

import numpy as np
from pydantic import Field, model_validator

from pipeline.clip_jobs.cache import ClipCache
from pipeline.clip_jobs.loop import in_workers
from pipeline.clip_jobs.settle import Settler
from pipeline.dataset.base import DatasetParams, Found, source_module
from pipeline.errors import DataError, ParamsError
from pipeline.extraction.decoding import bounds_of
from pipeline.formats.clips import Clip, whole_files
from pipeline.formats.shards import Arrays
from pipeline.settings.environment import cache_folder
from pipeline.settings.fingerprint import fingerprint
from pipeline.settings.limits import Limits, load_limits
from pipeline.settings.paths import AnyPath

if TYPE_CHECKING:
    from pipeline.video import Bounds

SLACK_SECONDS = 0.1  # by which the last whole window may miss the end: sound and pictures rarely end together
DECIMALS = 2  # of the times of windows, in seconds, as the search shows times
_VIDEO, _STAGE = "pipeline.video", "film_ends"


class WindowedParams(DatasetParams):
    """Section ``dataset`` of params.yaml of the first pipeline.

    Attributes:
        window_seconds: a longer file is cut into clips of this length; None: no file is cut.
        window_hop_seconds: from the start of one window to the next; None: ``window_seconds``.
    """

    window_seconds: Annotated[float, Field(ge=SLACK_SECONDS, allow_inf_nan=False)] | None
    window_hop_seconds: Annotated[float, Field(ge=SLACK_SECONDS)] | None

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
    whose length cannot be read, which the stages that decode refuse in their own words.

    Args:
        found: clips with their hashes.
        params: section ``dataset``.

    Raises:
        DataError: there are more windows than a table may have rows.
        ParamsError: the source has no videos.
    """
    if params.window_seconds is None:
        return found
    if not hasattr(source_module(params.source), "find_clips"):
        raise ParamsError(
            f"dataset.window_seconds={params.window_seconds:g}: source {params.source!r} has no videos; expected null"
        )
    limits, window, hop = load_limits(), params.window_seconds, params.window_hop_seconds or params.window_seconds
    uncut = [clip for clip in found.clips if clip.sha256 and clip.start_seconds is None]
    ends = film_ends(found.root, uncut, params.clip_timeout_seconds, limits)
    if (n_hops := sum(ends.values()) / hop) > limits.table_rows:
        problem = f"{n_hops:.0f} windows"
        raise DataError(f"{problem}; expected at most {limits.named('table_rows')}: a longer hop makes fewer")
    parts = {clip.clip_id: windows_of(ends.get(clip.clip_id, 0.0), window, hop) for clip in uncut}
    clips = [
        part
        for clip in found.clips
        for part in ([clip.part(*times) for times in parts.get(clip.clip_id, ())] or [clip])
    ]
    print(f"dataset: {_in_words(clips, len(found.clips) - len(ends))}")
    return found._replace(clips=clips)


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
    by_id = {clip.clip_id: clip for clip in clips}
    cache = ClipCache(cache_folder() / "clips" / _STAGE, fingerprint({}, [_VIDEO]))
    function = partial(_film_end, bounds=bounds_of(limits))
    compute = in_workers(by_id, root, function, cache, timeout_seconds, limits)
    inputs = {clip_id: clip.sha256 for clip_id, clip in by_id.items()}
    refused = Settler("dataset", cache, inputs, compute, limits).settle().refused
    return {i: float(cache.read(i, digest)["seconds"][0]) for i, digest in inputs.items() if i not in refused}


def _film_end(clip: Clip, path: Path, bounds: "Bounds") -> Arrays:
    """When the pictures of a file end, by its packets; called in a worker."""
    return {"seconds": np.array([import_module(_VIDEO).film_times(path, bounds).end])}
