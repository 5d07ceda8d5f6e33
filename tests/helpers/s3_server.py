"""A stand-in for an object store with the interface of S3: objects in memory, as LanceDB talks to it.

It answers what LanceDB asks: lists, reads whole and in ranges, writes (only where there is nothing yet, if asked so, by
which LanceDB settles who of two writers was first) and deletions. Signatures are not looked at.
"""

import hashlib
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

BUCKET = "bucket"


class Store:
    """The objects of the one bucket by key, how often a write came second, and the variables that name the store."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.lock = threading.Lock()
        self.n_late = 0
        self.environment: dict[str, str] = {}


def _handler(store: Store) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            bucket, key = self._place()
            asked = parse_qs(urlsplit(self.path).query)
            if bucket != BUCKET:
                self._answer(404, _error("NoSuchBucket", "The specified bucket does not exist"))
            elif not key:
                self._answer(200, _listing(store, asked.get("prefix", [""])[0], asked.get("delimiter", [""])[0]))
            elif key not in store.objects:
                self._answer(404, _error("NoSuchKey", "The specified key does not exist."))
            else:
                self._answer_object(store.objects[key])

        do_HEAD = do_GET  # noqa: N815 - http.server's own name

        def do_PUT(self) -> None:
            data = self.rfile.read(int(self.headers["Content-Length"]))
            with store.lock:
                is_late = self.headers.get("If-None-Match") == "*" and self._place()[1] in store.objects
                store.n_late += is_late
                if not is_late:
                    store.objects[self._place()[1]] = data
            self._answer(412 if is_late else 200, _error("PreconditionFailed", "") if is_late else b"")

        def do_POST(self) -> None:
            names = re.findall(rb"<Key>(.*?)</Key>", self.rfile.read(int(self.headers["Content-Length"])))
            for name in names:
                store.objects.pop(name.decode(), None)
            self._answer(200, b"<DeleteResult></DeleteResult>")

        def do_DELETE(self) -> None:
            store.objects.pop(self._place()[1], None)
            self._answer(204, b"")

        def _place(self) -> tuple[str, str]:
            bucket, _, key = unquote(urlsplit(self.path).path).lstrip("/").partition("/")
            return bucket, key

        def _answer_object(self, data: bytes) -> None:
            found = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range") or "")
            if not found:
                self._answer(200, data)
                return
            start = int(found[1]) if found[1] else max(0, len(data) - int(found[2]))
            end = min(int(found[2]) + 1, len(data)) if found[1] and found[2] else len(data)
            self._answer(206, data[start:end], f"bytes {start}-{end - 1}/{len(data)}")

        def _answer(self, status: int, body: bytes, content_range: str = "") -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("ETag", f'"{hashlib.md5(body).hexdigest()}"')
            self.send_header("Last-Modified", "Thu, 01 Jan 1970 00:00:00 GMT")
            if content_range:
                self.send_header("Content-Range", content_range)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    return Handler


def _listing(store: Store, prefix: str, delimiter: str) -> bytes:
    """The keys that begin so; with a delimiter, what lies deeper as folders."""
    rest = {key: key.removeprefix(prefix).partition(delimiter) if delimiter else (key, "", "") for key in store.objects}
    rest = {key: parts for key, parts in rest.items() if key.startswith(prefix)}
    folders = sorted({f"{prefix}{parts[0]}{delimiter}" for parts in rest.values() if parts[1]})
    found = "".join(
        f"<Contents><Key>{escape(key)}</Key><LastModified>1970-01-01T00:00:00.000Z</LastModified>"
        f"<ETag>x</ETag><Size>{len(store.objects[key])}</Size></Contents>"
        for key, parts in sorted(rest.items())
        if not parts[1]
    )
    below = "".join(f"<CommonPrefixes><Prefix>{escape(name)}</Prefix></CommonPrefixes>" for name in folders)
    return f"<ListBucketResult><IsTruncated>false</IsTruncated>{found}{below}</ListBucketResult>".encode()


def _error(code: str, message: str) -> bytes:
    return f"<Error><Code>{code}</Code><Message>{message}</Message></Error>".encode()


@contextmanager
def s3_server() -> Iterator[Store]:
    """A store that answers until the end of the block."""
    store = Store()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(store))
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))  # seconds until it notices its end
    thread.start()
    names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    store.environment = {"AWS_ENDPOINT": f"http://127.0.0.1:{server.server_port}", "AWS_ALLOW_HTTP": "true"}
    store.environment |= {"AWS_REGION": "us-east-1", **dict.fromkeys(names, "test")}
    try:
        yield store
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
