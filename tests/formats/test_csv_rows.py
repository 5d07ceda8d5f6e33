import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import DiskError
from pipeline.formats.csv_rows import write_rows

CELLS = st.text(st.characters(codec="utf-8") | st.sampled_from('\r\n",'))


@given(st.lists(st.tuples(CELLS, CELLS)))
def test_any_text_comes_back_from_its_cell(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]]
) -> None:
    path = tmp_path_factory.mktemp("rows") / "rows.csv"
    write_rows(path, ("a", "b"), rows)
    with path.open(newline="", encoding="utf-8") as file:
        assert list(csv.reader(file)) == [["a", "b"], *map(list, rows)]


def test_a_row_is_quoted_only_where_it_must_be(tmp_path: Path) -> None:
    write_rows(tmp_path / "rows.csv", ("a", "b"), [("x", None), ("y\rz", 0.5)])
    assert (tmp_path / "rows.csv").read_bytes() == b'a,b\nx,\n"y\rz","0.5"\n'


def test_a_full_disk_names_the_file() -> None:
    with pytest.raises(DiskError, match=r"/dev/full: No space left on device \(.* free\); expected room to write"):
        write_rows(Path("/dev/full"), ("a",), [("x" * 10000,)])
