"""The one loop over clips: finished ones come from the clip cache, the rest is computed, refused clips are noted."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from pipeline.clip_jobs.cache import ClipCache
from pipeline.clip_jobs.engines import chosen_engine
from pipeline.clip_jobs.engines.base import Stopped
from pipeline.clip_jobs.share import Share
from pipeline.errors import ClipError, DataError
from pipeline.formats import rejects
from pipeline.formats.clips import Clip, read_clips, read_root
from pipeline.formats.files import file_sha256
from pipeline.formats.rejects import Reject
from pipeline.formats.shards import Arrays, Rows, arrays_sha256, open_shards, write_shards
from pipeline.settings.environment import chosen_workers, flag

TRANSIENT = ("changed", "unreadable", "timeout")  # true of this run or machine only, so the cache does not learn them

VideoFunction: TypeAlias = Callable[[Clip, Path], Arrays]
Embed: TypeAlias = Callable[[Iterable[tuple[str, Rows]]], Iterable[tuple[str, NDArray[np.float32]]]]
Compute: TypeAlias = Callable[[Sequence[str]], Iterable[tuple[str, ClipError | None]]]  # None: it is in the cache now


class Job(NamedTuple):
    """What a stage does with its clips.

    Attributes:
        stage: its name, for the progress bar and rejected.csv.
        cache: where finished clips are looked up and kept.
        out: the folder to write.
        share: the clips to compute; less than all of them go to the cache only, and nothing is written to ``out``.
    """

    stage: str
    cache: ClipCache
    out: Path
    share: Share

    @property
    def is_whole(self) -> bool:
        """Whether it computes all clips and writes them."""
        return self.share.n_shares == 1


def has_videos(clips_csv: Path) -> bool:
    """Return whether any clip has a video; those of an imported feature file have none."""
    return any(clip.path for clip in read_clips(clips_csv))


def has_rows(folder: Path) -> bool:
    """Return whether any clip is in a folder of shards."""
    return next(open_shards(folder), None) is not None


def write_nothing(out: Path) -> None:
    """Write the out of a stage that has no clips: no shards, and nobody is refused."""
    out.mkdir(parents=True, exist_ok=True)
    rejects.write(out / rejects.FILE, [])
    print(f"{out.name}: nothing to do, no clip has a video")


def map_videos(
    job: Job, clips_csv: Path, function: VideoFunction, max_rejected_fraction: float, clip_timeout_seconds: float
) -> None:
    """Write what a function makes of every video to shards, and the refused clips to rejected.csv.

    $AVR_WORKERS clips (default: one a core) are computed at a time, in processes of their own, which put their results
    into the clip cache themselves. A ClipError refuses its clip, as do a crash and too long a time; any other error
    stops the run.

    Args:
        job: where from and where to.
        clips_csv: the clips; the videos are looked for below the root that is noted beside it.
        function: gives the arrays of a clip whose video is at a path; it must be picklable.
        max_rejected_fraction: share of the clips, in [0, 1], that may be refused.
        clip_timeout_seconds: a clip that takes longer is refused.

    Raises:
        DataError: more clips are refused than that.
        ParamsError: AVR_WORKERS is not a whole number above 0, or AVR_ENGINE is unknown.
    """
    run, n_workers = chosen_engine(), chosen_workers()
    clips = {clip.clip_id: clip for clip in read_clips(clips_csv) if clip.path}
    finish = partial(_finish, root=read_root(clips_csv), function=function, cache=job.cache)

    def compute(clip_ids: Sequence[str]) -> Iterator[tuple[str, ClipError | None]]:
        todo = [clips[clip_id] for clip_id in clip_ids]
        for clip, answer in run(finish, todo, min(n_workers, len(todo)), clip_timeout_seconds):
            yield clip.clip_id, _keep_stop(clip, answer, job.cache) if isinstance(answer, Stopped) else answer

    refused = _map_clips(job, {clip.clip_id: clip.sha256 for clip in clips.values()}, compute)
    if job.is_whole:
        rejects.check_fraction(job.out / rejects.FILE, refused, len(clips), max_rejected_fraction)


def map_shards(
    job: Job, folder: Path, rows_of: Callable[[Mapping[str, Rows]], Rows], make_embed: Callable[[], Embed]
) -> None:
    """Write ``embeddings`` (n, d) float32 and ``seconds`` (n,) of the clips of a folder of shards to shards.

    Args:
        job: where from and where to.
        folder: the shards to read; every clip has ``seconds``, the times of its rows.
        rows_of: gives the n rows of a clip that the network takes, a slice at a time.
        make_embed: is called if there is anything to compute, and returns what turns a stream of (clip_id, rows) into
            one of (clip_id, embeddings); that may bucket rows across clips.
    """
    hashes = {clip_id: arrays_sha256(arrays) for clip_id, arrays in open_shards(folder)}

    def compute(clip_ids: Sequence[str]) -> Iterator[tuple[str, None]]:
        seconds = {}

        def rows() -> Iterator[tuple[str, Rows]]:
            for clip_id, arrays in open_shards(folder, set(clip_ids).__contains__):
                seconds[clip_id] = arrays["seconds"][:]
                yield clip_id, rows_of(arrays)

        for clip_id, embeddings in make_embed()(rows()):
            job.cache.write(hashes[clip_id], {"embeddings": embeddings, "seconds": seconds.pop(clip_id)})
            yield clip_id, None

    _map_clips(job, hashes, compute)


def _map_clips(job: Job, inputs: Mapping[str, str], compute: Compute) -> list[Reject]:
    """Compute the clips whose input hash the cache does not know, write all shards, return who is refused and why."""
    mine = job.share.of(list(inputs))
    todo = [clip_id for clip_id in mine if _is_open(job.cache.peek(clip_id, inputs[clip_id]))]
    refused: dict[str, ClipError] = {}
    with tqdm(total=len(mine), initial=len(mine) - len(todo), desc=job.stage, unit="clip", mininterval=1) as bar:
        for clip_id, error in compute(todo) if todo else ():
            if error is not None:
                refused[clip_id] = error
            bar.update()
    for clip_id in mine:
        if clip_id not in refused and isinstance(state := job.cache.peek(clip_id, inputs[clip_id]), ClipError):
            refused[clip_id] = state
    if not job.is_whole:
        _say_what_was_done(job, len(mine), len(todo), len(refused))
        return []
    write_shards(job.out, mine, lambda clip_id: _finished(clip_id, inputs[clip_id], compute, job.cache, refused))
    rows = [Reject(clip_id, job.stage, error.kind, str(error)) for clip_id, error in refused.items()]
    rejects.write(job.out / rejects.FILE, rows)
    print(f"{job.stage}: computed {len(todo)} of {len(inputs)} clips")
    if rows:
        print(f"{job.stage}: {len(rows)} of them refused ({rejects.kinds_in_words(rows)}): {job.out / rejects.FILE}")
    return rows


def _finished(clip_id: str, digest: str, compute: Compute, cache: ClipCache, refused: dict[str, ClipError]) -> Arrays:
    """The arrays of a clip, computed again where its entry turns out to be damaged or gone; none of a refused clip."""
    if clip_id in refused:
        return {}
    try:
        return cache.read(clip_id, digest)
    except DataError as error:
        print(f"{error}; computed again")
    [(_, problem)] = compute([clip_id])
    if problem is not None:
        refused[clip_id] = problem
        return {}
    return cache.read(clip_id, digest)


def _say_what_was_done(job: Job, n_mine: int, n_computed: int, n_refused: int) -> None:
    """The end of a run that computed a share of the clips."""
    counts = f"{n_computed} computed, {n_mine - n_computed} already there, {n_refused} of them refused"
    number, n_shares = job.share
    print(f"{job.stage}: share {number}/{n_shares}: {n_mine} clips, {counts}; a run without --shard writes {job.out}")


def _is_open(state: ClipError | bool) -> bool:
    """Whether a clip must be computed; AVR_RETRY_REJECTED=1 gives the refused ones another try."""
    if isinstance(state, ClipError):
        return flag("AVR_RETRY_REJECTED")
    return not state


def _finish(clip: Clip, root: Path, function: VideoFunction, cache: ClipCache) -> ClipError | None:
    """Put the result of one video into the cache, in the worker; return why the clip is refused, if it is."""
    result = _video_result(function, clip, root)
    if not isinstance(result, ClipError):
        cache.write(clip.sha256, result)
        return None
    if result.kind not in TRANSIENT:
        cache.write(clip.sha256, result)
    return result


def _video_result(function: VideoFunction, clip: Clip, root: Path) -> Arrays | ClipError:
    """The function's arrays, or the reason why the clip is refused."""
    path = root / clip.path
    try:
        before = _version(path)
        if file_sha256(path) != clip.sha256:
            return _changed(clip)
        result = _result(function, clip, path)
        is_same = _version(path) == before or file_sha256(path) == clip.sha256
    except OSError as error:
        return ClipError(clip.clip_id, "unreadable", f"{clip.path}: {error.strerror}", "a file that can be read")
    return result if is_same else _changed(clip)


def _result(function: VideoFunction, clip: Clip, path: Path) -> Arrays | ClipError:
    """The same, of a file that stays as it is; the reason has the clip's name in place of the file's."""
    try:
        return function(clip, path)
    except ClipError as error:
        return ClipError(clip.clip_id, error.kind, error.problem, error.expected)


def _version(path: Path) -> tuple[int, int, int]:
    """What differs once somebody has written to a file, or put another in its place."""
    facts = path.stat()
    return facts.st_ino, facts.st_size, facts.st_mtime_ns


def _changed(clip: Clip) -> ClipError:
    """The refusal of a clip whose file is not, or no longer, the one that was hashed."""
    expected = "the bytes that the stage `dataset` saw: run `dvc repro` again"
    return ClipError(clip.clip_id, "changed", "the file changed during the run", expected)


def _keep_stop(clip: Clip, stopped: Stopped, cache: ClipCache) -> ClipError:
    """The refusal of a clip whose worker was killed or crashed; the cache learns of a crash."""
    expected = "a video that decodes within dataset.clip_timeout_seconds"
    error = ClipError(clip.clip_id, stopped.kind, stopped.problem, expected)
    if error.kind not in TRANSIENT:
        cache.write(clip.sha256, error)
    return error
