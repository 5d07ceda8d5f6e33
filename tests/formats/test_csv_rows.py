import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import DiskError
from pipeline.formats.csv_rows import read_rows, write_rows

CELLS = st.text(st.characters(codec="utf-8") | st.sampled_from('\r\n",'))


@given(st.lists(st.tuples(CELLS, CELLS)))
def test_any_text_comes_back_from_its_cell(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]]
) -> None:
    path = tmp_path_factory.mktemp("rows") / "rows.csv"
    write_rows(path, ("a", "b"), rows)
    assert read_rows(path) == [{"a": one, "b": other} for one, other in rows]


def test_a_row_is_quoted_only_where_it_must_be(tmp_path: Path) -> None:
    write_rows(tmp_path / "rows.csv", ("a", "b"), [("x", None), ("y\rz", 0.5)])
    assert (tmp_path / "rows.csv").read_bytes() == b'a,b\nx,\n"y\rz","0.5"\n'


def test_a_full_disk_names_the_file() -> None:
    with pytest.raises(DiskError, match=r"/dev/full: No space left on device \(.* free\); expected room to write"):
        write_rows(Path("/dev/full"), ("a",), [("x" * 10000,)])


@pytest.mark.parametrize("cell", ["=1+1", "+1+1", "-1+1", "@SUM(1)", "-2+3+cmd|' /C calc'!A0", "'=1", "''@a", "-a"])
def test_a_cell_that_a_spreadsheet_would_run_is_quoted_and_read_as_it_was(cell: str, tmp_path: Path) -> None:
    write_rows(tmp_path / "rows.csv", ("a", "b"), [(cell, 1)])
    with (tmp_path / "rows.csv").open(newline="") as file:
        assert list(csv.reader(file))[1] == [f"'{cell}", "1"]
    assert read_rows(tmp_path / "rows.csv") == [{"a": cell, "b": "1"}]


@pytest.mark.parametrize("cell", ["-0.5", "+1e-05", "-0PQM4-hqgx_000030", "--0PQM4-hqg#12", "'a'", "a=b", "", "-7"])
def test_numbers_and_ids_of_youtube_are_no_formulas(cell: str, tmp_path: Path) -> None:
    write_rows(tmp_path / "rows.csv", ("a", "b"), [(cell, -0.5)])
    with (tmp_path / "rows.csv").open(newline="") as file:
        assert list(csv.reader(file))[1] == [cell, "-0.5"]
    assert read_rows(tmp_path / "rows.csv", ("a", "b")) == [{"a": cell, "b": "-0.5"}]
