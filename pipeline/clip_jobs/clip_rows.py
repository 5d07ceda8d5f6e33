"""Decoded clips on their way through a network: one that fails, or takes too long, loses no other."""

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from pipeline.clip_jobs.cache import ClipCache
from pipeline.clip_jobs.engines.base import timed_out
from pipeline.clip_jobs.failures import refusal_of, refusal_of_stopped
from pipeline.errors import ClipError, PipelineError
from pipeline.formats.shards import Arrays, Rows
from pipeline.settings.time_limit import WorkTimeoutError, time_limit

Embed: TypeAlias = Callable[[Iterable[tuple[str, Rows]]], Iterable[tuple[str, NDArray[np.float32]]]]
RowsOf: TypeAlias = Callable[[Mapping[str, Rows]], Rows]
DecodedStream: TypeAlias = Generator[tuple[str, Mapping[str, Rows] | ClipError], None, None]


class _DecodingError(Exception):
    """An error of what decodes, on its way through a network that it does not come from."""

    def __init__(self, error: Exception) -> None:
        super().__init__(error)
        self.error = error


class ClipRows(NamedTuple):
    """The rows of clips, and where their embeddings go.

    Attributes:
        decoded: gives the arrays of clips by name, or why a clip is refused; every clip has ``seconds``, the times of
            its rows. Arrays are there until the next clip is asked for.
        inputs: the input hash of every clip.
        cache: learns the embeddings.
        rows_of: gives the rows of a clip that the network takes.
        clip_timeout_seconds: how long to wait for the next clip.
    """

    decoded: Callable[[Sequence[str]], DecodedStream]
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
            Exception: whatever else ``decoded`` raises, as it is: another half of the clips would meet it too.
        """
        left = dict.fromkeys(clip_ids)
        try:
            for clip_id, error in self._written(embed, clip_ids):
                del left[clip_id]
                yield clip_id, error
        except _DecodingError as wrapped:
            raise wrapped.error from wrapped.error.__cause__
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

    def _written(self, embed: Embed, clip_ids: Sequence[str]) -> Iterator[tuple[str, ClipError | None]]:
        """The clips whose embeddings are in the cache, as they come, and between them those that are refused."""
        seconds: dict[str, NDArray[np.float64]] = {}
        refused: list[tuple[str, ClipError]] = []

        def rows() -> Generator[tuple[str, Rows], None, None]:
            with closing(_with_errors_of_its_own(self.decoded(clip_ids))) as clips:
                for clip_id, arrays in clips:
                    if isinstance(arrays, ClipError):
                        refused.append((clip_id, arrays))
                        continue
                    seconds[clip_id] = arrays["seconds"][:]
                    yield clip_id, self.rows_of(arrays)

        with closing(rows()) as decoded:
            stream = iter(embed(decoded))
            while True:
                with time_limit(self.clip_timeout_seconds):
                    clip_id, embeddings = next(stream, ("", None))
                if embeddings is not None:
                    entry: Arrays = {"embeddings": embeddings, "seconds": seconds.pop(clip_id)}
                    self.cache.write(self.inputs[clip_id], entry)
                while refused:
                    yield refused.pop()
                if embeddings is None:
                    return
                yield clip_id, None


def _with_errors_of_its_own(clips: DecodedStream) -> DecodedStream:
    """The clips; what ends them is told from an error of the network, unless it is the network's time that is over."""
    try:
        yield from clips
    except (PipelineError, WorkTimeoutError):
        raise
    except Exception as error:
        raise _DecodingError(error) from error
