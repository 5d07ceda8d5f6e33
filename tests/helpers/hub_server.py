"""A stand-in for the Hugging Face Hub's HTTP interface: repositories in memory, as its own library talks to them."""

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

SHA = "1" * 40  # the one commit that there is


class Hub:
    """What the stand-in has: the files of each repository, and what it was asked."""

    def __init__(self) -> None:
        self.repos: dict[str, dict[str, bytes]] = {}
        self.private: dict[str, bool] = {}
        self.asked: list[str] = []
        self.url = ""


def _handler(hub: Hub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            path = self._path()
            if path == "/api/repos/create":
                asked = json.loads(body)
                repo = f"{asked.get('organization') or 'me'}/{asked['name']}"
                hub.repos.setdefault(repo, {})
                hub.private[repo] = bool(asked.get("private")) or asked.get("visibility") == "private"
                self._answer({"url": f"{hub.url}/{repo}", "name": repo})
            elif path == "/api/validate-yaml":
                self._answer({"errors": [], "warnings": []})
            elif found := re.fullmatch(r"/api/models/([\w-]+/[\w-]+)/preupload/main", path):
                files = [file["path"] for file in json.loads(body)["files"]]
                modes = [{"path": name, "uploadMode": "regular", "shouldIgnore": False} for name in files]
                self._answer({"files": modes} if found[1] in hub.repos else None)
            elif found := re.fullmatch(r"/api/models/([\w-]+/[\w-]+)/commit/main", path):
                for line in map(json.loads, body.splitlines()):
                    if line["key"] == "file":
                        hub.repos[found[1]][line["value"]["path"]] = base64.b64decode(line["value"]["content"])
                self._answer({"commitUrl": f"{hub.url}/{found[1]}/commit/{SHA}", "commitOid": SHA})
            else:
                self._answer(None)

        def do_GET(self) -> None:
            path = self._path()
            if found := re.fullmatch(r"/api/models/([\w-]+/[\w-]+)(/revision/\w+)?", path):
                files = hub.repos.get(found[1])
                about = {"id": found[1], "sha": SHA, "siblings": [{"rfilename": name} for name in files or ()]}
                self._answer(None if files is None else about)
            elif found := re.fullmatch(r"/api/models/([\w-]+/[\w-]+)/tree/\w+", path):
                files = hub.repos.get(found[1], {})
                self._answer([{"type": "file", "path": n, "size": len(d), "oid": _oid(d)} for n, d in files.items()])
            elif found := re.fullmatch(r"/([\w-]+/[\w-]+)/resolve/\w+/(.+)", path):
                self._send_file(hub.repos.get(found[1], {}).get(unquote(found[2])))
            else:
                self._answer(None)

        def do_HEAD(self) -> None:
            self.do_GET()

        def _path(self) -> str:
            path = urlsplit(self.path).path
            hub.asked.append(f"{self.command} {path}")
            return path

        def _answer(self, content: Any) -> None:  # noqa: ANN401 - whatever JSON holds
            data = json.dumps({"error": "Repository Not Found"} if content is None else content).encode()
            self.send_response(200 if content is not None else 404)
            if content is None:
                self.send_header("X-Error-Code", "RepoNotFound")
            self._send(data, "application/json")

        def _send_file(self, data: bytes | None) -> None:
            if data is None:
                self._answer(None)
                return
            self.send_response(200)
            self.send_header("X-Repo-Commit", SHA)
            self.send_header("ETag", f'"{_oid(data)}"')
            self._send(data, "application/octet-stream")

        def _send(self, data: bytes, kind: str) -> None:
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            pass

    return Handler


def _oid(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


@contextmanager
def hub_server() -> Iterator[Hub]:
    """Give a Hub that answers at its address until the block ends."""
    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(hub))
    server.daemon_threads = True
    hub.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()  # seconds until it notices its end
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
