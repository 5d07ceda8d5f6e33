"""The clips that there are to ask with, and the files of clips."""

from typing import Annotated, Any, TypeAlias

from fastapi import APIRouter, Query, Response

from pipeline.search.page.archive import CLIPS_LISTED, Archive, ClipFilter
from pipeline.search.page.media import UnservedError, find_file, respond
from pipeline.search.page.queries import Service

ShortText: TypeAlias = Annotated[str, Query(max_length=1000)]
ClipId: TypeAlias = Annotated[str, Query(max_length=10_000)]
Place: TypeAlias = Annotated[int, Query(ge=0, le=10**9)]


def clip_routes(service: Service) -> APIRouter:
    """Return the routes of the archive and of its files.

    Args:
        service: whose index is shown.
    """
    routes, archive = APIRouter(), Archive(service.searcher.index)

    @routes.get("/api/archive")
    def clips(
        label: ShortText = "", split: ShortText = "", where: ShortText = "", text: ShortText = "", start: Place = 0
    ) -> dict[str, Any]:
        return archive.listed(ClipFilter(label, split, where, text), start, CLIPS_LISTED)._asdict()

    @routes.get("/media")
    def media(id: ClipId) -> Response:
        place = archive.place(id)
        if place is None:
            raise UnservedError(404, f"no clip {id!r} in the index; expected the id of one")
        return respond(find_file(*place))

    return routes
