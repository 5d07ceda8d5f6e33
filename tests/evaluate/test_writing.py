import json
from pathlib import Path

import numpy as np
import pytest

from pipeline.evaluate.writing import six_digits, write_csv, write_json


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (0.7253069575698712, 0.725307),
        (np.float64(1 / 3), 0.333333),
        (1.23456789e-9, 1.23457e-09),
        (123456.789, 123457.0),
        (0.1 + 0.2, 0.3),
        (1234567, 1234567),
        (True, True),
        ("0.12345678", "0.12345678"),
        (None, None),
    ],
)
def test_floats_keep_six_significant_digits_and_all_else_stays(value: object, written: object) -> None:
    rounded = six_digits({"a": [value], "b": {"c": (value, 1)}})
    assert rounded == {"a": [written], "b": {"c": [written, 1]}}
    assert type(rounded["a"][0]) in (type(written), type(value))


def test_numbers_that_differ_in_the_last_bits_are_the_same_bytes(tmp_path: Path) -> None:
    one, other = 0.7253069575698712, np.nextafter(0.7253069575698712, 1)
    for name, value in (("one", one), ("other", other)):
        write_json(tmp_path / f"{name}.json", {"map": value})
        write_csv(tmp_path / f"{name}.csv", [{"map": value}])
    assert one != other
    for ending in ("json", "csv"):
        assert (tmp_path / f"one.{ending}").read_bytes() == (tmp_path / f"other.{ending}").read_bytes()


def test_a_row_may_lack_a_column_and_a_table_may_lack_rows(tmp_path: Path) -> None:
    write_csv(tmp_path / "new folder" / "some.csv", [{"a": 1}, {"a": 2, "b": 0.5}])
    write_csv(tmp_path / "none.csv", [], ["a", "b"])
    assert (tmp_path / "new folder" / "some.csv").read_text() == "a,b\n1,\n2,0.5\n"
    assert (tmp_path / "none.csv").read_text() == "a,b\n"


def test_what_json_has_no_word_for_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a.json", {"map": float("nan")})
    assert list(tmp_path.iterdir()) == []


def test_a_written_file_is_read_as_what_was_given(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"name": "Klänge", "n": {"test": 3}})
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == {"name": "Klänge", "n": {"test": 3}}
