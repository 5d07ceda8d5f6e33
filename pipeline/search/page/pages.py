"""The page and what it loads, and the form for the token."""

from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from fastapi import APIRouter, Request, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import FileResponse, HTMLResponse, RedirectResponse

from pipeline.errors import printable
from pipeline.search.page.access import TokenCheck
from pipeline.search.page.archive import CLIPS_LISTED, SPLITS, Archive
from pipeline.search.page.queries import MOST_RESULTS, Service
from pipeline.search.page.uploads import UploadError

HERE = Path(__file__).parent
LONGEST_FORM = 4096  # bytes


def page_routes(service: Service, check: TokenCheck) -> APIRouter:
    """Return the routes of the page, its style and its script, and those of the form for the token.

    Args:
        service: what the page is about.
        check: of the token.
    """
    routes, templates = APIRouter(default_response_class=HTMLResponse), _templates()

    @routes.get("/")
    def page() -> HTMLResponse:
        return HTMLResponse(templates.get_template("page.html.jinja").render(facts(service)))

    @routes.get("/page.css")
    def style() -> FileResponse:
        return FileResponse(HERE / "page.css", media_type="text/css")

    @routes.get("/page.js")
    def script() -> FileResponse:
        return FileResponse(HERE / "page.js", media_type="text/javascript")

    @routes.get("/cards.js")
    def cards() -> FileResponse:
        return FileResponse(HERE / "cards.js", media_type="text/javascript")

    @routes.get("/track.js")
    def track() -> FileResponse:
        return FileResponse(HERE / "track.js", media_type="text/javascript")

    @routes.get("/login")
    def login() -> HTMLResponse:
        return HTMLResponse(templates.get_template("login.html.jinja").render(problem=""))

    @routes.post("/login")
    async def enter(request: Request) -> Response:
        form = parse_qs(await _short_body(request))
        if not check.is_token(form.get("token", [""])[0]):
            text = templates.get_template("login.html.jinja").render(problem="That is not the token.")
            return HTMLResponse(text, 401)
        response = RedirectResponse("/", 303)
        check.let_in(response)
        return response

    return routes


def facts(service: Service) -> dict[str, Any]:
    """Return what the page says before anything is asked, by the names that its template has."""
    searcher, bounds = service.searcher, service.bounds
    return {
        "model": searcher.encoder.model,
        "n_rows": len(searcher.index),
        "labels": [(label, printable(label)) for label in Archive(searcher.index).labels()],
        "splits": SPLITS,
        "counts": [5, 10, 20, MOST_RESULTS],
        "bounds": bounds,
        "clips_listed": CLIPS_LISTED,
        "tracks": service.one_track.choices() if service.one_track else [],
    }


def _templates() -> Environment:
    """Jinja that escapes whatever comes from data."""
    return Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )


async def _short_body(request: Request) -> str:
    """The body of a form."""
    body = b""
    async for block in request.stream():
        body += block
        if len(body) > LONGEST_FORM:
            raise UploadError(413, f"the form has more than {LONGEST_FORM} bytes; expected a token")
    return body.decode("utf-8", "replace")
