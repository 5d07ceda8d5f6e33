"""Queries by a clip of the index, and by a file that is sent."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, NamedTuple, TypeAlias, TypeVar

import anyio
from fastapi import APIRouter, Depends, Query, Request

from pipeline.search.page.archive import Archive, ClipFilter, answer_as_shown
from pipeline.search.page.tracks import OneTrack, blocks_of, parse_box, track_as_shown
from pipeline.search.page.uploads import UploadBounds, UploadError, received
from pipeline.search.page.worker import TrackWav
from pipeline.search.query import Find, QueryModality, Searcher
from pipeline.search.rows import Answer
from pipeline.settings.paths import AnyPath

MOST_RESULTS = 50  # a browser plays some 75 files of a page
Condition: TypeAlias = Annotated[str, Query(max_length=1000)]
Top: TypeAlias = Annotated[int, Query(ge=1, le=MOST_RESULTS)]
TrackBox: TypeAlias = Annotated[str | None, Query(max_length=200)]
ClipName: TypeAlias = Annotated[str, Query(max_length=10_000)]
Found = TypeVar("Found")


class Service(NamedTuple):
    """What the page is about.

    Attributes:
        searcher: what answers queries.
        uploads: the folder of sent files while they are used.
        bounds: of a sent file.
        one_track: that one track of a sent video can be the query; None: it cannot.
    """

    searcher: Searcher
    uploads: Path
    bounds: UploadBounds
    one_track: OneTrack | None = None

    def separation_of(self, track: str) -> Callable[[Path], TrackWav]:
        """Return what gives of a video the sound of a track that an address names by its box.

        Raises:
            UploadError: there is no separator, or the text is no box.
        """
        if self.one_track is None:
            raise UploadError(422, f"track={track}: there is no separator; expected a server with --separation")
        wav_of, box = self.one_track.wav_of, parse_box(track)
        return lambda path: wav_of(path, box)


@dataclass(frozen=True)
class Wanted:
    """What an address asks for besides the query itself, by the names that it has there.

    Attributes:
        find: which sides of clips are compared.
        side: which side of the query counts.
        top: how many results.
        label: of the results.
        split: of the results.
        where: further condition in SQL.
    """

    find: Find | None = None
    side: QueryModality | None = None
    top: Top = 10
    label: Condition = ""
    split: Condition = ""
    where: Condition = ""

    def asked(self, searcher: Searcher, query: AnyPath) -> Answer:
        """Return what is found for a query, as `Searcher.search` takes it, with its errors."""
        return searcher.search(
            query, self.find, self.top, ClipFilter(self.label, self.split, self.where).sql(), self.side
        )


def query_routes(service: Service) -> APIRouter:
    """Return the routes of queries.

    Args:
        service: what answers them.
    """
    routes, archive = APIRouter(), Archive(service.searcher.index)
    waiting = _Waiting(service.bounds.n_waiting)

    @routes.get("/api/search")
    def by_clip(clip: ClipName, wanted: Annotated[Wanted, Depends()]) -> dict[str, Any]:
        return answer_as_shown(wanted.asked(service.searcher, f"clip:{clip}"), archive.label(clip), clip)

    @routes.post("/api/search")
    async def by_file(request: Request, wanted: Annotated[Wanted, Depends()], track: TrackBox = None) -> dict[str, Any]:
        stated = request.headers.get("content-length")
        check_no_form(request.headers.get("content-type", ""))
        separate = None if track is None else service.separation_of(track)
        with waiting:
            async with received(request.stream(), stated, service.uploads, service.bounds) as path:
                if separate is None:
                    return await answered(wanted, path)
                sound = await waiting.thread(partial(separate, path))
            async with received(blocks_of(sound), None, service.uploads, service.bounds) as path:
                return await answered(wanted, path) | {"track": track_as_shown(sound)}

    async def answered(wanted: Wanted, path: Path) -> dict[str, Any]:
        answer = await waiting.thread(partial(wanted.asked, service.searcher, path))
        return answer_as_shown(answer, "", None)

    return routes


def check_no_form(content_type: str) -> None:
    """Refuse a form, whose body holds a file among other things.

    Raises:
        UploadError: the type of the body says that it is one.
    """
    if content_type.startswith("multipart/"):
        raise UploadError(415, "a form; expected the file itself as the body, as `curl --data-binary @FILE` sends it")


class _Waiting:
    """Counts the files that are received or wait; as many threads may wait for them.

    Args:
        most: at a time.
    """

    def __init__(self, most: int) -> None:
        self._most, self._n_waiting = most, 0
        self._threads: anyio.CapacityLimiter | None = None

    async def thread(self, call: Callable[[], Found]) -> Found:
        """Return what a call finds in a thread beside those that answer all other questions."""
        self._threads = self._threads or anyio.CapacityLimiter(self._most)  # made where the server's loop runs
        return await anyio.to_thread.run_sync(call, limiter=self._threads)

    def __enter__(self) -> None:
        if self._n_waiting >= self._most:
            raise UploadError(503, f"{self._n_waiting} files wait already; expected fewer: try again in a minute")
        self._n_waiting += 1

    def __exit__(self, *_: object) -> None:
        self._n_waiting -= 1
