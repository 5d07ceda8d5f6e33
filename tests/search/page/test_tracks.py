"""One track of a sent video as the query, through the real server: the answer is that to its sound alone."""

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.helpers.one_track import LEFT, RIGHT
from tests.helpers.served import RealPage, Served

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
PATIENCE_SECONDS = 300.0


@pytest.fixture(autouse=True)
def _nothing_is_kept(real_page: RealPage) -> Iterator[None]:
    yield
    assert [path for path in real_page.folder.glob("avr-serve-*/*") if path.is_file()] == []


def send(server: Served, content: bytes, **params: str) -> Any:  # noqa: ANN401 - what JSON holds
    address = f"{server.address}/api/search"
    return httpx.post(address, content=content, params=params, timeout=PATIENCE_SECONDS).json()


def scores(answer: Any) -> dict[str, float]:  # noqa: ANN401 - what JSON holds
    return {result["id"]: result["score"] for result in answer["results"]}


@pytest.mark.parametrize("track", [LEFT, RIGHT])
def test_the_answer_is_that_to_the_sound_of_the_track(track_server: Served, duet_project: Path, track: str) -> None:
    answer = send(track_server, (duet_project / "duet.mp4").read_bytes(), track=track)
    alone = send(track_server, base64.b64decode(answer["track"]["wav"]))
    assert scores(answer) == pytest.approx(scores(alone), abs=1e-6)
    assert len(alone["results"]) == 6
    assert answer["passed_over"] == alone["passed_over"] == []
    assert "track" not in alone


def test_without_a_track_all_is_as_before(track_server: Served, duet_project: Path) -> None:
    answer = send(track_server, (duet_project / "duet.mp4").read_bytes())
    assert "track" not in answer
    assert len(answer["results"]) == 6
