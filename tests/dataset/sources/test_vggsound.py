import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from pipeline.dataset.base import Found
from pipeline.dataset.sources.vggsound import find_clips
from pipeline.errors import DataError, ParamsError
from pipeline.formats.clips import Clip
from tests.helpers.dataset_params import dataset_params

ROWS = [
    ["--0PQM4-hqg", "30", "waterfall burbling", "train"],
    ["--0PQM4-hqg", "7", "waterfall burbling", "test"],
    ["_0a1B2c3D4e", "125", "female speech, woman speaking", "test"],
]


def found(root: Path, *rows: Sequence[str], **changes: Any) -> Found:  # noqa: ANN401 - whatever a user may write
    (root / "video").mkdir()
    with (root / "vggsound.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    return find_clips(dataset_params(source="vggsound", path=root, **changes))


def test_a_line_is_a_clip_of_ten_seconds_with_its_published_split(tmp_path: Path) -> None:
    root, clips, refused = found(tmp_path, *ROWS)
    assert (root, refused) == (tmp_path, [])
    assert clips[1] == Clip(
        clip_id="--0PQM4-hqg_000007",
        path="video/--0PQM4-hqg_000007.mp4",
        label="waterfall burbling",
        split="test",
        source_id="--0PQM4-hqg",
    )
    assert [clip.split for clip in clips] == ["train", "test", "test"]


def test_a_label_may_contain_a_comma(tmp_path: Path) -> None:
    assert found(tmp_path, *ROWS).clips[2].label == "female speech, woman speaking"


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        (["--0PQM4-hqg", "1", "female speech", " woman speaking", "test"], r"5 fields; expected 4"),
        (["../--0PQM4-hqg", "1", "dog", "test"], r"ID '../--0PQM4-hqg'; expected a YouTube ID: 11 letters"),
        (["--0PQM4-hqg", "1.5", "dog", "test"], r"start '1.5'; expected whole seconds"),
        (["--0PQM4-hqg", "1", " ", "test"], r"label ' '; expected the name of a class"),
        (["--0PQM4-hqg", "1", "dog", "val"], r"split 'val'; expected one of \['train', 'test'\]"),
        (["--0PQM4-hqg", "30", "dog", "test"], r"clip '--0PQM4-hqg_000030' stands in line 1 too; expected one line"),
    ],
)
def test_a_bad_line_is_named(row: list[str], problem: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=rf"vggsound.csv: line 4: {problem}"):
        found(tmp_path, *ROWS, row)


def test_one_class_is_not_enough(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"2 videos of classes \['waterfall burbling'\]; expected DIR/vggsound.csv"):
        found(tmp_path, *ROWS[:2])


@pytest.mark.parametrize("line", [b"--0PQM4-hqg,1,caf\xe9,test\n", b'--0PQM4-hqg,1,"cat,test\n'])
def test_a_file_in_another_encoding_or_with_an_open_quote_is_named(line: bytes, tmp_path: Path) -> None:
    (tmp_path / "video").mkdir()
    (tmp_path / "vggsound.csv").write_bytes(line)
    with pytest.raises(DataError, match=r"vggsound.csv: .*; expected lines of ID,start,label,split in UTF-8"):
        find_clips(dataset_params(source="vggsound", path=tmp_path))


def test_a_byte_order_mark_and_windows_line_ends_change_nothing(tmp_path: Path) -> None:
    expected = found(tmp_path, *ROWS).clips
    data = (tmp_path / "vggsound.csv").read_bytes()
    assert b"\r\n" in data
    (tmp_path / "vggsound.csv").write_bytes(b"\xef\xbb\xbf" + data)
    assert find_clips(dataset_params(source="vggsound", path=tmp_path)).clips == expected


def test_a_part_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"/video: missing; expected DIR/vggsound.csv .* and DIR/video/ID_SSSSSS.mp4"):
        find_clips(dataset_params(source="vggsound", path=tmp_path))


def test_a_fold_is_refused_as_the_split_is_published(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match=r"dataset.fold=1: source 'vggsound' has its own split"):
        found(tmp_path, *ROWS, fold=1)
