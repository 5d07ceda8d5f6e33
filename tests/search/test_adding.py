"""New clips of an index against the encoder's own vectors of their files, on real small files."""

import wave
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.encoder import Encoder
from pipeline.errors import DataError
from pipeline.search import adding
from pipeline.search.adding import NewLabels, add_files
from pipeline.search.index import Index
from pipeline.search.writing import build_index
from tests.helpers.project import write_video
from tests.helpers.search_run import SearchRun

pytestmark = pytest.mark.usefixtures("_elsewhere")


@pytest.fixture
def encoder(finished: SearchRun) -> Encoder:
    return finished.encoder()


@pytest.fixture
def index(finished: SearchRun, encoder: Encoder, tmp_path: Path) -> Index:
    build_index(encoder, finished.data, str(tmp_path / "index"))
    return Index.open(tmp_path / "index")


@pytest.fixture
def new(tmp_path: Path) -> Path:
    """A folder of a video, a sound, a picture, a file that is none of them, and one that is passed over."""
    folder = tmp_path / "new"
    write_video(folder / "dogs/1.mp4", 100)
    write_sound(folder / "dogs/bark.wav", 101)
    pixels = np.random.default_rng(102).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(folder / "still.png")
    (folder / "broken.mp4").write_bytes(b"no video")
    (folder / "notes.txt").write_text("passed over")
    return folder


def write_sound(path: Path, seed: int, seconds: float = 2.5) -> None:
    samples = np.random.default_rng(seed).integers(-9000, 9000, round(seconds * 16000), dtype=np.int16)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes(samples.tobytes())


def test_new_clips_have_the_vectors_that_the_encoder_gives_of_their_files(
    encoder: Encoder, index: Index, new: Path
) -> None:
    added = add_files(encoder, index.folder, [new], NewLabels(of_folders=True))
    assert (added.n_files, added.n_rows, added.n_known, added.n_unlabelled) == (3, 3, 0, 1)
    (reason,) = added.refused
    assert "broken.mp4" in reason
    assert len(index) == 48
    for clip_id, label in (("dogs/1.mp4", "dogs"), ("dogs/bark.wav", "dogs"), ("still.png", "")):
        row, expected = index.clip(clip_id), encoder.embed(new / clip_id)
        assert (row.label, row.split, index.file(row)) == (label, "", new / clip_id)
        for found, vector in ((row.audio, expected.audio), (row.visual, expected.visual)):
            assert (found is None) == (vector is None)
            if found is not None:
                np.testing.assert_allclose(found, vector, atol=1e-6)


@pytest.mark.slow
def test_what_is_there_is_not_added_again_whatever_it_is_called(encoder: Encoder, index: Index, new: Path) -> None:
    (new / "dogs/copy.mp4").write_bytes((new / "dogs/1.mp4").read_bytes())
    first = add_files(encoder, index.folder, [new])
    assert (first.n_files, first.n_known) == (3, 1)
    version = index.snapshot.version
    (new / "another.mp4").write_bytes((new / "dogs/1.mp4").read_bytes())
    again = add_files(encoder, index.folder, [new, new / "dogs/bark.wav"])
    assert (again.n_files, again.n_rows, again.n_known) == (0, 0, 6)
    assert index.snapshot.version == version


def test_a_clip_of_the_run_is_known_by_its_bytes(
    finished: SearchRun, encoder: Encoder, index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adding, "rows_of_files", None)  # nothing is embedded
    assert add_files(encoder, index.folder, [finished.videos]).n_known == 3


@pytest.mark.slow
def test_a_file_that_changed_takes_the_place_of_its_earlier_rows(encoder: Encoder, index: Index, new: Path) -> None:
    add_files(encoder, index.folder, [new])
    write_video(new / "dogs/1.mp4", 200)
    added = add_files(encoder, index.folder, [new])
    assert (added.n_files, len(index)) == (1, 48)
    np.testing.assert_allclose(index.clip("dogs/1.mp4").audio, encoder.embed_audio(new / "dogs/1.mp4"), atol=1e-6)


@pytest.mark.slow
def test_windows_of_new_clips_are_those_of_the_index(
    finished: SearchRun, encoder: Encoder, tmp_path: Path, new: Path
) -> None:
    build_index(encoder, finished.data, str(tmp_path / "index"), 1.0)
    add_files(encoder, str(tmp_path / "index"), [new / "dogs/1.mp4"], NewLabels("dog"))
    rows = Index.open(tmp_path / "index").rows("1.mp4")
    vectors, seconds = encoder.visual_vectors(new / "dogs/1.mp4")
    assert [row.start for row in rows] == [0.0, 1.0] == [float(np.floor(s)) for s in seconds]
    for row, vector in zip(rows, vectors, strict=True):
        np.testing.assert_allclose(row.visual, encoder.joint("visual", vector[None]), atol=1e-6)
        assert row.label == "dog"


def test_another_encoder_may_not_add(encoder: Encoder, index: Index, new: Path) -> None:
    encoder.fingerprint = "0" * 64
    with pytest.raises(DataError, match=r"encoder '.*'; expected '0+'"):
        add_files(encoder, index.folder, [new])


def test_a_place_that_is_not_there_and_a_folder_without_media_are_named(
    encoder: Encoder, index: Index, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=r"nowhere: no such file or folder; expected files, or folders of them"):
        add_files(encoder, index.folder, ["nowhere"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"empty: no file that ends in .mp4"):
        add_files(encoder, index.folder, [tmp_path / "empty"])


def test_names_that_a_terminal_would_obey_are_refused(encoder: Encoder, index: Index, tmp_path: Path) -> None:
    folder = tmp_path / "names"
    write_video(folder / "a\x1b[31m.mp4", 300)
    (folder / "b\udce9.mp4").write_bytes(b"latin-1")
    (folder / "pipe.mp4").symlink_to("/dev/zero")
    added = add_files(encoder, index.folder, [folder], NewLabels())
    assert added.n_files == 0
    assert sorted(reason.partition(";")[0].rpartition(" ")[2] for reason in added.refused)
    assert len(added.refused) == 3
    assert all(reason.isprintable() for reason in added.refused)
    with pytest.raises(DataError, match=r"label .* holds U\+001B"):
        adding.check_labels(NewLabels("\x1b"), encoder.config.limits)
