"""What the stage ``dataset`` asks of films before it cuts them, computed in workers and kept in the clip cache."""

from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from pipeline.clip_jobs.cache import ClipCache
from pipeline.clip_jobs.loop import in_workers
from pipeline.clip_jobs.settle import Settler
from pipeline.extraction.decoding import bounds_of
from pipeline.formats.clips import Clip
from pipeline.formats.shards import Arrays
from pipeline.settings.environment import finished_clips
from pipeline.settings.fingerprint import fingerprint
from pipeline.settings.limits import Limits
from pipeline.settings.paths import AnyPath

if TYPE_CHECKING:
    from pipeline.video import Bounds


class FilmFunction(Protocol):
    """Makes arrays, by name, of a film; a worker imports it."""

    def __call__(self, clip: Clip, path: Path, *, bounds: "Bounds") -> Arrays:
        """Return the arrays of a clip whose film is at a path."""
        ...


def film_arrays(
    name: str,
    function: FilmFunction,
    modules: Iterable[str],
    root: AnyPath,
    clips: Iterable[Clip],
    timeout_seconds: float,
    limits: Limits,
    version: str = "",
) -> dict[str, Arrays]:
    """Return what a function makes of films, by clip_id; those that it cannot read are left out.

    Args:
        name: of the folder in the clip cache.
        function: what is asked of a film.
        modules: that decide its answer.
        root: the folder that the clips' paths start from.
        clips: with hashes.
        timeout_seconds: what one file may take.
        limits: what a file may ask for.
        version: of another library that decides the answer.

    Returns:
        What the function returned, such as ``seconds`` (n,).
    """
    by_id = {clip.clip_id: clip for clip in clips}
    cache = ClipCache(finished_clips(name), fingerprint({"version": version} if version else {}, modules))
    compute = in_workers(by_id, root, partial(function, bounds=bounds_of(limits)), cache, timeout_seconds, limits)
    inputs = {clip_id: clip.sha256 for clip_id, clip in by_id.items()}
    refused = Settler("dataset", cache, inputs, compute, limits).settle().refused
    return {clip_id: cache.read(clip_id, digest) for clip_id, digest in inputs.items() if clip_id not in refused}
