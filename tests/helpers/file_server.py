"""A server of files in memory, which counts what it was asked."""

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit


class Shelf:
    """What the server has, and what it says.

    Attributes:
        files: bytes by path.
        statuses: what is answered for a path in place of its file.
        said_sizes: lengths that are not those of the files, by path.
        asked: ``GET /path`` for each request.
        url: of the server.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.statuses: dict[str, int] = {}
        self.said_sizes: dict[str, int] = {}
        self.asked: list[str] = []
        self.url = ""

    def fetched(self) -> list[str]:
        """Return the paths of the files that were sent, in the order of their names; and ask no more of the past."""
        paths = sorted(line.removeprefix("GET ") for line in self.asked if line.startswith("GET "))
        self.asked.clear()
        return paths


def _handler(shelf: Shelf) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            path = unquote(urlsplit(self.path).path).lstrip("/")
            shelf.asked.append(f"{self.command} {path}")
            data = shelf.files.get(path, b"")
            status = shelf.statuses.get(path, 200 if path in shelf.files else 404)
            size = shelf.said_sizes.get(path, len(data)) if self.command == "HEAD" else len(data)
            self.send_response(status)
            self.send_header("Content-Length", str(size if status == 200 else 0))
            self.send_header("ETag", hashlib.md5(data).hexdigest())
            self.end_headers()
            if self.command == "GET" and status == 200:
                self.wfile.write(data)

        do_HEAD = do_GET  # noqa: N815 - http.server's own name

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    return Handler


@contextmanager
def file_server() -> Iterator[Shelf]:
    """A server that answers until the end of the block."""
    shelf = Shelf()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(shelf))
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))  # seconds until it notices its end
    thread.start()
    shelf.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield shelf
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
