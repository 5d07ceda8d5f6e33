"""Clips of a folder of shards on their way through a network: one that fails, or takes too long, loses no other."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from pipeline.clip_jobs.cache import ClipCache
from pipeline.clip_jobs.engines.base import timed_out
from pipeline.clip_jobs.failures import refusal_of, refusal_of_stopped
from pipeline.errors import ClipError, PipelineError
from pipeline.formats.shards import Rows, open_clips
from pipeline.settings.paths import AnyPath
from pipeline.settings.time_limit import WorkTimeoutError, time_limit

Embed: TypeAlias = Callable[[Iterable[tuple[str, Rows]]], Iterable[tuple[str, NDArray[np.float32]]]]
RowsOf: TypeAlias = Callable[[Mapping[str, Rows]], Rows]


class ShardRows(NamedTuple):
    """The rows of clips in a folder of shards, and where their embeddings go.

    Attributes:
        folder: the shards; every clip has ``seconds``, the times of its rows.
        inputs: the input hash of every clip.
        cache: learns the embeddings.
        rows_of: gives the rows of a clip that the network takes.
        clip_timeout_seconds: how long to wait for the next clip.
    """

    folder: AnyPath
    inputs: Mapping[str, str]
    cache: ClipCache
    rows_of: RowsOf
    clip_timeout_seconds: float

    def embedded(self, embed: Embed, clip_ids: Sequence[str]) -> Iterator[tuple[str, ClipError | None]]:
        """Put the embeddings of clips into the cache; yield each clip with None, or why it is refused.

        Clips go through the network together. Where that ends with an error, those that are left are tried again in two
        halves, until the one is alone that it comes from.

        Raises:
            PipelineError: an error that this project raises on purpose, such as of damaged shards.
        """
        left = dict.fromkeys(clip_ids)
        try:
            for clip_id in self._written(embed, clip_ids):
                del left[clip_id]
                yield clip_id, None
        except PipelineError:
            raise
        except Exception as error:
            yield from self._without_the_failing(embed, list(left), error)

    def _without_the_failing(
        self, embed: Embed, clip_ids: Sequence[str], error: Exception
    ) -> Iterator[tuple[str, ClipError | None]]:
        """The clips of a failure, half by half; one alone is refused."""
        if len(clip_ids) == 1:
            yield clip_ids[0], self._refusal(clip_ids[0], error)
            return
        middle = len(clip_ids) // 2
        for half in (clip_ids[:middle], clip_ids[middle:]):
            yield from self.embedded(embed, half) if half else ()

    def _refusal(self, clip_id: str, error: Exception) -> ClipError:
        """Why a clip is refused whose embedding ended with an error."""
        if isinstance(error, WorkTimeoutError):
            return refusal_of_stopped(clip_id, timed_out(self.clip_timeout_seconds))
        return refusal_of(clip_id, error)

    def _written(self, embed: Embed, clip_ids: Sequence[str]) -> Iterator[str]:
        """The clips whose embeddings are in the cache, as they come."""
        seconds: dict[str, NDArray[np.float64]] = {}

        def rows() -> Iterator[tuple[str, Rows]]:
            for clip_id, arrays in open_clips(self.folder, clip_ids):
                seconds[clip_id] = arrays["seconds"][:]
                yield clip_id, self.rows_of(arrays)

        stream = iter(embed(rows()))
        while True:
            with time_limit(self.clip_timeout_seconds):
                clip_id, embeddings = next(stream, ("", None))
                if embeddings is None:
                    return
                self.cache.write(self.inputs[clip_id], {"embeddings": embeddings, "seconds": seconds.pop(clip_id)})
            yield clip_id
