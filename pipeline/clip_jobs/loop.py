"""The one loop over clips: finished ones come from the clip cache, the rest is computed, refused clips are noted."""

import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from pipeline.clip_jobs.cache import ClipCache
from pipeline.clip_jobs.clip_rows import ClipRows, Embed, RowsOf
from pipeline.clip_jobs.engines import chosen_engine
from pipeline.clip_jobs.engines.base import Stopped, do_nothing
from pipeline.clip_jobs.failures import TRANSIENT
from pipeline.clip_jobs.memory import limit_memory
from pipeline.clip_jobs.settle import Compute, Settled, Settler
from pipeline.clip_jobs.shard_chunks import NetworkWorkers, embedded_in_workers
from pipeline.clip_jobs.share import Share
from pipeline.clip_jobs.worker import VideoFunction, compute_in_worker, keep_stop
from pipeline.errors import ClipError, DataError
from pipeline.formats import rejects
from pipeline.formats.clips import Clip, read_clips, read_root, whole_files
from pipeline.formats.rejects import Reject
from pipeline.formats.shards import Arrays, arrays_sha256, by_shard, open_clips, open_shards, write_shards
from pipeline.settings.environment import chosen_workers
from pipeline.settings.limits import Limits
from pipeline.settings.paths import AnyPath

__all__ = [
    "Embed",
    "Job",
    "has_rows",
    "has_videos",
    "in_workers",
    "map_shards",
    "map_videos",
    "settle_and_write",
    "write_nothing",
]


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


def has_videos(clips_csv: AnyPath) -> bool:
    """Return whether any clip has a video; those of an imported feature file have none."""
    return any(clip.path for clip in read_clips(clips_csv))


def has_rows(folder: AnyPath) -> bool:
    """Return whether any clip is in a folder of shards."""
    return next(open_shards(folder), None) is not None


def write_nothing(out: AnyPath) -> None:
    """Write the out of a stage that has no clips: no shards, and nobody is refused."""
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    rejects.write(out / rejects.FILE, [])
    print(f"{out.name}: nothing to do, no clip has a video")


def map_videos(
    job: Job,
    clips_csv: AnyPath,
    function: VideoFunction,
    max_rejected_fraction: float,
    clip_timeout_seconds: float,
    limits: Limits | None = None,
    uncounted: Collection[str] = (),
) -> None:
    """Write what a function makes of every video to shards, and the refused clips to rejected.csv.

    $AVR_WORKERS clips (default: one a core) are computed at a time, in processes of their own, which put their results
    into the clip cache themselves. An error of the function costs its clip, as do a crash and too long a time.

    Args:
        job: where from and where to.
        clips_csv: the clips, of whose windows each file is computed once, under its own name; the videos are looked
            for below the root that is noted beside it.
        function: gives the arrays of a clip whose video is at a path; it must be picklable.
        max_rejected_fraction: share of the clips, in [0, 1], that may be refused.
        clip_timeout_seconds: a clip that works longer is refused.
        limits: of the memory of a worker; refusals for other limits than these are tried again.
        uncounted: kinds of refusals that do not count against the share.

    Raises:
        DataError: more clips are refused than that.
        ParamsError: AVR_WORKERS is not a whole number above 0, or AVR_ENGINE is unknown.
    """
    clips = {clip.clip_id: clip for clip in whole_files(read_clips(clips_csv)) if clip.path}
    compute = in_workers(clips, read_root(clips_csv), function, job.cache, clip_timeout_seconds, limits)
    inputs = {clip.clip_id: clip.sha256 for clip in clips.values()}
    settle_and_write(job, inputs, compute, max_rejected_fraction, limits, uncounted)


def in_workers(
    clips: Mapping[str, Clip],
    root: AnyPath,
    function: VideoFunction,
    cache: ClipCache,
    clip_timeout_seconds: float,
    limits: Limits | None = None,
) -> Compute:
    """Return what computes clips in processes of their own, $AVR_WORKERS at a time, and puts the results into a cache.

    Args:
        clips: by id.
        root: the folder that their paths start from.
        function: gives the arrays of a clip whose video is at a path; it must be picklable.
        cache: learns the arrays, and why a clip is refused.
        clip_timeout_seconds: a clip that works longer is refused.
        limits: of the memory of a worker.

    Raises:
        ParamsError: AVR_WORKERS is not a whole number above 0, or AVR_ENGINE is unknown.
    """
    run, n_workers = chosen_engine(), chosen_workers()
    in_worker = partial(compute_in_worker, root=Path(root), function=function, cache=cache)
    start = partial(limit_memory, limits.worker_memory_gigabytes) if limits else do_nothing

    def compute(clip_ids: Sequence[str]) -> Iterator[tuple[str, ClipError | None]]:
        todo = [clips[clip_id] for clip_id in clip_ids]
        for clip, answer in run(in_worker, todo, min(n_workers, len(todo)), clip_timeout_seconds, start):
            yield clip.clip_id, keep_stop(clip, answer, cache) if isinstance(answer, Stopped) else answer

    return compute


def map_shards(
    job: Job,
    folder: AnyPath,
    rows_of: RowsOf,
    make_embed: Callable[[], Embed],
    max_rejected_fraction: float = 1.0,
    clip_timeout_seconds: float = float("inf"),
    workers: Callable[[], AbstractContextManager[NetworkWorkers | None]] = nullcontext,
) -> None:
    """Write ``embeddings`` (n, d) float32 and ``seconds`` (n,) of the clips of a folder of shards to shards.

    An error costs the clip that it comes from, as does too long a time, and the clip is noted in rejected.csv.

    Args:
        job: where from and where to.
        folder: the shards to read; every clip has ``seconds``, the times of its rows.
        rows_of: gives the n rows of a clip that the network takes, a slice at a time.
        make_embed: is called if there is anything to compute, and returns what turns a stream of (clip_id, rows) into
            one of (clip_id, embeddings); that may bucket rows across clips.
        max_rejected_fraction: share of the clips, in [0, 1], that may be refused.
        clip_timeout_seconds: a clip that works longer is refused.
        workers: is entered if there is anything to compute, and says where else than in this process.

    Raises:
        DataError: more clips are refused than that, or the shards are damaged.
    """
    hashes = {clip_id: arrays_sha256(arrays) for clip_id, arrays in open_shards(folder)}
    clips = ClipRows(partial(open_clips, folder), hashes, job.cache, rows_of, clip_timeout_seconds)

    def compute(clip_ids: Sequence[str]) -> Iterator[tuple[str, ClipError | None]]:
        with workers() as chosen:
            if chosen is None:
                yield from clips.embedded(make_embed(), clip_ids)
            else:
                yield from embedded_in_workers(clips, chosen, clip_ids)

    settle_and_write(job, hashes, compute, max_rejected_fraction)


def settle_and_write(
    job: Job,
    inputs: Mapping[str, str],
    compute: Compute,
    max_rejected_fraction: float,
    limits: Limits | None = None,
    uncounted: Collection[str] = (),
    refusing: Callable[[str], str] | None = None,
) -> None:
    """Settle the clips of the job's share, and write those of a whole job.

    Args:
        job: where from and where to.
        inputs: the input hash of every clip of the data set.
        compute: puts the results of clips into the cache.
        max_rejected_fraction: share of the clips, in [0, 1], that may be refused.
        limits: see ``Settler``.
        uncounted: kinds of refusals that do not count against the share.
        refusing: names the stage that refused a clip, for rejected.csv; None: the job's.

    Raises:
        DataError: more clips are refused than that.
    """
    mine = {clip_id: inputs[clip_id] for clip_id in job.share.of(list(inputs))}
    settler = Settler(job.stage, job.cache, mine, compute, limits)
    settled = settler.settle()
    if not job.is_whole:
        _say_what_was_done(job, len(mine), settled)
        return
    refused = settled.refused | _write_usable(job.out, settler, settled.refused)
    stage_of = refusing or (lambda _: job.stage)
    rows = [Reject(clip_id, stage_of(clip_id), error.kind, str(error)) for clip_id, error in refused.items()]
    rejects.write(job.out / rejects.FILE, rows)
    print(f"{job.stage}: computed {settled.n_computed} of {len(inputs)} clips")
    _say_who_is_refused(job, rows)
    counted = [row for row in rows if row.kind not in uncounted]
    rejects.check_fraction(job.out / rejects.FILE, counted, len(inputs), max_rejected_fraction)


def _write_usable(out: Path, settler: Settler, refused: Mapping[str, ClipError]) -> dict[str, ClipError]:
    """Write the shards of the clips that are not refused, and return which of them turned out to be refused too.

    Only reading an entry shows whether its arrays are intact. Where some are not, or are gone, their clips are computed
    again, and the shards are written anew.
    """
    usable = [clip_id for clip_id in settler.inputs if clip_id not in refused]
    lost = _write_intact(out, usable, settler)
    if not lost:
        return {}
    refused_now = settler.compute_once(lost).refused
    usable = [clip_id for clip_id in usable if clip_id not in refused_now]
    write_shards(out, usable, lambda clip_id: settler.cache.read(clip_id, settler.inputs[clip_id]))
    return refused_now


def _write_intact(out: Path, clip_ids: Sequence[str], settler: Settler) -> list[str]:
    """Write the shards of the clips whose entries are intact, and return the other clips."""
    lost: list[str] = []
    in_order = chain.from_iterable(by_shard(clip_ids).values())
    read = settler.cache.read_all((clip_id, settler.inputs[clip_id]) for clip_id in in_order)

    def arrays_if_intact(clip_id: str) -> Arrays:
        found = next(read)
        if isinstance(found, DataError):
            print(f"{found}; computed again")
            lost.append(clip_id)
            return {}
        return found

    write_shards(out, clip_ids, arrays_if_intact)
    return lost


def _say_who_is_refused(job: Job, rows: Sequence[Reject]) -> None:
    """How many clips are refused, and on stderr what is no fault of theirs."""
    if rows:
        print(f"{job.stage}: {len(rows)} of them refused ({rejects.kinds_in_words(rows)}): {job.out / rejects.FILE}")
    failed = [row for row in rows if row.kind == "failed"]
    if failed:
        print(
            f"{job.stage}: {len(failed)} clips FAILED by errors of this program, such as {failed[0].reason}",
            file=sys.stderr,
        )
    transient = [row for row in rows if row.kind in TRANSIENT]
    if transient:
        words = f"{len(transient)} of the refused clips are tried again by the next `dvc repro`"
        print(f"{job.stage}: {words} ({rejects.kinds_in_words(transient)})", file=sys.stderr)


def _say_what_was_done(job: Job, n_mine: int, settled: Settled) -> None:
    """The end of a run that computed a share of the clips."""
    n_computed, n_refused = settled.n_computed, len(settled.refused)
    counts = f"{n_computed} computed, {n_mine - n_computed} already there, {n_refused} of them refused"
    number, n_shares = job.share
    print(f"{job.stage}: share {number}/{n_shares}: {n_mine} clips, {counts}; a run without --shard writes {job.out}")
