"""The rows of a finished run against what its stages have written, and against slices of it."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.encoder import Encoder
from pipeline.errors import DataError
from pipeline.formats.embeddings import EmbeddedClips
from pipeline.network_parts.base import Modality
from pipeline.search.build import read_run, rows_of_run
from pipeline.search.index import Index
from pipeline.search.rows import MODALITIES, IndexRow
from pipeline.search.writing import add_rows, build_index
from tests.helpers.search_run import HOP_SECONDS, SearchRun, arrays_of, make_run

pytestmark = pytest.mark.usefixtures("_elsewhere")


def rows_of(run: SearchRun, window_seconds: float | None = None) -> list[IndexRow]:
    encoder = run.encoder()
    return [row for rows in rows_of_run(encoder, read_run(encoder, run.data), window_seconds) for row in rows]


def unit(vector: "np.ndarray[tuple[int], np.dtype[np.float32]]") -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    exact = vector.astype(np.float64)
    return np.asarray(exact / np.linalg.norm(exact))


@pytest.mark.parametrize("modality", MODALITIES)
def test_a_whole_clip_has_the_embedding_of_the_stage(finished: SearchRun, modality: Modality) -> None:
    clips = EmbeddedClips.load(finished.data / "embeddings/cca.npz")
    rows = {row.clip_id: row for row in rows_of(finished)}
    assert rows.keys() == set(clips.clip_ids)
    for place, clip_id in enumerate(clips.clip_ids):
        row = rows[clip_id]
        np.testing.assert_allclose(unit(getattr(row, modality)), unit(getattr(clips, modality)[0, place]), atol=1e-6)
        assert (row.label, row.split) == (clips.classes[clips.labels[place]], clips.splits[place])


def test_a_clip_that_was_not_embedded_has_the_side_that_its_network_made(finished: SearchRun, tmp_path: Path) -> None:
    encoder = finished.encoder()
    run = read_run(encoder, finished.data)
    (row,) = [
        row for rows in rows_of_run(encoder, run._replace(embedded=None)) for row in rows if row.clip_id == "clip 7"
    ]
    vectors = arrays_of(finished.made, "visual", "clip 7")["embeddings"]
    assert row.audio is None
    np.testing.assert_allclose(row.visual, encoder.joint("visual", vectors), atol=1e-6)
    index = Index.open(built(encoder, finished, tmp_path / "index"))
    assert index.root == finished.videos


def built(encoder: Encoder, run: SearchRun, folder: Path, window_seconds: float | None = None) -> str:
    build_index(encoder, run.data, str(folder), window_seconds)
    return str(folder)


@pytest.mark.parametrize("modality", MODALITIES)
def test_a_window_is_the_joint_vector_of_its_slice(finished: SearchRun, modality: Modality) -> None:
    encoder, window = finished.encoder(), 2.0
    rows = rows_of(finished, window)
    for number in (0, 3, 7, 42):
        clip_id = f"clip {number}"
        n = 1 + number % 4
        middles = (np.arange(n) + 0.5) * (HOP_SECONDS if modality == "audio" else 1.0)
        if n == 1 and modality == "audio":
            middles = np.array([0.5])  # a lone sound counts as a second
        for row in [row for row in rows if row.clip_id == clip_id]:
            inside = (middles >= row.start) & (middles < row.start + window)
            found = getattr(row, modality)
            if (clip_id, modality) == ("clip 7", "audio") or not inside.any():
                assert found is None
            else:
                vectors = arrays_of(finished.made, modality, clip_id)["embeddings"][inside]
                np.testing.assert_allclose(found, encoder.joint(modality, vectors), atol=1e-6)


def test_an_index_of_a_run_lasts_and_is_built_anew_in_one_step(finished: SearchRun, tmp_path: Path) -> None:
    encoder, folder = finished.encoder(), str(tmp_path / "index")
    first = build_index(encoder, finished.data, folder)
    assert (first.n_rows, first.n_clips, first.n_gone) == (45, 45, 0)
    index = Index.open(folder)
    added = index.clip("clip 1")._replace(clip_id="later", root="/later", sha256="d" * 64)
    add_rows(folder, index.facts, [added])
    again = build_index(encoder, finished.data, folder, 2.0)
    assert again.n_rows == len(index) > again.n_clips == 45
    assert again.n_gone == 1
    assert index.facts.window_seconds == 2.0
    assert [row.start for row in index.rows("clip 3")] == [0.0, 2.0]


def test_the_encoder_of_another_run_is_refused(
    finished: SearchRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = finished.encoder()
    own = encoder.joint
    monkeypatch.setattr(encoder, "joint", lambda modality, vectors: -own(modality, vectors))
    with pytest.raises(DataError, match=r"cca.npz: clip 'clip 0' is .* off what .*; expected the encoder of this run"):
        build_index(encoder, finished.data, str(tmp_path / "index"))
    assert not (tmp_path / "index").exists()


def test_a_run_that_has_not_ended_is_refused(finished: SearchRun, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"clips.csv: missing; expected `dvc repro dataset`"):
        build_index(finished.encoder(), tmp_path, str(tmp_path / "index"))


def test_imported_features_have_rows_without_files_and_times(tmp_path: Path) -> None:
    run = make_run(tmp_path, imported=True)
    built(run.made.load(), run, tmp_path / "index")
    index = Index.open(tmp_path / "index")
    row = index.clip("clip 5")
    assert (len(index), row.path, row.root, row.start, row.end) == (45, "", "", 0.0, 0.0)
    assert row.audio is not None
    np.testing.assert_allclose(row.audio, unit(run.made.rows["audio"][0, 5]), atol=1e-6)
    with pytest.raises(DataError, match="is no file below"):
        index.file(row)
