"""Files of the source `table`: every kind, Parquet's columns, sizes, damage."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.dataset.sources.table import find_clips
from pipeline.errors import DataError
from tests.helpers.clip_table import PLAIN, clips_of, found, write
from tests.helpers.dataset_params import dataset_params
from tests.helpers.params_file import with_limits
from tests.helpers.project import ROOT


@pytest.mark.parametrize("kind", ["tsv", "parquet", "jsonl", "csv with a byte order mark"])
def test_every_kind_of_table_gives_the_same_clips(kind: str, tmp_path: Path) -> None:
    rows = [["path", "label", "start", "end"], ["é, 1.mp4", "1", "0.1", "2.5"], ["b;.mp4", "2", "", ""]]
    expected = clips_of(tmp_path, *rows)
    if kind == "tsv":
        path = write(tmp_path / "videos.TSV", rows, delimiter="\t")
    elif kind == "parquet":
        path = tmp_path / "videos.parquet"
        columns = {"path": ["é, 1.mp4", "b;.mp4"], "label": [1, 2], "start": [0.1, None], "end": [2.5, float("nan")]}
        pq.write_table(pa.table(columns), path)
    elif kind == "jsonl":
        path = tmp_path / "videos.jsonl"
        objects = [
            {"path": "é, 1.mp4", "label": 1, "start": 0.1, "end": 2.5},
            {"end": None, "label": "2", "path": "b;.mp4"},
        ]
        path.write_text("\n\n".join(map(json.dumps, objects)), "utf-8-sig")
    else:
        path = tmp_path / "marked.csv"
        path.write_bytes(b"\xef\xbb\xbf" + (tmp_path / "videos.csv").read_bytes())
    assert found(path).clips == expected


def test_a_parquet_column_of_lists_of_labels_is_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"path": ["a", "b"], "label": [["cat"], ["cat", "dog"]]}), tmp_path / "t.parquet")
    with pytest.raises(DataError, match=r"column 'label' holds list<.*>; expected one class a clip"):
        found(tmp_path / "t.parquet")


@pytest.mark.parametrize("paths", [[b"a", b"b"], [["a"], ["b"]]], ids=["bytes", "lists"])
def test_a_parquet_column_of_anything_but_text_and_numbers_is_refused(paths: list[object], tmp_path: Path) -> None:
    pq.write_table(pa.table({"path": paths, "label": ["cat", "dog"]}), tmp_path / "t.parquet")
    with pytest.raises(DataError, match=r"column 'path' holds (binary|list<.*>); expected text or numbers"):
        found(tmp_path / "t.parquet")


def test_a_parquet_table_is_checked_like_any_other(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"movie": ["a", "b"], "label": ["cat", "dog"]}), path)
    with pytest.raises(DataError, match=r"columns \['movie', 'label'\], missing \['path'\]"):
        found(path)
    pq.write_table(pa.table({"path": ["a", "b"], "label": ["cat", "dog"], "split": ["train", "dev"]}), path)
    with pytest.raises(DataError, match=r"t\.parquet: row 2: split 'dev'"):
        found(path)


def test_a_parquet_column_of_its_own_may_hold_anything(tmp_path: Path) -> None:
    own = {"embedding": [[1.0], [2.0]], "thumbnail": [b"x", b"y"]}
    pq.write_table(pa.table({"path": ["a", "b"], "label": ["cat", "dog"], **own}), tmp_path / "t.parquet")
    assert [clip.clip_id for clip in found(tmp_path / "t.parquet").clips] == ["a", "b"]


def test_a_parquet_file_with_damage_inside_is_named(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"path": ["a", "b"], "label": ["cat", "dog"]}), path)
    path.write_bytes(b"PAR1" + b"\xff" * 16 + path.read_bytes()[20:])
    with pytest.raises(DataError, match=r"(?s)t\.parquet: .*; expected a Parquet file"):
        found(path)


@pytest.mark.parametrize(
    ("key", "most", "message"), [("table_rows", 1, "2 rows or more"), ("table_gigabytes", 1e-9, r"[\d.]+e-\d+ GB")]
)
def test_a_table_that_is_too_large_is_refused(
    key: str, most: float, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_limits(tmp_path, monkeypatch, **{key: most})
    with pytest.raises(DataError, match=rf"videos\.csv: {message}; expected at most limits\.{key}={most:.15g}"):
        clips_of(tmp_path, ["path", "label"], ["a", "cat"], ["b", "dog"])


def test_a_parquet_table_of_kilobytes_does_not_become_minutes_of_work(tmp_path: Path) -> None:
    n = 20_000
    columns = {"path": pa.array(["x" * 5000] * n), "label": pa.array(["cat", "dog"] * (n // 2))}
    pq.write_table(pa.table(columns), tmp_path / "t.parquet")  # some kB for 100 MB of text
    with pytest.raises(
        DataError, match=r"t\.parquet: \d+ bytes of text; expected at most limits\.expansion_factor=1000"
    ):
        find_clips(dataset_params(source="table", path=tmp_path / "t.parquet"))


@pytest.mark.parametrize("text", ["dictionary", "plain"])
def test_a_parquet_cell_that_is_too_long_is_refused(text: str, tmp_path: Path) -> None:
    labels = pa.array(["x" * 50_000, "dog"])
    columns = {"path": ["a", "b"], "label": labels.dictionary_encode() if text == "dictionary" else labels}
    pq.write_table(pa.table(columns), tmp_path / "t.parquet", compression="none", use_dictionary=False)
    with pytest.raises(DataError, match=r"t\.parquet: .*; expected at most limits\.text_characters=10000"):
        find_clips(dataset_params(source="table", path=tmp_path / "t.parquet"))


CASES = ROOT / ".." / "shared" / "cases"


@pytest.mark.skipif(not CASES.exists(), reason="needs ../shared/cases")
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nul_label.csv", r"line 14: label 'a\\x00' holds U\+0000; expected no control character"),
        ("ansi_path.csv", r"line 2: path '\\x1b.*' holds U\+001B; expected no control character"),
        ("bomb.parquet", r"20000000 rows or more; expected at most limits\.table_rows=5000000"),
    ],
)
def test_a_table_that_asks_for_too_much_is_refused_at_once(name: str, message: str) -> None:
    with pytest.raises(DataError, match=message) as raised:
        find_clips(dataset_params(source="table", path=CASES / "limits" / name))
    assert str(raised.value).isprintable()


@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.parquet"])
@pytest.mark.parametrize("data", [b"path\xff,label", b'"path'])
def test_a_damaged_table_is_named(name: str, data: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(DataError, match=rf"{name}: .*; expected (a Parquet file|a header and rows in UTF-8)"):
        found(tmp_path / name)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"path": "a"', r"line 1: .*; expected one JSON object a line, in UTF-8"),
        ('{"path": "a"}\n\n["a"]', r"line 3: list; expected one JSON object a line"),
        ("{}\n7", r"line 2: int; expected one JSON object a line"),
        ('{"path": "a", "path": "b"}', r"line 1: a key comes twice in \['path', 'path'\]; expected each once"),
        ("[" * 100_000, r"line 1: .*; expected one JSON object a line"),
        ('{"path": "a", "label": ["cat", "dog"]}', r"line 1: 'label' holds list; expected one class a clip"),
        ('{"path": {"bytes": 1}}', r"line 1: 'path' holds dict; expected text or a number"),
        (
            '{"path": "a"}\n{"video": "b"}',
            r"columns \['path', 'video'\] may all be the paths of videos; expected one of",
        ),
        ('{"path": "a", "Label": "cat"}', r"columns .*, like a known one: 'Label' \(is it 'label'\?\)"),
        ('{"path": "a\\u0000"}', r"line 1: path 'a\\x00' holds U\+0000; expected no control character"),
        ('{"path": "a", "label": "cat"}\n{"label": "dog"}', r"line 2: path ''; expected the path of a video"),
        ('{"label": "cat"}', r"columns \['label'\], missing \['path'\]"),
        ("", r"columns \[\], missing \['path'\]"),
    ],
)
def test_json_lines_that_are_no_rows_are_named_with_their_line(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").write_text(text)
    with pytest.raises(DataError, match=rf"t\.jsonl: {message}"):
        found(tmp_path / "t.jsonl")


def test_json_lines_that_are_no_utf8_are_refused(tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").write_bytes(b'{"path": "\xff"}')
    with pytest.raises(DataError, match=r"t\.jsonl: .*; expected one JSON object a line, in UTF-8"):
        found(tmp_path / "t.jsonl")


def test_a_table_without_a_header_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"columns \[\], missing \['path'\]"):
        found(write(tmp_path / "t.csv", []))


def test_a_table_of_another_kind_lists_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"a file of kind '.xlsx'; expected one of \['.csv', '.tsv', '.jsonl', '.parquet'\]"
    ):
        found(write(tmp_path / "t.xlsx", PLAIN))


def test_a_missing_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"nowhere.csv: no such file .*expected FILE.csv\|.tsv\|.jsonl\|.parquet with columns"
    ):
        found(tmp_path / "nowhere.csv")
