"""Vectors of files as npz and Parquet, read with NumPy and pyarrow, and the list of refused files beside them."""

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from pipeline.encoder.batch import FileVectors
from pipeline.encoder.outputs import check_out, rejected_file, write_vectors
from pipeline.errors import ParamsError
from pipeline.formats import rejects
from pipeline.formats.rejects import Reject
from pipeline.formats.texts import unpack_texts
from tests.encoder.test_encoder import made_in
from tests.helpers.encoders import MadeEncoder

REFUSED = [Reject("x.mp4", "encode", "not_media", "clip 'x.mp4': no format; expected a media file")]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> MadeEncoder:
    return made_in(tmp_path_factory.mktemp("run"), "cca")


def vectors(refused: list[Reject]) -> FileVectors:
    audio, visual = np.random.default_rng(0).random((2, 3, 4), np.float32)
    audio[1], visual[2] = np.nan, np.nan
    paths, hashes = ["a.mp4", "été/b.png", "c.wav"], ["1" * 64, "2" * 64, "3" * 64]
    return FileVectors(paths=paths, sha256=hashes, audio=audio, visual=visual, refused=refused)


def test_npz_has_nan_where_a_file_lacks_a_side(made: MadeEncoder, tmp_path: Path) -> None:
    given, encoder = vectors([]), made.load()
    write_vectors(given, encoder, tmp_path / "x.npz")
    with np.load(tmp_path / "x.npz", allow_pickle=False) as file:
        np.testing.assert_array_equal(file["audio"], given.audio)
        np.testing.assert_array_equal(file["visual"], given.visual)
        assert unpack_texts(file, "paths") == given.paths
        assert unpack_texts(file, "sha256") == given.sha256
        about = json.loads(str(file["encoder"]))
    assert about == {"model": "cca", "seed": 0, "width": encoder.width, "fingerprint": encoder.fingerprint}
    assert [path.name for path in tmp_path.iterdir()] == ["x.npz"]


def test_parquet_has_null_where_a_file_lacks_a_side(made: MadeEncoder, tmp_path: Path) -> None:
    given = vectors([])
    write_vectors(given, made.load(), tmp_path / "x.parquet")
    table = pq.read_table(tmp_path / "x.parquet")
    rows = table.to_pylist()
    assert [row["path"] for row in rows] == given.paths
    assert [row["audio"] is None for row in rows] == [False, True, False]
    assert [row["visual"] is None for row in rows] == [False, False, True]
    np.testing.assert_array_equal(rows[0]["audio"], given.audio[0])
    assert json.loads(table.schema.metadata[b"encoder"])["model"] == "cca"


@pytest.mark.parametrize("suffix", [".npz", ".parquet"])
def test_refused_files_are_listed_until_there_are_none(suffix: str, made: MadeEncoder, tmp_path: Path) -> None:
    out = tmp_path / f"x{suffix}"
    write_vectors(vectors(REFUSED), made.load(), out)
    assert rejects.read(rejected_file(out)) == REFUSED
    write_vectors(vectors([]), made.load(), out)
    assert [path.name for path in tmp_path.iterdir()] == [out.name]


def test_no_files_give_an_empty_table(made: MadeEncoder, tmp_path: Path) -> None:
    nothing = np.zeros((0, 4), np.float32)
    empty = FileVectors(paths=[], sha256=[], audio=nothing, visual=nothing, refused=[])
    write_vectors(empty, made.load(), tmp_path / "x.parquet")
    assert pq.read_table(tmp_path / "x.parquet").num_rows == 0


@pytest.mark.parametrize("name", ["x.csv", "x", "folder.npz"])
def test_a_name_without_a_format_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / "folder.npz").mkdir()
    with pytest.raises(ParamsError, match=rf"--out .*{name}: expected the path of a file that ends in \.npz or \.parq"):
        check_out(tmp_path / name)
