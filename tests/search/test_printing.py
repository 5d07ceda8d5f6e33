"""Answers as a terminal, a spreadsheet and a program get them."""

import csv
import io
import json

from pipeline.search.printing import COLUMNS, as_csv, as_json, as_lines, place_of
from pipeline.search.rows import Answer, Result

HOSTILE = "a\x1b[31m\r\n\x7f\u202e'=1+1"
RESULTS = [
    Result(1, 0.98765, "dog/1", "dog/1.mp4", "dog", "test", 0.0, 2.0, "visual"),
    Result(2, -0.5, HOSTILE, HOSTILE, HOSTILE, HOSTILE, 3.0, 4.25, "visual"),
    Result(3, 0.25, "imported", "", "=cmd()", "", 0.0, 0.0, "both"),
]
ANSWER = Answer(RESULTS, "dual_subspace", 1200, 0.123)


def test_a_line_a_result_and_a_last_one_of_model_rows_and_seconds() -> None:
    header, first, _, third, last = as_lines(ANSWER).splitlines()
    assert header.split() == ["rank", "score", "label", "path"]
    assert first.split() == ["1", "0.988", "dog", "dog/1.mp4#t=0,2"]
    assert third.split() == ["3", "0.250", "=cmd()", "clip:imported"]
    assert last == "dual_subspace, 1200 rows, 0.12 s"


def test_nothing_that_a_terminal_obeys_is_printed() -> None:
    for text in (as_lines(ANSWER), as_csv(ANSWER), as_json(ANSWER)):
        assert all(line.isprintable() for line in text.split("\n"))


def test_json_holds_what_was_found_to_the_last_character() -> None:
    read = json.loads(as_json(ANSWER))
    assert {name: read[name] for name in ("model", "n_rows", "seconds")} == {
        "model": "dual_subspace",
        "n_rows": 1200,
        "seconds": 0.123,
    }
    assert [{name: getattr(result, name) for name in COLUMNS} for result in RESULTS] == read["results"]


def test_csv_has_a_row_a_result_and_runs_no_formula() -> None:
    rows = list(csv.DictReader(io.StringIO(as_csv(ANSWER))))
    assert [float(row["score"]) for row in rows] == [0.98765, -0.5, 0.25]
    assert rows[0]["path"] == "dog/1.mp4"
    assert rows[2]["label"] == "'=cmd()"


def test_no_result_is_said() -> None:
    assert as_lines(Answer([], "cca", 3, 0.0)).splitlines() == [
        "nothing found: no row passes the filter",
        "cca, 3 rows, 0.00 s",
    ]


def test_the_place_of_a_result_is_a_query_again() -> None:
    from pipeline.search.spans import Asked, parse_query

    assert parse_query(place_of(RESULTS[0])) == Asked("dog/1.mp4", False, 0.0, 2.0)
    assert parse_query(place_of(RESULTS[2])) == Asked("imported", True)
    assert place_of(RESULTS[1]).endswith("#t=3,4.25")
