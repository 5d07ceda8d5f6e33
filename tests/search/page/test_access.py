"""Who may ask the server: names of the host, origins of pages, the token."""

import re
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from pipeline.encoder import Encoder
from pipeline.errors import ParamsError
from pipeline.search.index import Index
from pipeline.search.page.access import CONTENT_POLICY, checked_door
from tests.helpers.served import page_client

TOKEN = "correct-horse-battery"
FOREIGN = "http://evil.example.org"


@pytest.fixture
def client(index: Index, encoder: Encoder, tmp_path: Path) -> TestClient:
    return page_client(index, encoder, tmp_path / "uploads")


@pytest.fixture
def closed(index: Index, encoder: Encoder, tmp_path: Path) -> TestClient:
    """A server that asks for a token."""
    return page_client(index, encoder, tmp_path / "uploads", door=checked_door("0.0.0.0", TOKEN))


@pytest.mark.parametrize("host", ["localhost:8000", "127.0.0.1:8000", "[::1]:8000", "LOCALHOST"])
def test_a_browser_of_this_machine_gets_the_page(client: TestClient, host: str) -> None:
    assert client.get("/", headers={"host": host}).status_code == 200


@pytest.mark.parametrize("host", ["evil.example.org", "evil.example.org:8000", "localhost.evil.org", "", "a@localhost"])
@pytest.mark.parametrize("path", ["/", "/api/archive", "/media?id=dog/1.mp4"])
def test_another_name_of_the_host_is_refused_as_a_rebound_one(client: TestClient, host: str, path: str) -> None:
    assert client.get(path, headers={"host": host}).status_code == 400


def test_a_name_that_the_user_allows_is_taken(index: Index, encoder: Encoder, tmp_path: Path) -> None:
    door = checked_door("127.0.0.1", None, ["search.example.org"])
    client = page_client(index, encoder, tmp_path / "uploads", door=door)
    assert client.get("/", headers={"host": "search.example.org"}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": FOREIGN},
        {"origin": "null"},
        {"origin": "http://localhost:9000"},
        {"origin": "http://localhost:8000.evil.example.org"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
    ids=str,
)
def test_what_another_page_sends_is_refused(client: TestClient, headers: dict[str, str], tmp_path: Path) -> None:
    done = client.post("/api/search", content=b"sound", headers=headers)
    assert (done.status_code, done.json()["error"][:32]) == (403, "a page of another origin asked f")
    assert list((tmp_path / "uploads").iterdir()) == []


def test_another_page_embeds_no_clip_and_asks_nothing_but_may_link_to_the_page(client: TestClient) -> None:
    foreign = {"sec-fetch-site": "cross-site"}
    assert client.get("/media?id=dog/1.mp4", headers=foreign).status_code == 403
    assert client.get("/api/search?clip=dog/1.mp4", headers=foreign).status_code == 403
    assert client.get("/", headers=foreign | {"sec-fetch-mode": "navigate"}).status_code == 200
    assert client.get("/api/archive", headers=foreign | {"sec-fetch-mode": "navigate"}).status_code == 403


@pytest.mark.parametrize("path", ["/", "/page.js", "/api/archive", "/nowhere", "/api/search?clip=none", "/login"])
def test_every_answer_has_the_headers_of_a_strict_page(client: TestClient, path: str) -> None:
    headers = client.get(path).headers
    assert headers["content-security-policy"] == CONTENT_POLICY
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert headers["referrer-policy"] == "same-origin"
    assert "unsafe" not in CONTENT_POLICY
    assert "http" not in CONTENT_POLICY
    assert "access-control-allow-origin" not in headers


def test_the_page_loads_nothing_from_elsewhere_and_has_no_script_or_style_in_it(client: TestClient) -> None:
    for path in ("/", "/page.css", "/page.js", "/cards.js", "/track.js", "/login"):
        text = client.get(path).text
        assert re.findall(r"(?:https?:)?//[a-z0-9]+\.[a-z]|@import|url\(", text) == []
    assert (
        re.findall(
            r"<style|style=|\bon\w+=|<script(?! src=\"/(?:page|cards|track).js\" defer></script>)", client.get("/").text
        )
        == []
    )


@pytest.mark.parametrize("path", ["/api/archive", "/api/search?clip=dog/1.mp4", "/media?id=dog/1.mp4", "/page.js"])
def test_without_the_token_nothing_is_said(closed: TestClient, path: str) -> None:
    assert closed.get(path).status_code == 401
    assert closed.get(path, headers={"authorization": f"Bearer {TOKEN}x"}).status_code == 401
    assert closed.get(path, headers={"authorization": f"Basic {TOKEN}"}).status_code == 401
    assert closed.get(path, headers={"cookie": f"avr_8000={TOKEN}"}).status_code == 401
    assert closed.get(path, headers={"authorization": f"Bearer {TOKEN}"}).status_code == 200


def test_a_browser_without_the_token_is_asked_for_it(closed: TestClient) -> None:
    done = closed.get("/")
    assert (done.status_code, done.headers["location"]) == (303, "/login")
    assert 'type="password"' in closed.get("/login").text


def test_who_sends_the_token_is_let_in_by_a_cookie_that_is_not_the_token(closed: TestClient) -> None:
    refused = closed.post("/login", data={"token": "a wrong one"})
    assert (refused.status_code, "set-cookie" in refused.headers) == (401, False)
    done = closed.post("/login", data={"token": TOKEN})
    assert (done.status_code, done.headers["location"]) == (303, "/")
    assert {"httponly", "samesite=lax"} <= set(done.headers["set-cookie"].lower().replace(" ", "").split(";"))
    assert TOKEN not in done.headers["set-cookie"]
    assert closed.get("/").status_code == 200


def test_a_form_that_is_too_long_is_not_read(closed: TestClient) -> None:
    assert closed.post("/login", content=b"token=" + b"a" * 10_000).status_code == 413


def test_an_address_that_others_reach_needs_a_token() -> None:
    with pytest.raises(ParamsError, match=r"--host 0\.0\.0\.0: others than this machine's users reach that address"):
        checked_door("0.0.0.0", None)
    with pytest.raises(ParamsError, match="expected a token in AVR_TOKEN or --token"):
        checked_door("192.0.2.1", None)
    with pytest.raises(ParamsError, match="the token has 5 characters; expected 16 or more"):
        checked_door("0.0.0.0", "short")


@pytest.mark.parametrize(
    ("host", "names"), [("0.0.0.0", []), ("::", []), ("192.0.2.1", ["192.0.2.1"]), ("2001:db8::1", ["[2001:db8::1]"])]
)
def test_the_names_of_a_server_are_its_address_and_those_of_this_machine(host: str, names: list[Any]) -> None:
    assert checked_door(host, TOKEN).hosts == ["localhost", "127.0.0.1", "[::1]", *names]


@pytest.mark.parametrize("path", ["/", "/page.css", "/page.js", "/login", "/api/archive", "/api/search?clip=dog/1.mp4"])
def test_what_can_be_got_can_be_asked_for_its_headers_alone(client: TestClient, path: str) -> None:
    got, asked = client.get(path), client.head(path)
    assert (asked.status_code, asked.content) == (got.status_code, b"") == (200, b"")
    assert asked.headers["content-type"] == got.headers["content-type"]
