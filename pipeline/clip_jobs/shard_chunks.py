"""Clips through a network in several processes, or on several GPUs, some clips a call: what they need, and of shards.

`embedded_in_workers` takes clips of a folder of shards; those that are decoded meanwhile have a loop of their own, with
the same workers and the same calls.

A call whose process ends, or that takes too long, is tried again in two halves, until the clip is alone that it comes
from; what was finished before stays.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from itertools import chain
from typing import NamedTuple, Protocol

from pipeline.clip_jobs.cache import ClipCache
from pipeline.clip_jobs.clip_rows import ClipRows, DecodedStream, Embed, RowsOf
from pipeline.clip_jobs.engines import Engine, Start
from pipeline.clip_jobs.engines.base import Stopped
from pipeline.clip_jobs.failures import refusal_of_stopped
from pipeline.errors import ClipError
from pipeline.formats.shards import by_shard

CALLS_A_WORKER = 4  # at least, so that none waits long for the last one
LOADING_SECONDS = 600.0  # beside the time of its clips, for the network of a first call
ChunkAnswers = list[tuple[str, ClipError | None]]


class NetworkMaker(Protocol):
    """Makes a network in another process; equal ones make equal networks, and it is hashable and picklable."""

    def __call__(self) -> tuple[RowsOf, Embed]:
        """Return what gives the rows of a clip, and what embeds a stream of them."""

    def __hash__(self) -> int:
        """Return the hash by which a worker finds the network that it has made."""


class NetworkWorkers(NamedTuple):
    """Where a network runs.

    Attributes:
        make: is called once in each worker.
        run: the engine.
        n_workers: calls at a time.
        start: is called at the start of each worker.
        n_gpus: that each worker takes up.
        most_clips: of one call.
    """

    make: NetworkMaker
    run: Engine
    n_workers: int
    start: Start
    n_gpus: int
    most_clips: int


def embedded_in_workers(
    clips: ClipRows, workers: NetworkWorkers, clip_ids: Sequence[str]
) -> Iterator[tuple[str, ClipError | None]]:
    """Put the embeddings of clips into the cache; yield each clip with None, or why it is refused.

    Args:
        clips: where from and where to.
        workers: where the network runs.
        clip_ids: the clips.

    Raises:
        PipelineError: as ``ClipRows.embedded``.
    """
    todo = _chunks(clip_ids, workers)
    call = partial(
        embedded_in_worker,
        decoded=clips.decoded,
        kept=clips.cache,
        make=workers.make,
        seconds=clips.clip_timeout_seconds,
    )
    is_first = True
    while todo:
        seconds = LOADING_SECONDS + clips.clip_timeout_seconds * max(map(len, todo))
        items = [{clip_id: clips.inputs[clip_id] for clip_id in chunk} for chunk in todo]
        n_workers, todo = min(workers.n_workers, len(items)), []
        embedded = partial(call, are_new=is_first)
        is_first = False
        for inputs, answer in workers.run(embedded, items, n_workers, seconds, workers.start, workers.n_gpus):
            if not isinstance(answer, Stopped):
                yield from answer
            elif len(inputs) == 1:
                yield from ((clip_id, refusal_of_stopped(clip_id, answer)) for clip_id in inputs)
            else:
                todo += _halves(list(inputs))


def _chunks(clip_ids: Sequence[str], workers: NetworkWorkers) -> list[list[str]]:
    """The clips of each call, neighbours in the shards."""
    in_order = list(chain.from_iterable(by_shard(clip_ids).values()))
    size = min(workers.most_clips, max(1, len(in_order) // (CALLS_A_WORKER * workers.n_workers)))
    return [in_order[start : start + size] for start in range(0, len(in_order), size)]


def _halves(clip_ids: list[str]) -> list[list[str]]:
    """Two or more clips in two parts."""
    middle = len(clip_ids) // 2
    return [clip_ids[:middle], clip_ids[middle:]]


def embedded_in_worker(
    inputs: dict[str, str],
    decoded: Callable[[Sequence[str]], DecodedStream],
    kept: ClipCache,
    make: NetworkMaker,
    seconds: float,
    are_new: bool,
) -> ChunkAnswers:
    """Return what becomes of the clips of a call, in a worker; what a call before it finished is not computed again.

    Args:
        inputs: the input hash of every clip.
        decoded: gives their arrays.
        kept: the cache.
        make: makes the network.
        seconds: that a clip may take.
        are_new: that no call has begun with them, so that the cache, whose look costs requests, need not be asked.
    """
    rows_of, embed = _network_of(make)
    entries = {} if are_new else kept.look_up_all(inputs)
    done: ChunkAnswers = [(clip_id, None) for clip_id, entry in entries.items() if entry.state == "done"]
    known = dict(done)
    left = [clip_id for clip_id in inputs if clip_id not in known]
    return done + list(ClipRows(decoded, inputs, kept, rows_of, seconds).embedded(embed, left))


@cache
def _network_of(make: NetworkMaker) -> tuple[RowsOf, Embed]:
    """The network of this process."""
    return make()
