"""Many files at once: each gets what it gets alone, a refused one costs itself, and what is finished is not redone."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.io import wavfile

from pipeline.encoder import Encoder
from pipeline.encoder.batch import EncoderInWorkers, encode_files
from pipeline.errors import ClipError
from tests.encoder.test_encoder import made_in
from tests.helpers.encoders import MadeEncoder, with_plain_networks
from tests.helpers.media import Sight, write_media
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
    return made.load()


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
            expected = np.full(encoder.width, np.nan) if alone is None else alone
            np.testing.assert_allclose(row, expected, atol=1e-6, rtol=0)
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


def test_an_encoder_in_workers_gives_the_vectors_of_its_own_process_and_computes_a_file_once(
    encoder: Encoder, files: Path
) -> None:
    elsewhere = EncoderInWorkers(encoder.folder, encoder.config, encoder.seed)
    networks = with_plain_networks(elsewhere)
    with_plain_networks(encoder)
    for modality in ("audio", "visual", "audio"):
        for found, expected in zip(
            elsewhere.file_vectors(modality, files / "both.mp4"),
            encoder.file_vectors(modality, files / "both.mp4"),
            strict=True,
        ):
            np.testing.assert_allclose(found, expected, atol=1e-5, rtol=1e-5)
    assert [network.n_embedded for network in networks] == [1, 1]
    for name, kind in (("text.mp4", "not_media"), ("half.png", "undecodable")):
        with pytest.raises(ClipError) as caught:
            elsewhere.file_vectors("visual", files / name)
        assert caught.value.kind == kind
    with pytest.raises(FileNotFoundError):
        elsewhere.file_vectors("audio", files / "none.mp4")


def test_an_encoder_in_workers_kills_a_decoder_that_takes_too_long(encoder: Encoder, tmp_path: Path) -> None:
    hasty = encoder.config.model_copy(update={"clip_timeout_seconds": 1e-6})
    elsewhere = EncoderInWorkers(encoder.folder, hasty, encoder.seed)
    with_plain_networks(elsewhere)
    long = write_media(tmp_path / "long.mp4", Sight(times=tuple(k / 100 for k in range(5000))))
    with pytest.raises(ClipError) as caught:
        elsewhere.file_vectors("visual", long)
    assert caught.value.kind == "timeout"
