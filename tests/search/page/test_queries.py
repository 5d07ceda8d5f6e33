"""Queries by clips of the index, the archive's list, and files that are refused before they are decoded."""

import re
import resource
from collections.abc import AsyncIterator, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import anyio
import numpy as np
import pytest
from fastapi.testclient import TestClient

from pipeline.encoder import Encoder
from pipeline.search.index import Index
from pipeline.search.page.uploads import UploadBounds, UploadError, received
from tests.helpers.served import HOSTILE, page_client

SMALL = UploadBounds(n_bytes=1000)


@pytest.fixture
def client(index: Index, encoder: Encoder, tmp_path: Path) -> TestClient:
    return page_client(index, encoder, tmp_path / "uploads", SMALL)


def search(client: TestClient, **params: str | int) -> Any:  # noqa: ANN401 - what JSON holds
    return client.get("/api/search", params=params).json()


def cosine(index: Index, query: str, side: str, result: str, modality: str) -> float:
    """The score by NumPy alone."""
    one, other = getattr(index.clip(query), side), getattr(index.clip(result), modality)
    return float(np.dot(one, other) / np.linalg.norm(one) / np.linalg.norm(other))


@pytest.mark.parametrize(("side", "find", "modality"), [("audio", "video", "visual"), ("visual", "sound", "audio")])
def test_more_like_this_finds_the_other_modality(
    client: TestClient, index: Index, side: str, find: str, modality: str
) -> None:
    answer = search(client, clip="cat/1.mp4", side=side, find=find)
    assert (answer["n_rows"], answer["model"], answer["query_label"]) == (5, "cca", "Cat")
    scores = {result["id"]: result["score"] for result in answer["results"]}
    expected = {result: cosine(index, "cat/1.mp4", side, result, modality) for result in scores}
    assert scores == pytest.approx(expected, abs=1e-6)
    assert list(scores.values()) == sorted(scores.values(), reverse=True)
    assert [result["rank"] for result in answer["results"]] == [1, 2, 3, 4, 5]


def test_a_result_is_right_or_wrong_where_both_labels_are_known(client: TestClient) -> None:
    results = search(client, clip="dog/1.mp4")["results"]
    marks = {result["id"]: (result["is_right"], result["is_query"]) for result in results}
    assert marks == {
        "dog/1.mp4": (True, True),
        "dog/2.mp4": (True, False),
        "cat/1.mp4": (False, False),
        HOSTILE: (False, False),
        "unknown": (None, False),
    }
    assert {result["is_right"] for result in search(client, clip="unknown")["results"]} == {None}


def test_filters_leave_out_rows(client: TestClient) -> None:
    def found(**filters: str) -> set[str]:
        return {result["id"] for result in search(client, clip="dog/1.mp4", **filters)["results"]}

    assert found(label="Dog") == {"dog/1.mp4", "dog/2.mp4"}
    assert found(where="label = 'Cat' OR clip_id = 'unknown'") == {"cat/1.mp4", "unknown"}
    assert found(label="Dog", where="label = 'Cat' OR clip_id LIKE '%2%'") == {"dog/2.mp4"}
    assert found(split="train") == set()
    assert found(label="Dog' OR 'a' = 'a") == set()
    assert len(search(client, clip="dog/1.mp4", top=2)["results"]) == 2


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"clip": "none"}, "clip 'none': not in "),
        ({"clip": "dog/1.mp4", "where": "label = "}, "--where 'label = '"),
        ({"clip": "dog/1.mp4", "label": "Dog", "where": "DROP TABLE clips"}, "--where "),
        ({"clip": "dog/1.mp4", "where": "a" * 2000}, "where: String should have at most 1000 characters"),
        ({"clip": "dog/1.mp4", "top": 51}, "top: Input should be less than or equal to 50"),
        ({"clip": "dog/1.mp4", "find": "smell"}, "find: Input should be 'video', 'sound' or 'clip'"),
        ({"clip": "\x1b[31m\u202e"}, r"clip '\x1b[31m\u202e': not in "),
        ({}, "clip: Field required"),
    ],
    ids=str,
)
def test_a_query_that_cannot_be_answered_says_why_in_one_line(
    client: TestClient, params: dict[str, Any], said: str
) -> None:
    done = client.get("/api/search", params=params)
    assert done.status_code == 422
    assert done.json()["error"].startswith(said)
    assert search(client, clip="dog/1.mp4")["n_rows"] == 5


def test_the_archive_lists_clips_by_name_and_filters_them(client: TestClient) -> None:
    def listed(**params: str | int) -> list[str]:
        return [clip["id"] for clip in client.get("/api/archive", params=params).json()["clips"]]

    assert listed() == sorted(["dog/1.mp4", "dog/2.mp4", "cat/1.mp4", HOSTILE, "unknown"])
    assert listed(start=4) == ["unknown"]
    assert listed(text="DOG") == ["dog/1.mp4", "dog/2.mp4"]
    assert listed(text="1.mp4", label="Cat") == ["cat/1.mp4"]
    assert listed(where="label = ''") == ["unknown"]
    assert client.get("/api/archive", params={"text": "dog"}).json()["n_clips"] == 2


def test_hostile_names_are_text_without_control_characters_and_their_ids_still_work(client: TestClient) -> None:
    (shown,) = (clip for clip in client.get("/api/archive").json()["clips"] if clip["id"] == HOSTILE)
    assert shown["name"] == "<script>document.title='owned'</script>\\x1b[31m\\u202egpj.mp4"
    assert search(client, clip=HOSTILE)["query_label"] == "<b>Bell</b>"
    page = client.get("/").text
    assert "<b>Bell" not in page
    assert "&lt;b&gt;Bell&lt;/b&gt;" in page


def test_fifty_queries_at_a_time_get_the_answers_that_they_get_alone(client: TestClient) -> None:
    clips = ["dog/1.mp4", "dog/2.mp4", "cat/1.mp4", HOSTILE, "unknown"]
    alone = {clip: search(client, clip=clip)["results"] for clip in clips}
    with ThreadPoolExecutor(50) as threads:
        answers = list(threads.map(lambda number: search(client, clip=clips[number % 5])["results"], range(50)))
    assert answers == [alone[clips[number % 5]] for number in range(50)]


def test_an_encoder_without_networks_says_that_it_takes_no_files(client: TestClient, tmp_path: Path) -> None:
    done = client.post("/api/search", content=b"a sound")
    assert done.status_code == 422
    assert re.search("trained on imported features", done.json()["error"])
    assert list((tmp_path / "uploads").iterdir()) == []


def test_a_file_that_is_too_large_or_empty_is_refused(client: TestClient, tmp_path: Path) -> None:
    done = client.post("/api/search", content=b"a" * 1001)
    assert (done.status_code, done.json()) == (413, {"error": "the file has 1001 bytes or more; expected at most 1000"})
    assert client.post("/api/search", content=b"").status_code == 422
    assert list((tmp_path / "uploads").iterdir()) == []


async def blocks_of(parts: Iterable[bytes], seconds: float = 0.0) -> AsyncIterator[bytes]:
    for part in parts:
        await anyio.sleep(seconds)
        yield part


def receive(
    folder: Path, blocks: AsyncIterator[bytes], stated: str | None = None, bounds: UploadBounds = SMALL
) -> bytes:
    """What a sent file holds while it is used; nothing of it is left behind."""

    async def read() -> bytes:
        async with received(blocks, stated, folder, bounds) as path:
            return path.read_bytes()

    try:
        return anyio.run(read)
    finally:
        assert list(folder.iterdir()) == []


def test_a_file_comes_in_whole(tmp_path: Path) -> None:
    assert receive(tmp_path, blocks_of([b"a" * 500, b"", b"b" * 500])) == b"a" * 500 + b"b" * 500


def test_more_bytes_than_stated_are_counted(tmp_path: Path) -> None:
    endless = (b"a" * 100 for _ in range(10**9))
    with pytest.raises(UploadError, match="the file has 1100 bytes or more; expected at most 1000"):
        receive(tmp_path, blocks_of(endless), stated="10")


def test_a_file_that_states_too_many_bytes_is_not_read(tmp_path: Path) -> None:
    with pytest.raises(UploadError, match="the file has 5000 bytes or more"):
        receive(tmp_path, blocks_of([b"a"]), stated="5000")


def test_a_file_that_drips_is_given_up(tmp_path: Path) -> None:
    with pytest.raises(UploadError, match=r"the file came in too slowly; expected all of it within 0\.3 s") as caught:
        receive(tmp_path, blocks_of([b"a"] * 1000, seconds=0.02), bounds=SMALL._replace(receive_seconds=0.3))
    assert caught.value.status == 408


def test_a_file_that_has_no_room_on_the_server_is_refused(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (500, hard))
    try:
        with pytest.raises(
            UploadError, match=r"the server cannot keep the file \(File too large\); expected room there"
        ) as caught:
            receive(tmp_path, blocks_of([b"a" * 900]))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert caught.value.status == 507


def test_a_connection_that_breaks_leaves_nothing_behind(tmp_path: Path) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"a"
        raise ConnectionError("gone")

    with pytest.raises(ConnectionError):
        receive(tmp_path, broken())


def test_a_form_is_told_how_a_file_is_sent(client: TestClient, tmp_path: Path) -> None:
    done = client.post("/api/search", files={"file": ("a.wav", b"RIFF")})
    assert done.status_code == 415
    assert (
        "a form; expected the file itself as the body, as `curl --data-binary @FILE` sends it" in done.json()["error"]
    )
    assert list((tmp_path / "uploads").iterdir()) == []
