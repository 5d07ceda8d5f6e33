"""The command as a user starts it, with real networks: files of every kind, many at a time, and its end."""

import re
import signal
import socket
import time
import wave
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from tests.helpers.served import N_CLIPS, RealPage, Served, serving
from tests.helpers.synthetic import numbered_picture, write_clip

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
CASES = Path(__file__).parents[4] / "shared" / "cases" / "limits"
PATIENCE_SECONDS = 300.0  # for an answer, on a machine that may be busy: the networks are loaded with the first one


@pytest.fixture(scope="module")
def served(real_page: RealPage) -> Iterator[Served]:
    with serving(real_page.folder, real_page.index, real_page.encoder) as server:
        yield server


@pytest.fixture
def client(served: Served) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=served.address, timeout=PATIENCE_SECONDS) as client:
        yield client


@pytest.fixture(autouse=True)
def _nothing_is_kept_and_the_server_goes_on(served: Served, real_page: RealPage) -> Iterator[None]:
    yield
    assert uploads(real_page) == []
    assert httpx.get(served.address, timeout=PATIENCE_SECONDS).status_code == 200


def uploads(page: RealPage) -> list[Path]:
    """The files that users have sent, as far as they lie on the disk."""
    return [path for path in page.folder.glob("avr-serve-*/*") if path.is_file()]


def send(client: httpx.Client, content: bytes, **params: str | int) -> httpx.Response:
    return client.post("/api/search", content=content, params=params)


def problem(client: httpx.Client, content: bytes) -> tuple[int, str]:
    done = send(client, content)
    return done.status_code, done.json()["error"]


@pytest.mark.parametrize(("side", "find"), [("audio", "sound"), ("visual", "video")])
def test_a_file_of_the_archive_is_nearest_to_itself(
    client: httpx.Client, real_page: RealPage, side: str, find: str
) -> None:
    for number, clip in enumerate(real_page.clips):
        answer = send(client, clip.read_bytes(), side=side, find=find).json()
        assert answer["results"][0]["id"] == f"{number}.mp4"
        assert answer["results"][0]["score"] == pytest.approx(1, abs=1e-5)
        assert answer["results"][0]["is_right"] is None


def test_a_sound_alone_finds_videos_and_a_picture_alone_finds_sounds(client: httpx.Client, tmp_path: Path) -> None:
    with wave.open(str(tmp_path / "a.wav"), "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", ""))
        file.writeframes((np.sin(np.arange(32000) / 5) * 9000).astype("<i2").tobytes())
    answer = send(client, (tmp_path / "a.wav").read_bytes()).json()
    assert len(answer["results"]) == N_CLIPS
    Image.fromarray(numbered_picture(3, 96, 128)).save(tmp_path / "a.png")
    assert len(send(client, (tmp_path / "a.png").read_bytes()).json()["results"]) == N_CLIPS


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"no media at all", "no format that FFmpeg knows; expected a media file"),
        (b"\0" * 100_000, "no format that FFmpeg knows; expected a media file"),
        (b"#EXTM3U\n#EXTINF:9\nfile:///etc/passwd\n", "no format that FFmpeg knows; expected a media file"),
        (b"ffconcat version 1.0\nfile /etc/passwd\n", "no format that FFmpeg knows; expected a media file"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>", r"expected .+"),
        (b"PK\3\4" + b"\0" * 1000, "no format that FFmpeg knows; expected a media file"),
    ],
    ids=["text", "zeros", "playlist", "concat", "svg", "zip"],
)
def test_what_is_no_sound_and_no_picture_says_so(client: httpx.Client, content: bytes, said: str) -> None:
    status, error = problem(client, content)
    assert status == 422
    assert re.search(said, error)
    assert "avr-serve" not in error


def test_half_a_file_is_refused(client: httpx.Client, real_page: RealPage) -> None:
    content = real_page.clips[0].read_bytes()
    status, error = problem(client, content[: len(content) // 2])
    assert status == 422
    assert "expected" in error


def test_a_file_that_is_too_long_is_refused_by_its_length(client: httpx.Client, tmp_path: Path) -> None:
    silence = np.zeros((1, 8000 * 130), np.float32)
    clip = write_clip(tmp_path / "long.mp4", (), silence, sample_rate=8000)
    assert problem(client, clip.read_bytes()) == (422, "130 s of audio; expected at most limits.clip_seconds=120")


def test_a_picture_that_is_too_large_is_refused_before_it_is_decoded(client: httpx.Client, tmp_path: Path) -> None:
    Image.new("L", (4000, 4000)).save(tmp_path / "large.png")
    status, error = problem(client, (tmp_path / "large.png").read_bytes())
    assert (status, error) == (422, "1.6e+07 pixels a picture; expected at most limits.picture_pixels=10000000")


@pytest.mark.skipif(not CASES.is_dir(), reason="no shared folder with small files that ask for too much")
@pytest.mark.parametrize(
    ("name", "side"),
    [
        ("gap_1e4.mkv", "visual"),
        ("hang_1550_mj.avi", "visual"),
        ("sound_1hz_200kB.avi", "audio"),
        ("bomb.parquet", "both"),
        ("huge9.h5", "both"),
    ],
)
def test_a_small_file_that_asks_for_too_much_is_refused(client: httpx.Client, name: str, side: str) -> None:
    done = send(client, (CASES / name).read_bytes(), side=side)
    assert done.status_code == 422
    assert "expected" in done.json()["error"]


def test_a_file_that_is_too_large_is_refused_by_its_header(client: httpx.Client) -> None:
    done = client.post("/api/search", content=b"a" * 64_000_001)
    assert (done.status_code, done.headers["content-type"]) == (413, "application/json")


def test_fifty_files_and_clips_at_a_time_get_the_answers_that_they_get_alone(
    served: Served, real_page: RealPage
) -> None:
    def ask(number: int) -> Any:  # noqa: ANN401 - what JSON holds
        clip = number % N_CLIPS
        with httpx.Client(base_url=served.address, timeout=PATIENCE_SECONDS) as client:
            if number % 5:
                done = client.get("/api/search", params={"clip": f"{clip}.mp4", "side": "audio", "find": "sound"})
            else:
                done = send(client, real_page.clips[clip].read_bytes(), side="audio", find="sound")
            return done.json()["results"][0]

    with ThreadPoolExecutor(50) as threads:
        answers = list(threads.map(ask, range(50)))
    assert [answer["id"] for answer in answers] == [f"{number % N_CLIPS}.mp4" for number in range(50)]
    assert [answer["score"] for answer in answers] == pytest.approx([1.0] * 50, abs=1e-5)


@contextmanager
def begun_upload(address: str) -> Iterator[None]:
    """A file of which the first bytes are sent, and no more."""
    host, port = address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as connection:
        head = f"POST /api/search HTTP/1.1\r\nHost: {host}\r\nContent-Length: 1000\r\n\r\n"
        connection.sendall(head.encode() + b"a" * 10)
        yield


def test_a_client_that_leaves_in_the_middle_leaves_nothing_behind(served: Served, real_page: RealPage) -> None:
    with begun_upload(served.address):
        wait_until(lambda: len(uploads(real_page)) == 1)
    wait_until(lambda: uploads(real_page) == [])


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM], ids=lambda ending: ending.name)
@pytest.mark.parametrize("is_idle", [False, True], ids=["at its start", "idle"])
def test_a_server_that_ends_in_whatever_way_leaves_no_file_and_no_process(
    real_page: RealPage, tmp_path: Path, ending: signal.Signals, is_idle: bool
) -> None:
    with serving(tmp_path, real_page.index, real_page.encoder, "--workers", "1") as server:
        if is_idle:  # the worker has loaded its networks, and waits
            with httpx.Client(base_url=server.address, timeout=PATIENCE_SECONDS) as client:
                assert send(client, real_page.clips[0].read_bytes()).status_code == 200
        with begun_upload(server.address):
            wait_until(lambda: list(tmp_path.glob("avr-serve-*/*")) != [])
            server.process.send_signal(ending)
            wait_until(lambda: list(tmp_path.glob("avr-serve-*")) == [], PATIENCE_SECONDS)
        server.process.wait(PATIENCE_SECONDS)
    wait_until(lambda: processes_of(server) == [])


def processes_of(server: Served) -> list[int]:
    """The processes that have the server's folder for temporary files in their environment."""
    mark = f"TMPDIR={server.folder}\0".encode()
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if mark in (folder / "environ").read_bytes() and "Z" not in (folder / "stat").read_text().split()[2]:
                found.append(int(folder.name))
    return found


def wait_until(is_so: Callable[[], bool], seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.05)
