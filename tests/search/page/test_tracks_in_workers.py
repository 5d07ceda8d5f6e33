"""Tracks of sent videos in the processes of the page: the sound that `avr separate` writes, and what is refused.

The encoder has no networks, so that no answer is found here.
"""

import contextlib
import io
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import av
import httpx
import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image
from scipy.io import wavfile

from pipeline.encoder import Encoder
from pipeline.search.page.tracks import OneTrack, compares_sources, parse_box
from pipeline.search.page.uploads import UploadBounds
from pipeline.search.page.worker import EncoderElsewhere
from pipeline.separation.__main__ import separate
from pipeline.video import write_mp4
from tests.helpers.one_track import HEIGHT, LEFT, RIGHT, WIDTH, duet_pictures, write_duet
from tests.helpers.served import make_row, page_client, write_index
from tests.helpers.synthetic import numbered_picture, sine
from tests.helpers.tracks import standing, write_tracks

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
SMALLEST_STEP = 1 / 32768
Writer: TypeAlias = Callable[[Path], Path]


@pytest.fixture(scope="module")
def workers(duet_project: Path, encoder: Encoder) -> Iterator[dict[str, EncoderElsewhere]]:
    """A process for each task."""
    with contextlib.ExitStack() as opened:
        tasks = {task: duet_project / "separation" / task for task in ("speech", "music")}
        yield {
            task: opened.enter_context(contextlib.closing(EncoderElsewhere(encoder.folder, UploadBounds(), 1, folder)))
            for task, folder in tasks.items()
        }


@pytest.fixture
def speech(workers: dict[str, EncoderElsewhere], duet_project: Path, tmp_path: Path) -> Iterator[TestClient]:
    yield from client_of("speech", workers, duet_project, tmp_path)


@pytest.fixture
def music(workers: dict[str, EncoderElsewhere], duet_project: Path, tmp_path: Path) -> Iterator[TestClient]:
    yield from client_of("music", workers, duet_project, tmp_path)


def client_of(task: str, workers: dict[str, EncoderElsewhere], project: Path, folder: Path) -> Iterator[TestClient]:
    """The app of a page that has a task's separator; nothing of what it is sent may stay."""
    encoder, uploads = workers[task], project / "uploads"
    row = make_row(folder, "0.mp4", "Dog", [1.0] * encoder.width, [1.0] * encoder.width)
    one_track = OneTrack(encoder.track_wav, compares_sources(project / "separation" / task))
    yield page_client(write_index(folder / "index", encoder, folder, [row]), encoder, uploads, one_track=one_track)
    assert list(uploads.iterdir()) == []


def send(client: TestClient, content: bytes, track: str) -> httpx.Response:
    return client.post("/api/search", content=content, params={"track": track})


@pytest.mark.parametrize(("task", "box", "name"), [("speech", RIGHT, "right"), ("music", LEFT, "left")])
def test_the_sound_is_what_avr_separate_writes(
    workers: dict[str, EncoderElsewhere], duet_project: Path, task: str, box: str, name: str
) -> None:
    tracks = [*standing("left", 0, WIDTH // 2, HEIGHT, 3), *standing("right", WIDTH // 2, WIDTH // 2, HEIGHT, 3)]
    apart = duet_project / f"apart-{task}"
    with contextlib.chdir(duet_project):
        separate(Path("duet.mp4"), out=apart, tracks=write_tracks(duet_project / "t.csv", tracks), task=task)
    expected = {side: wavfile.read(apart / f"{side}.wav") for side in ("left", "right")}
    rate, sound = wavfile.read(io.BytesIO(workers[task].track_wav(duet_project / "duet.mp4", parse_box(box)).wav))
    assert (rate, sound.dtype) == (expected[name][0], np.int16)
    own = np.clip(expected[name][1], -1, 1 - SMALLEST_STEP)
    np.testing.assert_allclose(sound * SMALLEST_STEP, own, rtol=0, atol=SMALLEST_STEP)
    assert np.abs(expected["left"][1] - expected["right"][1]).max() > 10 * SMALLEST_STEP


def test_a_page_with_a_separator_has_the_control(speech: TestClient, music: TestClient) -> None:
    assert '<option value="0,0,1,1">the whole picture</option>' in speech.get("/").text
    page = music.get("/").text
    assert 'id="track"' in page
    assert "the whole picture" not in page  # which has nothing beside it to be compared with


@pytest.mark.parametrize(
    ("track", "said"),
    [
        ("0,0,1", "track=0,0,1: not four numbers; expected left,top,right,bottom as fractions of the picture"),
        ("a,0,1,1", "track=a,0,1,1: not four numbers; expected left,top,right,bottom"),
        ("nan,0,1,1", "track=nan,0,1,1: not four finite numbers; expected left,top,right,bottom"),
        ("0.5,0,0.5,1", "track=0.5,0,0.5,1: no box within the picture; expected left,top,right,bottom"),
        ("-0.1,0,1,1", "track=-0.1,0,1,1: no box within the picture; expected left,top,right,bottom"),
        ("0,0,1,1.1", "track=0,0,1,1.1: no box within the picture; expected left,top,right,bottom"),
        ("0" * 201, "track: String should have at most 200 characters"),
        ("0,0,0.001,1", "track 'box': 0.13 x 64 of 128 x 64 pixels; expected at least 1 x 1 pixel"),
    ],
)
def test_what_is_no_box_says_so(speech: TestClient, duet_project: Path, track: str, said: str) -> None:
    done = send(speech, (duet_project / "duet.mp4").read_bytes(), track=track)
    assert done.status_code == 422
    assert done.json()["error"].startswith(said)


def test_a_box_that_leaves_nothing_to_compare_with_says_so(music: TestClient, duet_project: Path) -> None:
    done = send(music, (duet_project / "duet.mp4").read_bytes(), track="0,0,1,1")
    assert done.status_code == 422
    said = "the box is the whole picture; expected a part beside it, which this separator compares it with"
    assert done.json() == {"error": said}


def soundless(path: Path) -> Path:
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for picture in duet_pictures():
            file.mux(stream.encode(av.VideoFrame.from_ndarray(picture)))
        file.mux(stream.encode(None))
    return path


def silent(path: Path) -> Path:
    write_mp4(path, duet_pictures(), 25, np.zeros(48000, np.float32), 16000)
    return path


def sound_alone(path: Path) -> Path:
    wavfile.write(path, 16000, sine(300, 0.5, 2.0, 16000))
    return path


def still(path: Path) -> Path:
    Image.fromarray(numbered_picture(3, HEIGHT, WIDTH)).save(path, "PNG")
    return path


def long(path: Path) -> Path:
    write_mp4(path, [np.zeros((32, 32, 3), np.uint8)] * 130, 1, sine(300, 0.5, 130.0, 8000), 8000)
    return path


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (soundless, "no audio in the file; expected an audio stream"),
        (silent, "expected sound above sounds.silence_db=-60"),
        (sound_alone, "no video in the file; expected a video stream with a key frame"),
        (still, "; expected "),
        (lambda path: write_duet(path, 10), "10.00 pictures a second; expected at least 15"),
        (long, "expected at most limits.clip_seconds=120"),
    ],
    ids=["soundless", "silent", "sound alone", "still", "slow", "long"],
)
def test_a_file_that_cannot_be_taken_apart_says_why(
    speech: TestClient, tmp_path: Path, make: Writer, said: str
) -> None:
    done = send(speech, make(tmp_path / "a.mp4").read_bytes(), track=LEFT)
    assert done.status_code == 422
    assert re.search(re.escape(said), done.json()["error"])
    assert "avr-serve" not in done.json()["error"]
