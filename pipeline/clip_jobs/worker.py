"""What a worker does with one video: its arrays or the reason why it is refused go into the clip cache."""

import errno
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeAlias, TypeVar

from pipeline.clip_jobs.cache import ClipCache
from pipeline.clip_jobs.engines.base import Stopped
from pipeline.clip_jobs.failures import OF_THE_RUN, TRANSIENT, refusal_of, refusal_of_stopped
from pipeline.errors import ClipError, DataError
from pipeline.formats.clip_files import files_of, files_sha256
from pipeline.formats.clips import Clip
from pipeline.formats.shards import Arrays
from pipeline.settings.paths import AnyPath
from pipeline.settings.regular_files import check_regular

VideoFunction: TypeAlias = Callable[[Clip, Path], Arrays]
Given = TypeVar("Given")


def compute_in_worker(clip: Clip, root: AnyPath, function: VideoFunction, cache: ClipCache) -> ClipError | None:
    """Return why a clip is refused, or None; its arrays are in the cache then.

    Args:
        clip: the clip.
        root: the folder that its path starts from.
        function: gives the arrays of a clip whose video is at a path.
        cache: learns the arrays, and why the clip is refused where that will be so in another run too.

    Raises:
        DiskError, ParamsError: what every clip would meet; any other error of the function refuses its clip.
    """
    return give_in_worker(clip, root, function, cache, partial(cache.write, clip.sha256))


def give_in_worker(
    clip: Clip, root: AnyPath, function: VideoFunction, cache: ClipCache, give: Callable[[Arrays], Given]
) -> Given | ClipError:
    """Return why a clip is refused, or what a function makes of its arrays.

    Args:
        clip: the clip.
        root: the folder that its path starts from.
        function: gives the arrays of a clip whose video is at a path.
        cache: learns why the clip is refused, where that will be so in another run too.
        give: is called with the arrays by name, of any shape.

    Raises:
        DiskError, ParamsError: as ``compute_in_worker``.
    """
    try:
        result = _arrays_of_unchanged_files(function, clip, Path(root))
        return _kept(clip, result, cache) if isinstance(result, ClipError) else give(result)
    except OF_THE_RUN:
        raise
    except Exception as error:
        return refusal_of(clip.clip_id, error)


def keep_stop(clip: Clip, stopped: Stopped, cache: ClipCache) -> ClipError:
    """Return the refusal of a clip whose worker was killed or crashed; the cache learns of a crash."""
    return _kept(clip, refusal_of_stopped(clip.clip_id, stopped), cache)


def _kept(clip: Clip, refusal: ClipError, cache: ClipCache) -> ClipError:
    """A refusal, which the cache learns if it is one of the clip and not of this run."""
    if refusal.kind not in TRANSIENT:
        cache.write(clip.sha256, refusal)
    return refusal


def _arrays_of_unchanged_files(function: VideoFunction, clip: Clip, root: Path) -> Arrays | ClipError:
    """The function's arrays or its refusal, if the files are those that were hashed, before and after."""
    files = files_of(root, clip.path).all()
    try:
        before = list(map(_version, files))
        if files_sha256(files) != clip.sha256:
            return _changed(clip)
        result = _arrays_or_refusal(function, clip, root / clip.path)
        is_same = list(map(_version, files)) == before or files_sha256(files) == clip.sha256
    except OSError as error:
        if error.errno == errno.ENOMEM:
            raise
        return ClipError(clip.clip_id, "unreadable", f"{clip.path}: {error.strerror}", "a file that can be read")
    except DataError:
        return ClipError(clip.clip_id, "unreadable", f"{clip.path}: no regular file", "a file that can be read")
    return result if is_same else _changed(clip)


def _arrays_or_refusal(function: VideoFunction, clip: Clip, path: Path) -> Arrays | ClipError:
    """The function's arrays, or its refusal with the clip's name in place of the file's."""
    try:
        return function(clip, path)
    except ClipError as error:
        return ClipError(clip.clip_id, error.kind, error.problem, error.expected)


def _version(path: Path) -> tuple[int, int, int, int]:
    """What differs once somebody has written to a file, or put another in its place."""
    facts = check_regular(path)
    return facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns  # no program can set the last


def _changed(clip: Clip) -> ClipError:
    """The refusal of a clip whose file is not, or no longer, the one that was hashed."""
    expected = "the bytes that the stage `dataset` saw: run `dvc repro` again"
    return ClipError(clip.clip_id, "changed", "the file changed during the run", expected)
