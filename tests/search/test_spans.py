"""Queries in their parts: files, clips and spans of time by the W3C's media fragments."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import DataError
from pipeline.search.spans import Asked, parse_query, parse_span

INFINITY = float("inf")


@pytest.mark.parametrize(
    ("fragment", "start", "end"),
    [  # the examples of Media Fragments URI 1.0, 4.2.1
        ("t=10,20", 10, 20),
        ("t=,20", 0, 20),
        ("t=10", 10, INFINITY),
        ("t=npt:10,20", 10, 20),
        ("t=npt:,121.5", 0, 121.5),
        ("t=0:02:00,121.5", 120, 121.5),
        ("t=npt:120,0:02:01.5", 120, 121.5),
        ("t=02:00,1:00:00", 120, 3600),
    ],
)
def test_a_span_is_read_as_the_w3c_says(fragment: str, start: float, end: float) -> None:
    assert parse_span(fragment) == (start, end)


@pytest.mark.parametrize("fragment", ["t=", "t=a", "t=3,2", "t=2,2", "t=-1", "t=1,2,3", "t=1e3", "t=smpte:0:0:0:1"])
def test_what_is_no_span_is_refused(fragment: str) -> None:
    with pytest.raises(DataError, match=r"#t=.*; expected"):
        parse_span(fragment)


@given(st.floats(0, 1e4, allow_nan=False), st.floats(0.01, 1e4, allow_nan=False))
def test_seconds_come_back_as_they_were_written(start: float, length: float) -> None:
    found = parse_span(f"t={start:.6f},{start + length:.6f}")
    assert found == (float(f"{start:.6f}"), float(f"{start + length:.6f}"))


def test_a_span_behind_a_file_is_taken_off() -> None:
    assert parse_query("dir/a.mp4#t=1,2") == Asked("dir/a.mp4", False, 1, 2)
    assert parse_query("clip:a b.mp4#t=1") == Asked("a b.mp4", True, 1, INFINITY)


def test_a_file_with_a_span_in_its_name_is_that_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.mp4#t=1,2").touch()
    assert parse_query("a.mp4#t=1,2") == Asked("a.mp4#t=1,2", False)
    assert parse_query("a.mp4#t=1,2#t=3,4") == Asked("a.mp4#t=1,2", False, 3, 4)
    Path("clip:7").touch()
    assert parse_query("clip:7") == Asked("clip:7", False)


def test_a_sharp_in_a_name_is_no_span() -> None:
    assert parse_query("song #3.wav") == Asked("song #3.wav", False)
    assert parse_query("clip:C#") == Asked("C#", True)
