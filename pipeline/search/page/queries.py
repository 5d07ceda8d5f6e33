"""Queries by a clip of the index, and by a file that is sent."""

from functools import partial
from pathlib import Path
from typing import Annotated, Any, NamedTuple, TypeAlias

import anyio
from fastapi import APIRouter, Query, Request

from pipeline.search.page.archive import Archive, ClipFilter, answer_as_shown
from pipeline.search.page.uploads import UploadBounds, UploadError, received
from pipeline.search.query import Find, QueryModality, Searcher

MOST_RESULTS = 50  # a browser plays some 75 files of a page
Condition: TypeAlias = Annotated[str, Query(max_length=1000)]
Top: TypeAlias = Annotated[int, Query(ge=1, le=MOST_RESULTS)]
ClipName: TypeAlias = Annotated[str, Query(max_length=10_000)]


class Service(NamedTuple):
    """What the page is about.

    Attributes:
        searcher: what answers queries.
        uploads: the folder of sent files while they are used.
        bounds: of a sent file.
    """

    searcher: Searcher
    uploads: Path
    bounds: UploadBounds


def query_routes(service: Service) -> APIRouter:
    """Return the routes of queries.

    Args:
        service: what answers them.
    """
    routes, archive = APIRouter(), Archive(service.searcher.index)
    waiting = _Waiting(service.bounds.n_waiting)

    @routes.get("/api/search")
    def by_clip(
        clip: ClipName,
        find: Find | None = None,
        side: QueryModality | None = None,
        top: Top = 10,
        label: Condition = "",
        split: Condition = "",
        where: Condition = "",
    ) -> dict[str, Any]:
        sql = ClipFilter(label, split, where).sql()
        answer = service.searcher.search(f"clip:{clip}", find, top, sql, side)
        return answer_as_shown(answer, archive.label(clip), clip)

    @routes.post("/api/search")
    async def by_file(
        request: Request,
        find: Find | None = None,
        side: QueryModality | None = None,
        top: Top = 10,
        label: Condition = "",
        split: Condition = "",
        where: Condition = "",
    ) -> dict[str, Any]:
        sql, stated = ClipFilter(label, split, where).sql(), request.headers.get("content-length")
        with waiting:
            async with received(request.stream(), stated, service.uploads, service.bounds) as path:
                search = partial(service.searcher.search, path, find, top, sql, side)
                answer = await anyio.to_thread.run_sync(search, limiter=waiting.threads)
        return answer_as_shown(answer, "", None)

    return routes


class _Waiting:
    """Counts the files that are received or wait; as many threads may wait for them.

    Args:
        most: at a time.
    """

    def __init__(self, most: int) -> None:
        self._most, self._n_waiting = most, 0
        self._threads: anyio.CapacityLimiter | None = None

    @property
    def threads(self) -> anyio.CapacityLimiter:
        """The threads beside those that answer all other questions; made where the server's loop runs."""
        self._threads = self._threads or anyio.CapacityLimiter(self._most)
        return self._threads

    def __enter__(self) -> None:
        if self._n_waiting >= self._most:
            raise UploadError(503, f"{self._n_waiting} files wait already; expected fewer: try again in a minute")
        self._n_waiting += 1

    def __exit__(self, *_: object) -> None:
        self._n_waiting -= 1
