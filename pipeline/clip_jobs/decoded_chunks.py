"""Clips that are being decoded, through a network in several processes: some clips a call, as soon as they are there.

A call whose process ends, or that takes too long, is tried again in two halves, as calls with clips of shards are. Its
halves come before other clips, so that what is held of clips is that of the calls in flight.
"""

from collections import deque
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from functools import partial
from typing import NamedTuple

from pipeline.clip_jobs import shard_chunks
from pipeline.clip_jobs.cache import ClipCache
from pipeline.clip_jobs.clip_rows import ClipRows, DecodedStream
from pipeline.clip_jobs.engines.base import Stopped
from pipeline.clip_jobs.failures import refusal_of_stopped
from pipeline.clip_jobs.shard_chunks import (
    CALLS_A_WORKER,
    ChunkAnswers,
    NetworkMaker,
    NetworkWorkers,
    embedded_in_worker,
)
from pipeline.errors import ClipError
from pipeline.formats.shards import Arrays

MOST_CALL_BYTES = 1 << 26  # of the clips of a call, but for the last one


class DecodedChunk(NamedTuple):
    """The clips of a call.

    Attributes:
        inputs: the input hash of every clip.
        arrays: of every clip, by name.
        is_new: that no call has begun with them.
    """

    inputs: dict[str, str]
    arrays: dict[str, Arrays]
    is_new: bool

    def halves(self) -> list["DecodedChunk"]:
        """Return two or more clips in two parts."""
        clip_ids, middle = list(self.inputs), len(self.inputs) // 2
        return [
            DecodedChunk({i: self.inputs[i] for i in half}, {i: self.arrays[i] for i in half}, is_new=False)
            for half in (clip_ids[:middle], clip_ids[middle:])
        ]


def embedded_as_they_come(
    clips: ClipRows, workers: NetworkWorkers, clip_ids: Sequence[str]
) -> Iterator[tuple[str, ClipError | None]]:
    """Put the embeddings of clips into the cache; yield each clip with None, or why it is refused.

    Args:
        clips: where from and where to.
        workers: where the network runs; two calls a worker are ahead at most.
        clip_ids: the clips.

    Raises:
        PipelineError: as ``ClipRows.embedded``.
    """
    refused: list[tuple[str, ClipError]] = []
    most_clips = min(workers.most_clips, max(1, len(clip_ids) // (CALLS_A_WORKER * workers.n_workers)))
    seconds = shard_chunks.LOADING_SECONDS + clips.clip_timeout_seconds * most_clips
    call = partial(_embedded, kept=clips.cache, make=workers.make, seconds=clips.clip_timeout_seconds)
    with closing(_chunks(clips, clip_ids, most_clips, refused)) as chunks:
        halves = deque[DecodedChunk]()
        while True:
            todo = _halves_first(halves, chunks)
            for chunk, answer in workers.run(call, todo, workers.n_workers, seconds, workers.start, workers.n_gpus):
                if not isinstance(answer, Stopped):
                    yield from answer
                elif len(chunk.inputs) == 1:
                    yield from ((clip_id, refusal_of_stopped(clip_id, answer)) for clip_id in chunk.inputs)
                else:
                    halves += chunk.halves()
                while refused:
                    yield refused.pop()
            if not halves:  # there are some where the last calls were stopped
                break
    yield from refused


def _halves_first(halves: deque[DecodedChunk], chunks: Iterator[DecodedChunk]) -> Iterator[DecodedChunk]:
    """The chunks, each when it is asked for, and before it the halves that there are then."""
    while True:
        if halves:
            yield halves.popleft()
        elif (chunk := next(chunks, None)) is not None:
            yield chunk
        else:
            return


def _chunks(
    clips: ClipRows, clip_ids: Sequence[str], most_clips: int, refused: list[tuple[str, ClipError]]
) -> Generator[DecodedChunk, None, None]:
    """The clips of each call, in memory, as they are decoded; those that are refused go to a list."""
    chunk, n_bytes = DecodedChunk({}, {}, is_new=True), 0
    with closing(clips.decoded(clip_ids)) as decoded:
        for clip_id, arrays in decoded:
            if isinstance(arrays, ClipError):
                refused.append((clip_id, arrays))
                continue
            chunk.inputs[clip_id] = clips.inputs[clip_id]
            chunk.arrays[clip_id] = {name: rows[:] for name, rows in arrays.items()}
            n_bytes += sum(array.nbytes for array in chunk.arrays[clip_id].values())
            if len(chunk.inputs) == most_clips or n_bytes >= MOST_CALL_BYTES:
                yield chunk
                chunk, n_bytes = DecodedChunk({}, {}, is_new=True), 0
    if chunk.inputs:
        yield chunk


def _embedded(chunk: DecodedChunk, kept: ClipCache, make: NetworkMaker, seconds: float) -> ChunkAnswers:
    """What becomes of the clips of a call, in a worker."""
    return embedded_in_worker(chunk.inputs, partial(_in_memory, chunk.arrays), kept, make, seconds, chunk.is_new)


def _in_memory(arrays: dict[str, Arrays], clip_ids: Sequence[str]) -> DecodedStream:
    """Some of the clips."""
    yield from ((clip_id, arrays[clip_id]) for clip_id in clip_ids)
