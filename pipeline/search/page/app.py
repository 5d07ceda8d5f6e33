"""The server's app: its routes, who may ask them, and what is said where something cannot be done."""

from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import JSONResponse

from pipeline.errors import ClipError, PipelineError, printable
from pipeline.search.page.access import Door, Guard, TokenCheck
from pipeline.search.page.clips import clip_routes
from pipeline.search.page.pages import page_routes
from pipeline.search.page.queries import Service, query_routes


def make_app(service: Service, door: Door, port: int) -> FastAPI:
    """Return the server's app.

    Args:
        service: what it asks.
        door: who may ask it.
        port: that it listens on.
    """
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    check = TokenCheck(door.token, port)
    for routes in (page_routes(service, check), clip_routes(service), query_routes(service)):
        answer_head(routes)
        app.include_router(routes)
    app.add_exception_handler(PipelineError, _known)
    app.add_exception_handler(RequestValidationError, _misspelt)
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(Exception, _unknown)
    app.add_middleware(Guard, check=check)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(door.hosts), www_redirect=False)
    return app


def answer_head(routes: APIRouter) -> None:
    """Have what answers GET answer HEAD too, as every server has to (RFC 9110, 9.1)."""
    for route in routes.routes:
        if isinstance(route, APIRoute) and route.methods and "GET" in route.methods:
            route.methods.add("HEAD")


def in_words(error: Exception) -> str:
    """Return what an error says, without the name that a sent file has on the server.

    Example:
        >>> in_words(ClipError("/tmp/5f0c", "no_audio", "no audio in the file", "an audio stream"))
        'no audio in the file; expected an audio stream'
    """
    return printable(f"{error.problem}; expected {error.expected}" if isinstance(error, ClipError) else str(error))


def _known(_: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"error": in_words(error)}, getattr(error, "status", 422))


def _misspelt(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    return JSONResponse({"error": printable(f"{first['loc'][-1]}: {first['msg']}")}, 422)


def _refused(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, error.status_code, headers=error.headers)


def _unknown(_: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"error": f"{type(error).__name__}: please report it; the server's own output says more"}, 500)
