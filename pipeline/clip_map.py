"""The one loop over clips: finished ones come from the clip cache, the rest is computed, refused clips are noted."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from pipeline import rejects
from pipeline.clip_cache import ClipCache
from pipeline.clips import Clip, file_sha256, read_clips, read_root
from pipeline.errors import ClipError, DataError, ParamsError
from pipeline.rejects import Reject
from pipeline.shards import Arrays, arrays_sha256, read_shards, write_shards

TRANSIENT = ("changed", "unreadable")  # true of this run only, so the cache does not learn them

Result: TypeAlias = Arrays | ClipError
Compute: TypeAlias = Callable[[Sequence[str]], Iterable[tuple[str, Result]]]


def map_videos(
    stage: str,
    clips_csv: Path,
    function: Callable[[Clip, Path], Arrays],
    cache: ClipCache,
    out: Path,
    max_rejected_fraction: float,
) -> None:
    """Write what a function makes of every video to shards in ``out``, and the refused clips to its rejected.csv.

    $WORKERS clips (default: one a core) are computed at a time, in threads: FFmpeg releases Python's lock. A ClipError
    refuses its clip, any other error stops the run.

    Args:
        stage: its name, for the progress bar and rejected.csv.
        clips_csv: the clips; the videos are looked for below the root that is noted beside it.
        function: gives the arrays of a clip whose video is at a path.
        cache: where finished clips are looked up and kept.
        out: the folder to write.
        max_rejected_fraction: share of the clips, in [0, 1], that may be refused.

    Raises:
        DataError: more clips are refused than that.
        ParamsError: WORKERS is not a whole number above 0.
    """
    root, clips = read_root(clips_csv), {clip.clip_id: clip for clip in read_clips(clips_csv) if clip.path}

    def compute(clip_ids: Sequence[str]) -> Iterator[tuple[str, Result]]:
        return _in_threads(lambda clip_id: _video_result(function, clips[clip_id], root), clip_ids, _n_workers())

    refused = _map_clips(stage, {clip.clip_id: clip.sha256 for clip in clips.values()}, compute, cache, out)
    rejects.check_fraction(stage, refused, len(clips), max_rejected_fraction)


def map_shards(
    stage: str,
    folder: Path,
    rows_of: Callable[[Arrays], NDArray[Any]],
    embed: Callable[[Iterable[tuple[str, NDArray[Any]]]], Iterable[tuple[str, NDArray[np.float32]]]],
    cache: ClipCache,
    out: Path,
) -> None:
    """Write ``embeddings`` (n, d) float32 and ``seconds`` (n,) of the clips of a folder of shards to shards in ``out``.

    Args:
        stage: its name, for the progress bar.
        folder: the shards to read; every clip has ``seconds``, the times of its rows.
        rows_of: gives the n rows of a clip that the network takes.
        embed: turns a stream of (clip_id, rows) into one of (clip_id, embeddings); it may bucket rows across clips.
        cache: where finished clips are looked up and kept.
        out: the folder to write.
    """

    def compute(clip_ids: Sequence[str]) -> Iterator[tuple[str, Result]]:
        seconds = {}

        def rows() -> Iterator[tuple[str, NDArray[Any]]]:
            for clip_id, arrays in read_shards(folder, set(clip_ids).__contains__):
                seconds[clip_id] = arrays["seconds"]
                yield clip_id, rows_of(arrays)

        for clip_id, embeddings in embed(rows()):
            yield clip_id, {"embeddings": embeddings, "seconds": seconds.pop(clip_id)}

    hashes = {clip_id: arrays_sha256(arrays) for clip_id, arrays in read_shards(folder)}
    _map_clips(stage, hashes, compute, cache, out)


def _map_clips(stage: str, inputs: Mapping[str, str], compute: Compute, cache: ClipCache, out: Path) -> list[Reject]:
    """Compute the clips whose input hash the cache does not know, write all shards, return who is refused and why."""
    todo = [clip_id for clip_id, digest in inputs.items() if _is_open(cache.peek(clip_id, digest))]
    transient: dict[str, ClipError] = {}
    with tqdm(total=len(inputs), initial=len(inputs) - len(todo), desc=stage, unit="clip", mininterval=1) as bar:
        for clip_id, result in compute(todo):
            if isinstance(result, ClipError) and result.kind in TRANSIENT:
                transient[clip_id] = result
            else:
                cache.write(inputs[clip_id], result)
            bar.update()
    known = {clip_id: transient.get(clip_id) or cache.peek(clip_id, digest) for clip_id, digest in inputs.items()}
    refused = [Reject(i, stage, error.kind, str(error)) for i, error in known.items() if isinstance(error, ClipError)]
    finished = [clip_id for clip_id, state in known.items() if state is True]
    write_shards(out, finished, lambda clip_id: _finished(clip_id, inputs[clip_id], compute, cache))
    rejects.write(out / rejects.FILE, refused)
    print(f"{stage}: computed {len(todo)} of {len(inputs)} clips")
    return refused


def _finished(clip_id: str, digest: str, compute: Compute, cache: ClipCache) -> Arrays:
    """The arrays of a finished clip, computed again where its entry turns out to be damaged or gone."""
    try:
        return cache.read(clip_id, digest)
    except DataError as error:
        print(f"{error}; computed again")
    [(_, result)] = compute([clip_id])
    if isinstance(result, ClipError):
        raise result
    cache.write(digest, result)
    return result


def _is_open(state: ClipError | bool) -> bool:
    """Whether a clip must be computed; RETRY_REJECTED=1 gives the refused ones another try."""
    if isinstance(state, ClipError):
        return os.environ.get("RETRY_REJECTED") == "1"
    return not state


def _video_result(function: Callable[[Clip, Path], Arrays], clip: Clip, root: Path) -> Result:
    """The function's arrays, or the reason why the clip is refused."""
    path = root / clip.path
    try:
        if file_sha256(path) != clip.sha256:
            expected = "the bytes that the stage `dataset` saw: run `dvc repro` again"
            return ClipError(clip.clip_id, "changed", "the file changed during the run", expected)
        return function(clip, path)
    except OSError as error:
        return ClipError(clip.clip_id, "unreadable", f"{clip.path}: {error.strerror}", "a file that can be read")
    except ClipError as error:
        return ClipError(clip.clip_id, error.kind, error.problem, error.expected)


def _in_threads(
    function: Callable[[str], Result], clip_ids: Iterable[str], n_workers: int
) -> Iterator[tuple[str, Result]]:
    """Results in the order of the ids; at most two a worker wait to be taken."""
    pool = ThreadPoolExecutor(n_workers)
    waiting: deque[tuple[str, Future[Result]]] = deque()
    try:
        for clip_id in clip_ids:
            waiting.append((clip_id, pool.submit(function, clip_id)))
            if len(waiting) > 2 * n_workers:
                yield _oldest(waiting)
        while waiting:
            yield _oldest(waiting)
    finally:
        pool.shutdown(cancel_futures=True)


def _oldest(waiting: "deque[tuple[str, Future[Result]]]") -> tuple[str, Result]:
    """The result that was asked for first."""
    clip_id, future = waiting.popleft()
    return clip_id, future.result()


def _n_workers() -> int:
    """$WORKERS, or one a core."""
    text = os.environ.get("WORKERS") or str(os.cpu_count() or 1)
    if not text.isdecimal() or int(text) < 1:
        raise ParamsError(f"WORKERS={text!r}; expected a whole number above 0")
    return int(text)
