"""What the tests of the page share: a few clips, an index of them, and a film that is taken apart."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.encoder import Encoder
from pipeline.search.index import Index
from tests.helpers.one_track import serving_task, write_duet_project
from tests.helpers.served import (
    HOSTILE,
    RealPage,
    Served,
    encoder_without_networks,
    make_real_page,
    make_row,
    write_index,
    write_numbered_clip,
)


@pytest.fixture(scope="session")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    """An encoder without networks: whoever asks with clips of the index needs none."""
    return encoder_without_networks(tmp_path_factory.mktemp("encoder") / "run")


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    """A folder with a clip, and a clip whose name is an attack."""
    write_numbered_clip(tmp_path / "videos" / "dog" / "1.mp4", 1)
    (tmp_path / "videos" / HOSTILE.replace("/", "_")).write_bytes(b"no video")
    return tmp_path / "videos"


@pytest.fixture
def index(tmp_path: Path, encoder: Encoder, videos: Path) -> Index:
    """Five clips, of which one has a file."""

    def direction(number: int) -> list[float]:
        return [float(number == place) + 0.1 for place in range(encoder.width)]

    labels = {"dog/1.mp4": "Dog", "dog/2.mp4": "Dog", "cat/1.mp4": "Cat", HOSTILE: "<b>Bell</b>", "unknown": ""}
    rows = [
        make_row(videos, clip_id, label, direction(number), direction(number + 1))
        for number, (clip_id, label) in enumerate(labels.items())
    ]
    return write_index(tmp_path / "index", encoder, videos, rows)


@pytest.fixture(scope="session")
def real_page(tmp_path_factory: pytest.TempPathFactory) -> RealPage:
    """A few clips, and an index of what real networks, with random weights, make of them."""
    return make_real_page(tmp_path_factory.mktemp("real"))


@pytest.fixture(scope="session")
def duet_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project in which both tasks have a separator, with duet.mp4."""
    return write_duet_project(tmp_path_factory.mktemp("tracks") / "project")


@pytest.fixture(scope="module")
def track_server(real_page: RealPage, duet_project: Path) -> Iterator[Served]:
    """A server that takes one track of a sent film by itself."""
    with serving_task(real_page, duet_project, "speech") as server:
        yield server
