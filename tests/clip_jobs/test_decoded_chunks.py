"""How much of the clips is held that are decoded for a network in other processes, where those keep crashing."""

import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.clip_jobs.cache import ClipCache
from pipeline.clip_jobs.clip_rows import ClipRows, DecodedStream
from pipeline.clip_jobs.decoded_chunks import DecodedChunk, embedded_as_they_come
from pipeline.clip_jobs.engines.base import Stopped, do_nothing
from pipeline.clip_jobs.shard_chunks import ChunkAnswers, NetworkWorkers
from tests.helpers.network_work import ObedientNetwork, rows_in

N_CLIPS, MOST_CLIPS, N_AHEAD = 64, 4, 2


def crashing(
    _: Callable[[DecodedChunk], ChunkAnswers], items: Iterable[DecodedChunk], *__: object
) -> Iterator[tuple[DecodedChunk, Stopped]]:
    """An engine with two calls in flight, each of which takes its process down."""
    in_flight: list[DecodedChunk] = []
    for item in items:
        in_flight.append(item)
        if len(in_flight) == N_AHEAD:
            yield in_flight.pop(0), Stopped("crashed", "its process ended")
    while in_flight:
        yield in_flight.pop(0), Stopped("crashed", "its process ended")


def test_of_calls_that_all_crash_no_more_is_held_than_of_those_in_flight(tmp_path: Path) -> None:
    held, most_held = set[int](), 0

    def decoded(clip_ids: Sequence[str]) -> DecodedStream:
        nonlocal most_held
        for number, clip_id in enumerate(clip_ids):
            rows: NDArray[np.float64] = np.ones((2, 3))
            held.add(number)
            weakref.finalize(rows, held.discard, number)
            most_held = max(most_held, len(held))
            yield clip_id, {"rows": rows, "seconds": np.arange(2.0)}

    clip_ids = [f"{number}" for number in range(N_CLIPS)]
    cache = ClipCache(tmp_path / "cache", "fingerprint")
    clips = ClipRows(decoded, {clip_id: clip_id for clip_id in clip_ids}, cache, rows_in, 60.0)
    workers = NetworkWorkers(ObedientNetwork(tmp_path / "log"), crashing, 1, do_nothing, 0, MOST_CLIPS)
    answers = dict(embedded_as_they_come(clips, workers, clip_ids))
    assert sorted(answers, key=int) == clip_ids
    assert {error.kind for error in answers.values() if error is not None} == {"crashed"}
    assert most_held <= (N_AHEAD + 2) * MOST_CLIPS  # of one that was stopped, and one that is being filled
