from pathlib import Path

import pytest

from pipeline.errors import DataError
from pipeline.formats.rejects import Reject, check_fraction, count_kinds, read, write

ROWS = [
    Reject("b.mp4", "logmel", "truncated", 'cut, "short" by half'),
    Reject("b.mp4", "frames", "truncated", "cut"),
    Reject("a.mp4", "logmel", "no_audio", "no sound"),
]


def test_rejects_survive_their_file_in_one_order(tmp_path: Path) -> None:
    write(tmp_path / "rejected.csv", ROWS)
    assert read(tmp_path / "rejected.csv") == [ROWS[2], ROWS[1], ROWS[0]]


def test_a_reason_is_written_in_characters_that_can_be_printed(tmp_path: Path) -> None:
    write(tmp_path / "rejected.csv", [Reject("\x1b[31m", "logmel", "undecodable", "odd\r\n\0")])
    assert read(tmp_path / "rejected.csv") == [Reject("\\x1b[31m", "logmel", "undecodable", "odd\\r\\n\\x00")]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"clip_id,stage\n", r"columns \['clip_id', 'stage'\]; expected \['clip_id', 'stage', 'kind', 'reason'\]"),
        (b"clip_id,stage,kind,reason\na\n", r"row \['a', None, None, None\]; expected a cell for each of"),
        (b"clip_id,stage,kind,reason\na,b,c,d,e\n", r"row .*; expected a cell for each of"),
        (b"clip_id,stage,kind,reason\n\xff,b,c,d\n", "expected a table in CSV and UTF-8"),
        (b'clip_id,stage,kind,reason\n"a,b,c,d\n', "expected a table in CSV and UTF-8"),
    ],
)
def test_a_damaged_list_is_named(data: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "rejected.csv").write_bytes(data)
    with pytest.raises(DataError, match=rf"rejected\.csv: .*{message}"):
        read(tmp_path / "rejected.csv")


def test_a_list_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"No such file.*; expected a list of refused clips that a stage wrote"):
        read(tmp_path / "rejected.csv")


def test_a_clip_that_two_stages_refuse_for_one_reason_counts_once() -> None:
    assert list(count_kinds(ROWS).items()) == [("no_audio", 1), ("truncated", 1)]


def test_the_fraction_is_of_clips_not_of_rows() -> None:
    check_fraction(Path("rejected.csv"), ROWS, 10, max_fraction=0.2)
    with pytest.raises(DataError, match=r"^2 of 10 clips rejected"):
        check_fraction(Path("rejected.csv"), ROWS, 10, max_fraction=0.19)


def test_too_many_rejects_are_counted_by_kind_and_their_file_is_named() -> None:
    message = r"\(1 no_audio, 1 truncated\), such as truncated: cut.*; out/rejected.csv lists all"
    with pytest.raises(DataError, match=f"(?s){message}"):
        check_fraction(Path("out/rejected.csv"), ROWS, 10, max_fraction=0.1)


def test_no_reject_is_never_too_many() -> None:
    check_fraction(Path("rejected.csv"), [], 10, max_fraction=0.0)
