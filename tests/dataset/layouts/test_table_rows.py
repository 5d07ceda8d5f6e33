"""Columns of Parquet as pandas and others write them."""

import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.dataset.layouts.table_rows import read_rows
from pipeline.errors import DataError

STRANGE = {
    "timestamp": pa.array([1, 2], pa.timestamp("ns")),
    "duration": pa.array([1, 2], pa.duration("ns")),
    "date": pa.array([1, 2], pa.date32()),
    "dictionary<values=binary": pa.array([b"a", b"b"]).dictionary_encode(),
}


@pytest.mark.parametrize("kind", STRANGE)
@pytest.mark.parametrize("name", ["label", "start", "source_id"])
def test_a_parquet_column_of_times_or_bytes_is_refused(kind: str, name: str, tmp_path: Path) -> None:
    columns = {"path": ["a", "b"], "label": ["cat", "dog"], name: STRANGE[kind]}
    pq.write_table(pa.table(columns), tmp_path / "t.parquet")
    with pytest.raises(DataError, match=rf"column '{name}' holds {kind}.*; expected text or numbers"):
        read_rows(tmp_path / "t.parquet")


def test_parquet_text_that_is_no_utf8_is_named(tmp_path: Path) -> None:
    places, data = pa.array([0, 1, 2], pa.int32()).buffers()[1], pa.py_buffer(b"\xff\xff")
    text = pa.StringArray.from_buffers(2, places, data)
    pq.write_table(pa.table({"path": ["a", "b"], "label": text}), tmp_path / "t.parquet")
    with pytest.raises(DataError, match=r"t\.parquet: .*; expected a Parquet file, its text in UTF-8"):
        read_rows(tmp_path / "t.parquet")


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        (pa.array(["cat", "dog"]).dictionary_encode(), ["cat", "dog"]),
        (pa.array(["cat", "dog"], pa.large_string()), ["cat", "dog"]),
        (pa.array([1, 2]).dictionary_encode(), ["1", "2"]),
        (pa.array([True, False]), ["True", "False"]),
    ],
    ids=["categories", "long text", "categories of numbers", "flags"],
)
def test_a_parquet_column_may_hold_words_and_numbers_in_any_form(
    labels: Any,  # noqa: ANN401 - pyarrow has no types
    names: list[str],
    tmp_path: Path,
) -> None:
    pq.write_table(pa.table({"path": ["a", "b"], "label": labels, "split": pa.nulls(2)}), tmp_path / "t.parquet")
    assert [row.cells["label"] for row in read_rows(tmp_path / "t.parquet")] == names


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".parquet"])
def test_a_pipe_and_a_sparse_file_of_4_tb_are_refused_before_they_are_read(tmp_path: Path, suffix: str) -> None:
    os.mkfifo(tmp_path / f"pipe{suffix}")
    with (tmp_path / f"sparse{suffix}").open("wb") as file:
        file.truncate(4 << 40)
    with pytest.raises(DataError, match="a pipe; expected a regular file"):
        read_rows(tmp_path / f"pipe{suffix}")
    with pytest.raises(DataError, match=r"4.4e\+03 GB; expected at most limits\.table_gigabytes=1"):
        read_rows(tmp_path / f"sparse{suffix}")


@pytest.mark.parametrize("number", [0, 2, 3, 0x7F, 0xFF])
def test_a_damaged_byte_in_the_pages_of_a_parquet_file_is_an_error_or_another_text(number: int, tmp_path: Path) -> None:
    path = tmp_path / "clips.parquet"
    pq.write_table(pa.table({"path": ["a.mp4", "b.mp4"], "label": ["cat", "dog"]}), path)
    whole, n_refused = path.read_bytes(), 0
    for place in range(4, 160):  # both columns: dictionaries, and which of their texts stands where
        path.write_bytes(whole[:place] + bytes([number]) + whole[place + 1 :])
        problem = problem_of(path)
        n_refused += bool(problem)
        assert not problem or "expected a Parquet file" in problem or "expected no control character" in problem
    assert n_refused > 10


def problem_of(path: Path) -> str:
    """Why a table of two rows is refused; nothing where both are read."""
    try:
        rows = read_rows(path)
    except DataError as error:
        return str(error)
    return "" if len(rows) == 2 else f"{len(rows)} rows"
