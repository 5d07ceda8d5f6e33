"""The source `table`: what its columns mean, and what is refused."""

import os
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import DataError, ParamsError
from pipeline.formats.clips import Clip, read_clips, write_clips
from tests.helpers.clip_table import PLAIN, clips_of, found, write


def test_a_row_is_a_clip_with_what_its_columns_say(tmp_path: Path) -> None:
    header = ["label", "path", "speaker", "clip_id", "split", "source_id", "start", "end"]
    rows = [
        header,
        ["cat", "x/a.mp4", "Ann", "first", "Train", "film 1", "0.5", "3"],
        ["dog", "b.mp4", "Bob", "2", "TEST", "", "", ""],
    ]
    root, clips, refused = found(write(tmp_path / "videos.csv", rows))
    assert (root, refused) == (tmp_path, [])
    assert clips == [
        Clip(
            clip_id="first",
            path="x/a.mp4",
            label="cat",
            split="train",
            source_id="film 1",
            start_seconds=0.5,
            end_seconds=3,
        ),
        Clip(clip_id="2", path="b.mp4", label="dog", split="test"),
    ]


@pytest.mark.parametrize(
    ("word", "split"),
    [("train", "train"), ("val", "validation"), ("Valid", "validation"), ("VALIDATION ", "validation")],
)
def test_the_usual_words_for_a_split_are_known(word: str, split: str, tmp_path: Path) -> None:
    rows = [["path", "label", "split"], ["a", "cat", word], ["b", "dog", "test"], ["c", "dog", "train"]]
    assert clips_of(tmp_path, *rows)[0].split == split


def test_an_unknown_word_for_a_split_is_named_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"line 3: split 'dev'; expected one of \['train', 'test', 'val', 'valid'"):
        clips_of(tmp_path, ["path", "label", "split"], ["a", "cat", "train"], ["b", "dog", "dev"])


def test_a_split_without_a_test_side_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"splits \['train', 'validation'\]; expected train and test, or rows without"):
        clips_of(tmp_path, ["path", "label", "split"], ["a", "cat", "train"], ["b", "dog", "val"])


def test_rows_may_leave_the_split_to_the_stage(tmp_path: Path) -> None:
    clips = clips_of(tmp_path, ["path", "label", "split"], ["a", "cat", "test"], ["b", "dog", ""])
    assert [clip.split for clip in clips] == ["test", ""]


def test_a_fold_does_not_lose_against_a_split_in_silence(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", [["path", "label", "split"], ["a", "cat", "train"], ["b", "dog", "test"]])
    with pytest.raises(ParamsError, match=r"dataset.fold=1: source 'table' has its own split; expected null"):
        found(path, fold=1)
    assert found(write(path, PLAIN), fold=1).clips[0].split == ""


@pytest.mark.parametrize("path", ["../b.mp4", "/b.mp4", "x/../../b.mp4", "link.mp4", "linked/b.mp4"])
def test_a_path_that_leaves_the_tables_folder_is_refused(path: str, tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "x").mkdir(parents=True)
    (tmp_path / "b.mp4").touch()
    (root / "link.mp4").symlink_to(tmp_path / "b.mp4")
    (root / "linked").symlink_to(tmp_path)
    _, clips, refused = found(write(root / "videos.csv", [*PLAIN, [path, "dog"]]))
    assert [(row.clip_id, row.kind) for row in refused] == [(os.path.normpath(path), "outside_root")]
    assert [clip.path for clip in clips] == ["a.mp4", "b.mp4"]


def test_an_absolute_path_is_refused_even_inside_the_tables_folder(tmp_path: Path) -> None:
    refused = found(write(tmp_path / "videos.csv", [*PLAIN, [str(tmp_path / "c.mp4"), "dog"]])).refused
    assert [row.kind for row in refused] == ["outside_root"]


def test_a_path_that_comes_back_or_a_link_inside_is_fine(tmp_path: Path) -> None:
    (tmp_path / "link.mp4").symlink_to("a.mp4")
    clips = clips_of(tmp_path, *PLAIN, ["./x/../c.mp4", "dog"], ["link.mp4", "dog"])
    assert [clip.path for clip in clips] == ["a.mp4", "b.mp4", "c.mp4", "link.mp4"]


def test_a_row_whose_label_is_blank_is_refused(tmp_path: Path) -> None:
    refused = found(write(tmp_path / "videos.csv", [*PLAIN, ["c.mp4", " "]])).refused
    assert [(row.clip_id, row.stage, row.kind) for row in refused] == [("c.mp4", "dataset", "bad_label")]


def test_empty_cells_are_clips_without_a_label(tmp_path: Path) -> None:
    clips = clips_of(tmp_path, *PLAIN, ["c.mp4", ""])
    assert [clip.label for clip in clips] == ["cat", "dog", ""]


def test_a_table_without_labels_is_one_of_clips_that_are_their_own_pairs(tmp_path: Path) -> None:
    assert [clip.label for clip in clips_of(tmp_path, ["path"], ["a.mp4"], ["b.mp4"])] == ["", ""]


@pytest.mark.parametrize("column", ["class", "Category", "lable"])
def test_a_column_that_may_be_meant_as_labels_is_not_passed_over(column: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=rf"like a known one: '{column}' \(is it 'label'\?\); expected \['path'\]"):
        clips_of(tmp_path, ["path", column], ["a.mp4", "cat"], ["b.mp4", "dog"])


@pytest.mark.parametrize("label", ["cat|dog", "cat;dog"])
def test_a_cell_of_several_labels_is_refused_with_the_reason(label: str, tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"line 4: label '.*' joins several; expected one class a clip: what is relevant"
    ):
        clips_of(tmp_path, *PLAIN, ["c.mp4", label])


@pytest.mark.parametrize("times", [["", ""], ["1", "2"]], ids=["no times", "equal times"])
def test_a_file_of_two_labels_is_refused_unless_they_have_times_of_their_own(times: list[str], tmp_path: Path) -> None:
    header = ["path", "label", "start", "end"]
    with pytest.raises(DataError, match=r"line 3: 'a' is 'dog', and 'cat' in .*line 2, without times of two events"):
        clips_of(tmp_path, header, ["a", "cat", "1", "2"], ["./a", "dog", *times])


@pytest.mark.parametrize("n_events", [1, 12])
def test_rows_of_a_file_are_told_apart_as_comparing_every_pair_does(n_events: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(n_events)
    for _ in range(12):
        times = [("", "")] * (rng.random() < 0.3) + [(str(i), str(i + 1)) for i in range(n_events)]
        rows = [("a", rng.choice(["x", "y"], p=[0.9, 0.1]), *times[i]) for i in rng.permutation(len(times))]
        rows += [rows[0][:1] + rows[-1][1:]] * (rng.random() < 0.3)
        pairs = [(one, other) for i, one in enumerate(rows) for other in rows[:i]]
        is_wrong = any(
            one[2:] == other[2:] or (one[1] != other[1] and ("", "") in (one[2:], other[2:])) for one, other in pairs
        )
        table = [["path", "label", "start", "end"], *map(list, rows), ["b", "x", "", ""], ["c", "y", "", ""]]
        with pytest.raises(DataError, match="expected one") if is_wrong else nullcontext():
            clips_of(tmp_path, *table)


def test_a_row_that_comes_twice_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"line 4: 'a.mp4' stands in .*line 2 too; expected one row an event"):
        clips_of(tmp_path, *PLAIN, ["a.mp4", "cat"])


def test_events_of_one_file_have_names_of_their_own_and_one_source(tmp_path: Path) -> None:
    rows = [["path", "label", "start", "end"], ["a", "cat", "0", "2"], ["a", "dog", "2", "3.5"], ["b", "dog", "0", "1"]]
    clips = clips_of(tmp_path, *rows)
    assert [(clip.clip_id, clip.source_id) for clip in clips] == [("a#0.0-2.0", "a"), ("a#2.0-3.5", "a"), ("b", "")]
    write_clips(tmp_path / "clips.csv", clips)
    assert read_clips(tmp_path / "clips.csv") == clips


def test_a_clip_id_that_comes_twice_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"line 3: clip_id 'one' stands in .*line 2 too; expected it once"):
        clips_of(tmp_path, ["path", "label", "clip_id"], ["a", "cat", "one"], ["b", "dog", "one"])


@pytest.mark.parametrize("times", [["2", "1"], ["1", ""], ["-1", "2"], ["soon", "2"], ["0", "inf"], ["nan", "2"]])
def test_times_that_are_no_event_are_named(times: list[str], tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"line 2: start '.*', end '.*'; expected seconds, 0 <= start < end, or none"):
        clips_of(tmp_path, ["path", "label", "start", "end"], ["a", "cat", *times], ["b", "dog", "", ""])


@pytest.mark.parametrize("name", ["Split", "SPLIT", "spilt", " split", "   split   ", "splits", "split_name"])
def test_a_misspelt_column_is_an_error_not_a_split_forgotten(name: str, tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=rf"like a known one: '{name}' \(is it 'split'\?\); expected \['path'\], optional \['label', "
    ):
        clips_of(tmp_path, ["path", "label", name], ["a", "cat", "train"], ["b", "dog", "test"])


def test_a_column_with_a_name_of_its_own_is_passed_over(tmp_path: Path) -> None:
    header = ["path", "label", "clip", "endangered", "labels"]
    clips = clips_of(tmp_path, header, ["a", "cat", "1", "no", "all"], ["b", "dog", "2", "yes", "two"])
    assert [(clip.clip_id, clip.end_seconds) for clip in clips] == [("a", None), ("b", None)]


def test_a_missing_column_is_named_with_those_that_are_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"columns \['movie', 'label'\], missing \['path'\], like a known one: none"):
        clips_of(tmp_path, ["movie", "label"], ["a", "cat"], ["b", "dog"])


@pytest.mark.parametrize("name", ["path", "file_name", "filename", "video", "file"])
def test_the_column_of_paths_may_have_any_of_the_usual_names(name: str, tmp_path: Path) -> None:
    clips = clips_of(tmp_path, ["label", name], ["cat", "a.mp4"], ["dog", "b.mp4"])
    assert [(clip.path, clip.label) for clip in clips] == [("a.mp4", "cat"), ("b.mp4", "dog")]


def test_two_columns_that_may_be_the_paths_are_ambiguous(tmp_path: Path) -> None:
    message = r"columns \['path', 'video'\] may all be the paths of videos; expected one of \['path', 'file_name', "
    with pytest.raises(DataError, match=message):
        clips_of(tmp_path, ["path", "label", "video"], ["a", "cat", "1"], ["b", "dog", "2"])


@pytest.mark.parametrize(("name", "meant"), [("Video", "video"), ("file name", "filename"), ("Filename", "filename")])
def test_a_misspelt_column_of_paths_is_told_its_name(name: str, meant: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=rf"like a known one: '{name}' \(is it '{meant}'\?\)"):
        clips_of(tmp_path, ["label", name], ["cat", "a"], ["dog", "b"])


def test_a_column_that_comes_twice_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"columns \['label'\] come twice"):
        clips_of(tmp_path, ["path", "label", "label"], ["a", "cat", "dog"])


@pytest.mark.parametrize("fields", [["c.mp4", "cat", "train"], ["c.mp4"]])
def test_a_row_of_another_length_is_named(fields: list[str], tmp_path: Path) -> None:
    with pytest.raises(DataError, match=rf"line 5: {len(fields)} fields; expected 2, as the header has"):
        clips_of(tmp_path, *PLAIN, [], fields)


def test_a_row_without_a_path_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"line 2: path ''; expected the path of a video"):
        clips_of(tmp_path, ["path", "label"], ["", "cat"], ["b", "dog"])


@pytest.mark.parametrize("odd", ["a\0", "\x1b[31ma", "a\nb", "a\x85", "\u2028"])
@pytest.mark.parametrize("column", ["path", "label", "clip_id", "source_id"])
def test_a_control_character_in_a_cell_is_refused_and_not_shown(column: str, odd: str, tmp_path: Path) -> None:
    row = {"path": "a", "label": "cat", "clip_id": "1", "source_id": "x"} | {column: odd}
    with pytest.raises(
        DataError, match=rf"line \d: {column} '.*' holds U\+[0-9A-F]{{4}}; expected no control character"
    ):
        clips_of(tmp_path, list(row), list(row.values()))


def test_a_cell_that_is_too_long_is_refused(tmp_path: Path) -> None:
    message = r"line 2: label 'x+'... has 10001 characters; expected at most limits.text_characters=10000"
    with pytest.raises(DataError, match=message):
        clips_of(tmp_path, ["path", "label"], ["a", "x" * 10_001])


def test_one_class_is_not_enough(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"1 videos of classes \['cat'\]; expected FILE"):
        clips_of(tmp_path, ["path", "label"], ["a.mp4", "cat"])
