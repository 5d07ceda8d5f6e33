"""The one loop over clips: finished ones come from the clip cache, the rest is computed, refused clips are noted."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from pipeline.clip_jobs.cache import ClipCache, Entry
from pipeline.clip_jobs.engines import chosen_engine
from pipeline.clip_jobs.engines.base import Stopped
from pipeline.clip_jobs.share import Share
from pipeline.clip_jobs.worker import VideoFunction, compute_in_worker, keep_stop
from pipeline.errors import ClipError, DataError
from pipeline.formats import rejects
from pipeline.formats.clips import read_clips, read_root
from pipeline.formats.rejects import Reject
from pipeline.formats.shards import Arrays, Rows, arrays_sha256, open_shards, write_shards
from pipeline.settings.environment import chosen_workers, flag
from pipeline.settings.progress import progress

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
    in_worker = partial(compute_in_worker, root=read_root(clips_csv), function=function, cache=job.cache)

    def compute(clip_ids: Sequence[str]) -> Iterator[tuple[str, ClipError | None]]:
        todo = [clips[clip_id] for clip_id in clip_ids]
        for clip, answer in run(in_worker, todo, min(n_workers, len(todo)), clip_timeout_seconds):
            yield clip.clip_id, keep_stop(clip, answer, job.cache) if isinstance(answer, Stopped) else answer

    refused = _run(job, {clip.clip_id: clip.sha256 for clip in clips.values()}, compute)
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

    _run(job, hashes, compute)


class _Settled(NamedTuple):
    """What became of clips: their arrays are in the cache, or here is why they cannot be used.

    Attributes:
        n_computed: how many were computed for it.
        refused: by clip, why it cannot be used.
    """

    n_computed: int
    refused: dict[str, ClipError]


def _run(job: Job, inputs: Mapping[str, str], compute: Compute) -> list[Reject]:
    """Settle the clips of the job's share, write those of a whole job, and return who is refused and why.

    Args:
        job: where from and where to.
        inputs: the input hash of every clip of the data set.
        compute: puts the results of clips into the cache.
    """
    mine = {clip_id: inputs[clip_id] for clip_id in job.share.of(list(inputs))}
    settled = _settle(job, mine, compute)
    if not job.is_whole:
        _say_what_was_done(job, len(mine), settled)
        return []
    refused = settled.refused | _write_usable(job, mine, settled.refused, compute)
    rows = [Reject(clip_id, job.stage, error.kind, str(error)) for clip_id, error in refused.items()]
    rejects.write(job.out / rejects.FILE, rows)
    print(f"{job.stage}: computed {settled.n_computed} of {len(inputs)} clips")
    if rows:
        print(f"{job.stage}: {len(rows)} of them refused ({rejects.kinds_in_words(rows)}): {job.out / rejects.FILE}")
    return rows


def _settle(job: Job, inputs: Mapping[str, str], compute: Compute) -> _Settled:
    """Look all clips up, and compute those of which the cache knows nothing."""
    entries = {clip_id: job.cache.look_up(clip_id, digest) for clip_id, digest in inputs.items()}
    todo = [clip_id for clip_id, entry in entries.items() if _is_to_compute(entry)]
    refused = _compute(job, todo, len(inputs) - len(todo), compute)
    for clip_id, entry in entries.items():
        if entry.refusal is not None and not _is_to_compute(entry):
            refused[clip_id] = entry.refusal
    return _Settled(len(todo), refused)


def _compute(job: Job, clip_ids: Sequence[str], n_before: int, compute: Compute) -> dict[str, ClipError]:
    """Compute clips, show how far it is, and return which of them are refused."""
    refused: dict[str, ClipError] = {}
    with progress(job.stage, n_before + len(clip_ids), "clip", done=n_before) as advance:
        for clip_id, error in compute(clip_ids) if clip_ids else ():
            if error is not None:
                refused[clip_id] = error
            advance()
    return refused


def _write_usable(
    job: Job, inputs: Mapping[str, str], refused: Mapping[str, ClipError], compute: Compute
) -> dict[str, ClipError]:
    """Write the shards of the clips that are not refused, and return which of them turned out to be refused too.

    Only reading an entry shows whether its arrays are intact. Where some are not, or are gone, their clips are computed
    again, and the shards are written anew.
    """
    usable = [clip_id for clip_id in inputs if clip_id not in refused]
    lost = _write_intact(job, usable, inputs)
    if not lost:
        return {}
    refused_now = _compute(job, lost, len(inputs) - len(lost), compute)
    usable = [clip_id for clip_id in usable if clip_id not in refused_now]
    write_shards(job.out, usable, lambda clip_id: job.cache.read(clip_id, inputs[clip_id]))
    return refused_now


def _write_intact(job: Job, clip_ids: Sequence[str], inputs: Mapping[str, str]) -> list[str]:
    """Write the shards of the clips whose entries are intact, and return the other clips."""
    lost: list[str] = []

    def arrays_if_intact(clip_id: str) -> Arrays:
        try:
            return job.cache.read(clip_id, inputs[clip_id])
        except DataError as error:
            print(f"{error}; computed again")
            lost.append(clip_id)
            return {}

    write_shards(job.out, clip_ids, arrays_if_intact)
    return lost


def _say_what_was_done(job: Job, n_mine: int, settled: _Settled) -> None:
    """The end of a run that computed a share of the clips."""
    n_computed, n_refused = settled.n_computed, len(settled.refused)
    counts = f"{n_computed} computed, {n_mine - n_computed} already there, {n_refused} of them refused"
    number, n_shares = job.share
    print(f"{job.stage}: share {number}/{n_shares}: {n_mine} clips, {counts}; a run without --shard writes {job.out}")


def _is_to_compute(entry: Entry) -> bool:
    """Whether a clip must be computed; AVR_RETRY_REJECTED=1 gives the refused ones another try."""
    is_retried = entry.state == "refused" and flag("AVR_RETRY_REJECTED")
    return entry.state == "unknown" or is_retried
