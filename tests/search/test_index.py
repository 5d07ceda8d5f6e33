"""An index against plain NumPy and plain Python: cosines, filters, versions, and what it refuses."""

import resource
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import DataError, DiskError, ParamsError
from pipeline.network_parts.base import Modality
from pipeline.search import writing
from pipeline.search.index import Index, Probe
from pipeline.search.rows import MODALITIES, IndexRow, to_table
from pipeline.search.snapshot import Snapshot
from pipeline.search.store import LOCK, open_table, overwrite
from tests.helpers.search_run import facts_for, random_rows, write_index

ROWS = random_rows(120)
QUERY = np.random.default_rng(9).normal(size=8)


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Index:
    return Index.open(write_index(tmp_path_factory.mktemp("index"), ROWS))


def cosines(rows: list[IndexRow], *sides: str) -> dict[str, float]:
    """Of the rows that have a side, the mean cosine with the query, by a loop."""
    found = {}
    for row in rows:
        vectors = [getattr(row, side).astype(np.float64) for side in sides if getattr(row, side) is not None]
        if vectors:
            each = [v @ QUERY / np.linalg.norm(v) / np.linalg.norm(QUERY) for v in vectors]
            found[row.clip_id] = float(np.mean(each))
    return found


@pytest.mark.parametrize("modality", MODALITIES)
def test_results_are_those_of_a_loop_over_the_cosines(index: Index, modality: Modality) -> None:
    results = index.query(QUERY, modality, 15, None)
    expected = cosines(ROWS, modality)
    best = sorted(expected, key=lambda name: -expected[name])[:15]
    assert [result.clip_id for result in results] == best
    np.testing.assert_allclose([result.score for result in results], [expected[name] for name in best], atol=1e-6)
    assert [result.rank for result in results] == list(range(1, 16))
    assert {result.modality for result in results} == {modality}


def test_both_sides_count_as_their_mean_and_one_alone_where_the_other_is_missing(index: Index) -> None:
    results = index.compare([Probe(QUERY, "audio"), Probe(QUERY, "visual")], 200)
    expected = cosines(ROWS, "audio", "visual")
    assert [result.clip_id for result in results] == sorted(expected, key=lambda name: -expected[name])
    assert {result.modality for result in results} == {"both"}


FILTERS = {
    "label = 'Dog'": lambda row: row.label == "Dog",
    "label = 'Cat''s' AND split = 'test'": lambda row: row.label == "Cat's" and row.split == "test",
    "split = ''": lambda row: not row.split,
    'end > 1.5 OR "end" = 0': lambda row: row.end > 1.5 or row.end == 0,
    "clip_id IN ('clip 00003', 'clip 00050')": lambda row: row.clip_id in ("clip 00003", "clip 00050"),
    "path LIKE '1%.mp4' AND NOT label = 'Dog'": lambda row: row.path.startswith("1") and row.label != "Dog",
    "audio IS NULL": lambda row: row.audio is None,
    "label = 'none'": lambda row: False,
}


@pytest.mark.parametrize("where", FILTERS)
def test_a_filter_lets_through_what_a_python_filter_does(index: Index, where: str) -> None:
    expected = cosines([row for row in ROWS if FILTERS[where](row)], "visual")
    results = index.query(QUERY, "visual", 200, where)
    assert [result.clip_id for result in results] == sorted(expected, key=lambda name: -expected[name])


@pytest.mark.parametrize(
    ("where", "problem"),
    [
        ("labl = 'Dog'", "No field named labl"),
        ("label = ", "Expected: an expression"),
        ("label = 'Dog", "Unterminated string literal"),
        ("label", "does not return a boolean"),
        ("label = 'Dog'; DROP TABLE clips", "DROP TABLE"),
        ("label = 'Dog' LIMIT 1", "LIMIT"),
        ("label = 'Dog' --", "--"),
        ("label = '" + "x" * 10_000 + "'", "10010 characters; expected at most 10000"),
        ("(" * 4000 + "label = 'Dog'" + ")" * 4000, "."),
        ("", "."),
    ],
)
def test_a_wrong_filter_costs_one_line(index: Index, where: str, problem: str) -> None:
    with pytest.raises(ParamsError, match=problem) as caught:
        index.query(QUERY, "audio", 3, where)
    assert len(str(caught.value).splitlines()) == 1
    assert "expected" in str(caught.value)


def test_equal_rows_stand_by_name_whatever_order_they_came_in(tmp_path: Path) -> None:
    rows = [row._replace(visual=ROWS[0].visual) for row in ROWS[:30]]
    places = []
    for number, order in enumerate((slice(None), slice(None, None, -1))):
        index = Index.open(write_index(tmp_path / str(number), rows[order]))
        places.append([result.clip_id for result in index.query(QUERY, "visual", 12, None)])
    assert places[0] == places[1] == [row.clip_id for row in rows[:12]]


def test_a_row_comes_back_as_it_was_written(index: Index) -> None:
    row = index.clip("clip 00004")
    assert row._replace(audio=None, visual=None) == ROWS[4]._replace(audio=None, visual=None)
    assert row.audio is None
    assert ROWS[4].visual is not None
    np.testing.assert_allclose(row.visual, ROWS[4].visual / np.linalg.norm(ROWS[4].visual), atol=1e-7)


@pytest.mark.parametrize("clip_id", ["clip 99999", "'", "' OR ''='", "", "\0"])
def test_a_clip_that_is_not_there_is_named(index: Index, clip_id: str) -> None:
    with pytest.raises(DataError, match=r"not in .*; expected the id of one of its clips"):
        index.clip(clip_id)


def test_an_open_index_sees_what_others_write(tmp_path: Path) -> None:
    folder = write_index(tmp_path, ROWS[:10])
    index = Index.open(folder)
    assert len(index) == len(index.query(QUERY, "audio", 100, None)) + 2 == 10
    writing.add_rows(folder, facts_for(), ROWS[10:20])
    assert len(index) == 20
    assert writing.remove_rows(folder, "label = 'Dog'") == 10
    assert {result.label for result in index.query(QUERY, "audio", 100, None)} == {"Cat's"}
    write_index(tmp_path, ROWS[50:53])
    assert len(index) == 3


def test_rows_of_another_encoder_and_of_other_windows_are_refused(tmp_path: Path) -> None:
    folder = write_index(tmp_path, ROWS[:3])
    with pytest.raises(DataError, match=r"encoder 'f+'; expected '0+', which the rows to add were made with"):
        writing.add_rows(folder, facts_for(encoder="0" * 64), ROWS[3:5])
    with pytest.raises(DataError, match=r"window_seconds None; expected 2\.0"):
        writing.add_rows(folder, facts_for(window_seconds=2.0), ROWS[3:5])
    assert len(Index.open(folder)) == 3


def test_rows_that_are_there_are_not_added_again(tmp_path: Path) -> None:
    folder = write_index(tmp_path, ROWS[:5])
    assert [row.clip_id for row in writing.add_rows(folder, facts_for(), ROWS[3:7])] == ["clip 00005", "clip 00006"]
    assert len(Index.open(folder)) == 7


def test_a_file_that_changed_takes_the_place_of_its_rows_in_one_version(tmp_path: Path) -> None:
    folder = write_index(tmp_path, ROWS[:5])
    version = open_table(folder).version
    writing.add_rows(folder, facts_for(), [ROWS[1]._replace(sha256="e" * 64, end=9.0), ROWS[8]])
    index = Index.open(folder)
    assert open_table(folder).version == version + 1
    assert (len(index), index.clip("clip 00001").end) == (6, 9.0)


def test_another_file_of_an_id_gets_its_hash_behind_it(tmp_path: Path) -> None:
    folder = write_index(tmp_path, ROWS[:5])
    others = [ROWS[1]._replace(root="/later", sha256=digit * 64) for digit in "ab"]
    added = writing.add_rows(folder, facts_for(), [others[0], others[1]._replace(root="/latest")])
    assert [row.clip_id for row in added] == ["clip 00001@aaaaaaaa", "clip 00001@bbbbbbbb"]
    paths = {result.path for result in Index.open(folder).query(QUERY, "visual", 9, "clip_id LIKE '%@%'")}
    assert paths == {"/later/1.mp4", "/latest/1.mp4"}


def test_clips_are_removed_by_id_all_or_none(tmp_path: Path) -> None:
    folder = write_index(tmp_path, ROWS[:5])
    with pytest.raises(DataError, match=r"clip 'nope': not in"):
        writing.remove_clips(folder, ["clip 00001", "nope"])
    assert writing.remove_clips(folder, ["clip 00001", "clip 00003", "clip 00001"]) == 2
    assert sorted(Index.open(folder).snapshot.texts["clip_id"].to_pylist()) == [
        "clip 00000",
        "clip 00002",
        "clip 00004",
    ]


def test_a_path_that_leaves_its_root_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "videos").mkdir()
    (tmp_path / "secret").touch()
    (tmp_path / "videos/link").symlink_to(tmp_path / "secret")
    root = str(tmp_path / "videos")
    rows = [ROWS[0]._replace(clip_id=path, path=path, root=root) for path in ("../secret", "/etc/passwd", "link", "")]
    index = Index.open(
        write_index(tmp_path / "index", [*rows, ROWS[0]._replace(clip_id="ok", path="a/b.mp4", root=root)])
    )
    for row in rows:
        with pytest.raises(DataError, match=r"is no file below"):
            index.file(index.clip(row.clip_id))
    assert index.file(index.clip("ok")) == tmp_path / "videos/a/b.mp4"


@pytest.mark.parametrize("vector", [np.zeros(7), np.zeros((1, 8)), np.full(8, np.nan)], ids=str)
def test_a_query_of_another_shape_is_refused(
    index: Index, vector: "np.ndarray[tuple[int], np.dtype[np.float64]]"
) -> None:
    with pytest.raises(DataError, match=r"expected \(8,\) finite numbers"):
        index.query(vector, "audio", 3, None)
    with pytest.raises(ParamsError, match="--top 0; expected 1 or more"):
        index.query(QUERY, "audio", 0, None)


def test_vectors_of_another_width_are_refused() -> None:
    with pytest.raises(DataError, match=r"shape \(8,\); expected \(9,\) finite numbers"):
        to_table(ROWS[:1], facts_for(9))


def test_without_an_index_the_command_that_makes_one_is_named(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(DataError, match=r"no index; expected an index: `avr index build` makes one"):
            Index.open(folder)


def test_a_table_of_something_else_is_refused(tmp_path: Path) -> None:
    import lancedb
    import pyarrow as pa

    lancedb.connect(tmp_path).create_table("clips", pa.table({"a": [1]}))
    with pytest.raises(DataError, match="no index of this project"):
        Index.open(tmp_path)


def test_a_damaged_index_is_named(tmp_path: Path) -> None:
    folder = write_index(tmp_path, ROWS[:5])
    for manifest in (tmp_path / "clips.lance/_versions").iterdir():
        manifest.write_bytes(b"no manifest")
    with pytest.raises(DataError, match=r"expected an index") as caught:
        Index.open(folder)
    assert len(str(caught.value).splitlines()) == 1
    assert ".rs:" not in str(caught.value)


def test_without_lancedb_the_command_that_installs_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_index(tmp_path, ROWS[:1])
    monkeypatch.setitem(sys.modules, "lancedb", None)
    with pytest.raises(ParamsError, match=r"not installed; expected .venv/bin/uv pip install .*search"):
        Index.open(folder)


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "index").write_text("a file")
    with pytest.raises(DiskError, match=LOCK), writing.writing(str(tmp_path / "index")):
        pass


def test_a_full_disk_is_told_and_the_index_is_as_it_was(tmp_path: Path) -> None:
    folder = write_index(tmp_path, ROWS[:5])
    table, (soft, hard) = to_table(random_rows(3000), facts_for()), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, hard))
    try:
        with pytest.raises(DiskError, match=r"File too large .* expected files of that size to be allowed"):
            overwrite(folder, table)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert len(Index.open(folder)) == 5


def test_an_index_that_is_deleted_and_made_again_is_seen_by_who_has_it_open(tmp_path: Path) -> None:
    folder = write_index(tmp_path / "index", random_rows(20))
    index = Index.open(folder)
    assert len(index) == 20
    shutil.rmtree(folder)
    for ask in (lambda: len(index), lambda: index.rows("clip 00001"), lambda: index.query(QUERY, "audio", 3, None)):
        with pytest.raises(DataError, match=f"^{folder}: .*; expected an index: `avr index build` makes one"):
            ask()
    write_index(tmp_path / "index", random_rows(30, seed=4))  # version 1, as the one before was
    assert len(index) == 30
    assert index.rows("clip 00001")[0].sha256 == random_rows(30, seed=4)[1].sha256


def test_an_index_that_goes_in_the_middle_of_a_question_is_named(tmp_path: Path) -> None:
    snapshot = Snapshot(write_index(tmp_path / "index", random_rows(20)))
    shutil.rmtree(tmp_path / "index")
    for ask in (
        lambda: snapshot.matrix("audio"),
        lambda: snapshot.matching("label = 'Dog'"),
        lambda: snapshot.rows("a"),
    ):
        with pytest.raises(DataError, match=r"index: lance error: Not found: .*; expected an index"):
            ask()


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("foo = 1", "No field named foo"),
        ("1 / 0 = 1", "Divide by zero error"),
        ("label = 'a' " * 500, r"\[\.\.\.\]"),
    ],
)
def test_a_filter_that_is_wrong_is_told_in_one_short_line(tmp_path: Path, where: str, said: str) -> None:
    index = Index.open(write_index(tmp_path, random_rows(20)))
    with pytest.raises(ParamsError, match=f"--where .*{said}.*; expected SQL such as") as caught:
        index.query(QUERY, "audio", 3, where)
    assert len(str(caught.value)) < 900
    assert "Valid fields" not in str(caught.value)
