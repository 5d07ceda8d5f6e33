"""Many files at once: each gets what it gets alone, a refused one costs itself, and what is finished is not redone."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.io import wavfile

from pipeline.encoder import Encoder
from pipeline.encoder.batch import encode_files
from tests.encoder.test_encoder import made_in
from tests.helpers.encoders import MadeEncoder, with_plain_networks
from tests.helpers.project import write_video
from tests.helpers.synthetic import sine

pytestmark = pytest.mark.slow  # workers load their libraries for seconds


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> MadeEncoder:
    return made_in(tmp_path_factory.mktemp("run"), "cca")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("files")
    write_video(folder / "both.mp4", 0)
    wavfile.write(folder / "sound.wav", 16000, sine(440, 0.5, 2.0, 16000))
    wavfile.write(folder / "short.wav", 16000, sine(440, 0.5, 0.5, 16000))
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (80, 90, 3), dtype=np.uint8)).save(folder / "still.png")
    (folder / "text.mp4").write_text("no media")
    (folder / "half.png").write_bytes((folder / "still.png").read_bytes()[:5000])
    return folder


@pytest.fixture
def encoder(made: MadeEncoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Encoder]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AVR_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("AVR_WORKERS", "2")
    return made.load()  # type: ignore[return-value]


def test_files_get_what_each_of_them_gets_alone_and_are_computed_once(
    encoder: Encoder, files: Path, tmp_path: Path
) -> None:
    networks = with_plain_networks(encoder)
    paths = [files / name for name in ("still.png", "both.mp4", "text.mp4", "sound.wav", "both.mp4", "none.mp4")]
    paths += [files / name for name in ("short.wav", "half.png")]
    vectors = encode_files(encoder, paths)
    assert [Path(path).name for path in vectors.paths] == ["still.png", "both.mp4", "sound.wav"]
    assert vectors.has("audio").tolist() == [False, True, True]
    assert vectors.has("visual").tolist() == [True, True, False]
    for place, path in enumerate(vectors.paths):
        audio, visual = encoder.embed(path)
        for row, alone in ((vectors.audio[place], audio), (vectors.visual[place], visual)):
            np.testing.assert_array_equal(row, np.full(encoder.width, np.nan) if alone is None else alone)
    refused = {(Path(row.clip_id).name, row.kind) for row in vectors.refused}
    assert refused == {
        ("text.mp4", "not_media"),
        ("none.mp4", "unreadable"),
        ("short.wav", "too_short"),
        ("half.png", "undecodable"),
    }
    assert len(vectors.refused) == len(refused)
    assert all("expected" in row.reason for row in vectors.refused)
    n_before = [network.n_embedded for network in networks]
    again = encode_files(encoder, paths)
    assert [network.n_embedded for network in networks] == n_before
    np.testing.assert_array_equal(again.audio, vectors.audio)
    assert again.refused == vectors.refused
    for entry in (tmp_path / "cache" / "clips" / "logmel").glob("*/*.safetensors"):
        data = bytearray(entry.read_bytes())
        data[-1] ^= 1  # of an array, which only reading it all shows
        entry.write_bytes(data)
    np.testing.assert_array_equal(encode_files(encoder, paths).audio, vectors.audio)


def test_no_usable_file_gives_no_row(encoder: Encoder, files: Path) -> None:
    with_plain_networks(encoder)
    vectors = encode_files(encoder, [files / "text.mp4"])
    assert (vectors.paths, vectors.audio.shape, vectors.visual.shape) == ([], (0, encoder.width), (0, encoder.width))
    assert encode_files(encoder, []).paths == []


def test_a_name_that_no_table_can_hold_is_refused(encoder: Encoder, files: Path, tmp_path: Path) -> None:
    with_plain_networks(encoder)
    vectors = encode_files(encoder, [tmp_path / "bad\udcff.wav"])
    [row] = vectors.refused
    assert (row.kind, row.clip_id.isprintable()) == ("bad_name", True)
