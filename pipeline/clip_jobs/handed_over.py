"""Decoded clips on their way from the workers to this process, which takes them as they come; nothing keeps them.

Two clips a worker are ahead at most. What they hold travels in memory, and that of a long clip in a file that is gone
once the next clip is asked for, so memory does not grow with the number of clips; nor with their length where the
network runs in this process. One that runs in several takes a clip from here whole, and a clip that the cache of the
decoding stage has is read whole too.
"""

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeAlias, TypeVar
from uuid import uuid4

import numpy as np
from safetensors.numpy import save_file

from pipeline.clip_jobs.cache import ClipCache
from pipeline.clip_jobs.clip_rows import DecodedStream
from pipeline.clip_jobs.engines import chosen_engine, processes
from pipeline.clip_jobs.engines.base import Stopped
from pipeline.clip_jobs.memory import limit_memory
from pipeline.clip_jobs.worker import VideoFunction, give_in_worker, keep_stop
from pipeline.errors import ClipError, DataError
from pipeline.formats.clips import Clip
from pipeline.formats.files import disk_errors
from pipeline.formats.shards import Arrays, Rows, stored_rows
from pipeline.formats.temporary import temporary_folder
from pipeline.settings.environment import chosen_workers
from pipeline.settings.limits import Limits
from pipeline.settings.paths import AnyPath
from pipeline.settings.time_limit import outside_of_time_limit

MOST_CARRIED_BYTES = 1 << 24  # of a clip that travels in memory
Carried: TypeAlias = Arrays | Path
Answer = TypeVar("Answer")


class Decoding(NamedTuple):
    """What it takes to decode clips.

    Attributes:
        clips: by id.
        root: the folder that their paths start from.
        make_function: is called if there is anything to decode, and returns what gives the arrays of a clip whose video
            is at a path; that must be picklable.
        cache: of the decoding stage: it may have clips of an earlier run, and learns which are refused.
        clip_timeout_seconds: a clip that works longer is refused.
        limits: of the memory of a worker.
        beside: a folder that machines of a cluster see, for long clips on their way.
    """

    clips: Mapping[str, Clip]
    root: Path
    make_function: Callable[[], VideoFunction]
    cache: ClipCache
    clip_timeout_seconds: float
    limits: Limits
    beside: Path

    def decoded(self, clip_ids: Sequence[str]) -> DecodedStream:
        """Yield clips with their arrays by name, or why they are refused; $AVR_WORKERS are decoded at a time.

        Raises:
            ParamsError: AVR_WORKERS is not a whole number above 0, or AVR_ENGINE is unknown.
        """
        inputs = {clip_id: self.clips[clip_id].sha256 for clip_id in clip_ids}
        with outside_of_time_limit():
            entries = self.cache.look_up_all(inputs)
        left = [clip_id for clip_id in clip_ids if entries[clip_id].state != "done"]
        kept = [clip_id for clip_id in clip_ids if entries[clip_id].state == "done"]
        with closing(_waited_for(self.cache.read_all((clip_id, inputs[clip_id]) for clip_id in kept))) as read:
            for clip_id, found in zip(kept, read, strict=True):
                if isinstance(found, DataError):
                    left.append(clip_id)
                else:
                    yield clip_id, found
        if left:
            yield from self._by_workers([self.clips[clip_id] for clip_id in left])

    def _by_workers(self, clips: Sequence[Clip]) -> DecodedStream:
        """The clips from the workers, in the order in which they are done."""
        run, n_workers = chosen_engine(), min(chosen_workers(), len(clips))
        start = partial(limit_memory, self.limits.worker_memory_gigabytes)
        self.beside.mkdir(parents=True, exist_ok=True)
        with temporary_folder(".decoded-", None if run is processes.run else self.beside) as folder:
            with outside_of_time_limit():
                function = self.make_function()
            hand_over = partial(_hand_over, root=self.root, function=function, cache=self.cache, folder=folder)
            answers = run(hand_over, clips, n_workers, self.clip_timeout_seconds, start)
            with closing(_waited_for(answers)) as waited:
                for clip, answer in waited:
                    yield from self._opened(clip, answer)

    def _opened(self, clip: Clip, answer: Carried | ClipError | Stopped) -> DecodedStream:
        """The clip with its arrays, or why it is refused; the file of a long one is removed afterwards."""
        if isinstance(answer, Stopped):
            yield clip.clip_id, keep_stop(clip, answer, self.cache)
        elif isinstance(answer, Path):
            try:
                rows: Mapping[str, Rows] = stored_rows(answer)
                yield clip.clip_id, rows
            finally:
                answer.unlink(missing_ok=True)
        else:
            yield clip.clip_id, answer


def _hand_over(
    clip: Clip, root: Path, function: VideoFunction, cache: ClipCache, folder: AnyPath
) -> Carried | ClipError:
    """What a worker answers with of one clip."""
    return give_in_worker(clip, root, function, cache, partial(_given, folder=Path(folder)))


def _given(arrays: Arrays, folder: Path) -> Carried:
    """The arrays of a clip, or the file of that folder which holds them where they are large."""
    if sum(array.nbytes for array in arrays.values()) <= MOST_CARRIED_BYTES:
        return arrays
    path = folder / f"{uuid4().hex}.safetensors"
    with disk_errors(path):
        save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, path)
    return path


def _waited_for(answers: Iterator[Answer]) -> Generator[Answer, None, None]:
    """The answers of others, whose time is not that of the limit around; they end where this does."""
    try:
        while True:
            with outside_of_time_limit():
                answer = next(answers, None)
            if answer is None:
                return
            yield answer
    finally:
        if isinstance(answers, Generator):
            answers.close()
