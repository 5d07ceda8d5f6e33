from pathlib import Path

import pytest

from pipeline.errors import DataError
from pipeline.formats.rejects import Reject, check_fraction, count_kinds, read, write

ROWS = [
    Reject("b.mp4", "logmel", "truncated", 'cut, "short"\nby half'),
    Reject("b.mp4", "frames", "truncated", "cut"),
    Reject("a.mp4", "logmel", "no_audio", "no sound"),
]


def test_rejects_survive_their_file_in_one_order(tmp_path: Path) -> None:
    write(tmp_path / "rejected.csv", ROWS)
    assert read(tmp_path / "rejected.csv") == [ROWS[2], ROWS[1], ROWS[0]]


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


@pytest.mark.parametrize("content", [b"clip_id,stage,kind,reason\n\xff", b"clip_id\na\n", b"a,b\n1,2\n"])
def test_a_damaged_list_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "rejected.csv").write_bytes(content)
    with pytest.raises(DataError, match=r"rejected.csv: .*; expected a list of refused clips that a stage wrote"):
        read(tmp_path / "rejected.csv")
