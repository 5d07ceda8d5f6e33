"""Servers of tests: an index of a few clips, an encoder, and the page that they are behind."""

import contextlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from fastapi.testclient import TestClient

from pipeline.encoder import Encoder
from pipeline.search.index import Index
from pipeline.search.page.access import Door, checked_door
from pipeline.search.page.app import make_app
from pipeline.search.page.queries import Service
from pipeline.search.page.tracks import OneTrack
from pipeline.search.page.uploads import UploadBounds
from pipeline.search.query import Searcher
from pipeline.search.rows import IndexFacts, IndexRow, to_table
from pipeline.search.store import overwrite
from tests.helpers.encoders import make_encoder
from tests.helpers.project import ROOT
from tests.helpers.random_networks import random_state
from tests.helpers.synthetic import numbered_picture, sine, write_clip

AVR = Path(sys.executable).with_name("avr")
PORT = 8000
SECONDS = 3.0
N_CLIPS, START = 6, 1.5
HOSTILE = "<script>document.title='owned'</script>\x1b[31m\u202egpj.mp4"


def write_numbered_clip(path: Path, number: int) -> Path:
    """Write a clip of three seconds: one picture and one tone, both of its number alone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pictures = [numbered_picture(number, 96, 128)] * 30
    sound = sine(200.0 * (number + 1), 0.4, SECONDS, 44100)[np.newaxis]
    return write_clip(path, pictures, sound, frames_per_second=10)


def make_row(
    root: Path, clip_id: str, label: str, audio: Sequence[float], visual: Sequence[float], start: float = 0.0
) -> IndexRow:
    """A row of a file that is called as its clip, with vectors as given."""
    sides = (np.array(side, np.float32) for side in (audio, visual))
    return IndexRow(clip_id, clip_id, str(root), "", start, SECONDS, label, "test", *sides)


def write_index(folder: Path, encoder: Encoder, root: Path, rows: Sequence[IndexRow]) -> Index:
    """Make an index of these rows."""
    facts = IndexFacts(encoder=encoder.fingerprint, model=encoder.model, width=encoder.width, root=str(root))
    overwrite(str(folder), to_table(rows, facts))
    return Index.open(folder)


def encoder_without_networks(folder: Path) -> Encoder:
    """An encoder of imported features: its model is real, and no file can be embedded."""
    folder.mkdir()
    with contextlib.chdir(folder):
        return make_encoder(folder, imported=True).load()


def encoder_with_networks(folder: Path) -> Encoder:
    """An encoder whose networks have the random weights of seed 0, copied into its folder."""
    from safetensors.torch import save_file

    from pipeline.weights import state_sha256

    folder.mkdir()
    with contextlib.chdir(folder):
        made = make_encoder(folder).folder
    config = json.loads((made / "config.json").read_text())
    (made / "weights").mkdir()
    for network in config["networks"].values():
        state = random_state(network["name"])
        network["facts"]["sha256"] = state_sha256(state)
        save_file(state, made / "weights" / f"{network['name']}.safetensors")
    (made / "config.json").write_text(json.dumps(config))
    return Encoder.load(made)


class RealPage(NamedTuple):
    """What a server with real networks is started on.

    Attributes:
        folder: for its files while it runs.
        index: folder of the index, whose clips are 0.mp4 and so on, of two classes; one begins at START.
        encoder: folder of the encoder.
        clips: their files.
    """

    folder: Path
    index: Path
    encoder: Path
    clips: list[Path]


def make_real_page(folder: Path) -> RealPage:
    """Make clips, an encoder and the index of what it makes of them."""
    encoder = encoder_with_networks(folder / "run")
    clips = [write_numbered_clip(folder / "videos" / f"{number}.mp4", number) for number in range(N_CLIPS)]
    rows = []
    for number, clip in enumerate(clips):
        audio, visual = encoder.embed(clip)
        assert audio is not None
        assert visual is not None
        start = START if number == N_CLIPS - 1 else 0.0
        sides = audio.tolist(), visual.tolist()
        rows.append(make_row(clip.parent, clip.name, ("Dog", "Cat")[number % 2], *sides, start))
    write_index(folder / "index", encoder, folder / "videos", rows)
    return RealPage(folder, folder / "index", encoder.folder, clips)


def page_client(
    index: Index,
    encoder: Encoder,
    uploads: Path,
    bounds: UploadBounds | None = None,
    door: Door | None = None,
    one_track: OneTrack | None = None,
) -> TestClient:
    """A browser's side of the app, without a browser and a port."""
    uploads.mkdir(exist_ok=True)
    service = Service(Searcher(index, encoder), uploads, bounds or UploadBounds(), one_track)
    app = make_app(service, door or checked_door("127.0.0.1", None), PORT)
    return TestClient(app, base_url=f"http://localhost:{PORT}", raise_server_exceptions=False, follow_redirects=False)


class Served:
    """A server that was started as a user starts it.

    Args:
        process: of the command.
        address: where it listens.
        folder: for its files while it runs.
    """

    def __init__(self, process: "subprocess.Popen[str]", address: str, folder: Path) -> None:
        self.process, self.address, self.folder = process, address, folder


@contextlib.contextmanager
def serving(folder: Path, index: Path, encoder: Path, *words: str, **env: str) -> Iterator[Served]:
    """Start ``avr serve`` on a free port of this machine, and end it behind the block."""
    command = [str(AVR), "serve", "--index", str(index), "--encoder", str(encoder), "--port", "0", *words]
    process = subprocess.Popen(
        command,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(folder), **env},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.match(r"(http://\S+) serves ", line)
        assert found, line + process.communicate(timeout=60)[0]
        yield Served(process, found[1], folder)
    finally:
        process.terminate()
        process.wait(timeout=60)
