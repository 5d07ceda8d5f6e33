"""Who may ask the server: hosts by name, pages of its own origin, and on other addresses whoever knows the token."""

import hmac
import ipaddress
import secrets
from collections.abc import Mapping, Sequence
from typing import NamedTuple
from urllib.parse import urlsplit

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipeline.errors import ParamsError

LOCAL = ("localhost", "127.0.0.1", "[::1]")
ANY_ADDRESS = ("0.0.0.0", "::")
TOKEN_CHARACTERS = 16
OPEN_TO_ALL = ("/login", "/page.css")  # what is needed to send the token
CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": CONTENT_POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",  # with `no-referrer`, browsers send forms from an origin without a name
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "microphone=(self), camera=(), geolocation=()",
    "cache-control": "no-store",
}


class Door(NamedTuple):
    """Where the server listens and what opens it.

    Attributes:
        host: the address to listen on.
        hosts: the names that a browser may call the server by, without a port.
        token: what has to be known; None: nothing, as whoever reaches the server is a user of this machine.
    """

    host: str
    hosts: Sequence[str]
    token: str | None


def checked_door(host: str, token: str | None, names: Sequence[str] = ()) -> Door:
    """Return the door of a server on an address.

    Args:
        host: the address to listen on.
        token: what has to be known to be let in.
        names: further names that a browser may call the server by.

    Raises:
        ParamsError: the address is not of this machine alone and there is no token, or the token is easily guessed.

    Example:
        >>> checked_door("127.0.0.1", None).hosts
        ['localhost', '127.0.0.1', '[::1]']
    """
    if token is None and not is_loopback(host):
        made = secrets.token_urlsafe(24)
        expected = f"expected a token in AVR_TOKEN or --token, such as AVR_TOKEN={made}"
        raise ParamsError(f"--host {host}: others than this machine's users reach that address; {expected}")
    if token is not None and not (len(token) >= TOKEN_CHARACTERS and token.isascii() and token.isprintable()):
        raise ParamsError(f"the token has {len(token)} characters; expected {TOKEN_CHARACTERS} or more of ASCII")
    own = [] if host in (*ANY_ADDRESS, *LOCAL, "::1") else [f"[{host}]" if ":" in host else host]
    return Door(host, [*LOCAL, *own, *names], token)


def is_loopback(host: str) -> bool:
    """Return whether only programs of this machine reach an address.

    Example:
        >>> is_loopback("localhost"), is_loopback("127.0.0.1"), is_loopback("0.0.0.0"), is_loopback("a.example.org")
        (True, True, False, False)
    """
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class TokenCheck:
    """Compares what a browser or a program sends with the token, in a time that says nothing about it.

    Args:
        token: what has to be known; None: nothing.
        port: of the server; browsers keep one set of cookies for all ports of a host.
    """

    def __init__(self, token: str | None, port: int) -> None:
        self._token, self.cookie = token, f"avr_{port}"
        self._session = secrets.token_urlsafe(32)  # stands for the token, so that no browser keeps that

    def knows(self, headers: Mapping[str, str], cookies: Mapping[str, str]) -> bool:
        """Return whether a request may pass: it has the session's cookie, or the token as ``Bearer``."""
        if self._token is None:
            return True
        kind, _, sent = headers.get("authorization", "").partition(" ")
        by_header = kind.lower() == "bearer" and self.is_token(sent.strip())
        return by_header or _equal(cookies.get(self.cookie, ""), self._session)

    def is_token(self, text: str) -> bool:
        """Return whether a text is the token."""
        return self._token is not None and _equal(text, self._token)

    def let_in(self, response: Response) -> None:
        """Have a browser keep that its user knows the token, until it is closed or the server ends."""
        response.set_cookie(self.cookie, self._session, httponly=True, samesite="lax")


class Guard:
    """Answers in place of the app where a request may not pass, and puts the headers of a strict page on all answers.

    Args:
        app: what is guarded.
        check: of the token.
    """

    def __init__(self, app: ASGIApp, check: TokenCheck) -> None:
        self._app, self._check = app, check

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""

        async def send_strictly(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(Request(scope))
        await (refusal or self._app)(scope, receive, send_strictly)

    def _refusal(self, request: Request) -> Response | None:
        """What is answered where a request may not pass."""
        if is_of_another_page(request.method, request.url.path, request.headers):
            return JSONResponse({"error": "a page of another origin asked for this; expected the server's own"}, 403)
        if request.url.path in OPEN_TO_ALL or self._check.knows(request.headers, request.cookies):
            return None
        if request.url.path == "/":
            return RedirectResponse("/login", 303)
        return JSONResponse({"error": "the token is missing; expected it as `Authorization: Bearer`"}, 401)


def is_of_another_page(method: str, path: str, headers: Mapping[str, str]) -> bool:
    """Return whether a browser sends a request for a page of another origin; a link to the page itself may be one.

    Example:
        >>> is_of_another_page("POST", "/api/search", {"host": "localhost:8000", "origin": "http://evil.example.org"})
        True
    """
    if method not in ("GET", "HEAD") and (origin := headers.get("origin")) is not None:
        return urlsplit(origin).netloc != headers.get("host")
    is_foreign = headers.get("sec-fetch-site", "none") not in ("none", "same-origin")
    is_link = method == "GET" and path in ("/", "/login") and headers.get("sec-fetch-mode") == "navigate"
    return is_foreign and not is_link


def _equal(text: str, secret: str) -> bool:
    return hmac.compare_digest(text.encode("utf-8", "surrogatepass"), secret.encode())
