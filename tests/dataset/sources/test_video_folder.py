"""VideoFolder, the layout of the Hugging Face Hub: folders of splits and classes, or metadata files."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.dataset.base import DatasetParams
from pipeline.dataset.sources.video_folder import find_clips
from pipeline.errors import DataError, ParamsError
from pipeline.formats.clips import Clip
from tests.helpers.dataset_params import dataset_params


def params(path: Path, **changes: object) -> DatasetParams:
    return dataset_params(source="video_folder", path=path, **changes)


def make(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(name.encode())
    return root


def note(folder: Path, rows: list[dict[str, str]], kind: str = "csv") -> None:
    """Write the metadata of a folder; all rows have the columns of the first."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"metadata.{kind}"
    if kind == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    elif kind == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    else:
        path.write_text("".join(",".join(cells) + "\n" for cells in [[*rows[0]], *(row.values() for row in rows)]))


def row(name: str, label: str = "dog", **cells: str) -> dict[str, str]:
    return {"file_name": name, "label": label} | cells


PETS = ("train/dog/golden_retriever.mp4", "train/cat/bengal.mp4", "test/dog/pug.mp4", "test/cat/birman.mp4")


def said(clips: list[Clip]) -> list[tuple[str, str, str]]:
    return [(clip.path, clip.label, clip.split) for clip in clips]


def test_the_folders_say_the_split_and_the_class(tmp_path: Path) -> None:
    root, clips, refused = find_clips(params(make(tmp_path, *PETS)))
    assert (root, refused) == (tmp_path, [])
    assert said(clips) == [(name, name.split("/")[1], name.split("/")[0]) for name in sorted(PETS)]
    assert [clip.clip_id for clip in clips] == sorted(PETS)


@pytest.mark.parametrize(
    ("folder", "split"),
    [
        ("train", "train"),
        ("Training", "train"),
        ("validation", "validation"),
        ("valid", "validation"),
        ("val", "validation"),
        ("dev", "validation"),
        ("testing", "test"),
        ("eval", "test"),
        ("EVALUATION", "test"),
    ],
)
def test_a_split_may_have_any_word_that_the_library_knows(folder: str, split: str, tmp_path: Path) -> None:
    clips = find_clips(params(make(tmp_path, *PETS, f"{folder}/dog/x.mp4"))).clips
    assert [clip.split for clip in clips if clip.path.endswith("x.mp4")] == [split]


def test_a_class_may_be_called_like_a_split(tmp_path: Path) -> None:
    clips = find_clips(params(make(tmp_path, *PETS, "train/test/1.mp4", "test/test/2.mp4"))).clips
    assert [(clip.label, clip.split) for clip in clips if clip.label == "test"] == [("test", "test"), ("test", "train")]


def test_what_lies_in_no_class_of_a_split_is_counted_in_a_line(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    others = ("train/lost.mp4", "extra/dog/1.mp4", "top.mp4", "README.md", "train/dog/notes.txt")
    assert len(find_clips(params(make(tmp_path, *PETS, *others))).clips) == 4
    line = capfd.readouterr().err
    assert "passed over 5 files (videos in no folder of a class 3, " in line
    assert ".md 1" in line


def test_a_video_that_lies_deeper_is_refused_as_its_class_is_ambiguous(tmp_path: Path) -> None:
    message = r"train/pets/dog/1\.mp4: deeper than SPLIT/CLASS/FILE, .*; expected no deeper folders, or a metadata file"
    with pytest.raises(DataError, match=message):
        find_clips(params(make(tmp_path, *PETS, "train/pets/dog/1.mp4")))


def test_without_labels_a_split_has_videos_at_any_depth(tmp_path: Path) -> None:
    clips = find_clips(params(make(tmp_path, "train/1.mp4", "train/a/b/2.mp4", "test/3.mp4"), labels="none")).clips
    assert said(clips) == [("test/3.mp4", "", "test"), ("train/1.mp4", "", "train"), ("train/a/b/2.mp4", "", "train")]


def test_a_split_of_train_alone_leaves_the_split_to_the_stage(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    found = find_clips(params(make(tmp_path, *PETS[:2]), fold=1))
    assert {clip.split for clip in found.clips} == {""}
    assert "all of its clips are train; the stage splits them" in capfd.readouterr().err


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_a_metadata_file_a_split_names_its_videos(kind: str, tmp_path: Path) -> None:
    note(tmp_path / "train", [row("1.mp4"), row("deep/2.mp4", "cat")], kind)
    note(tmp_path / "val", [row("3.mp4"), row("4.mp4", "cat")], kind)
    note(tmp_path / "test", [row("5.mp4"), row("6.mp4", "cat")], kind)
    assert said(find_clips(params(tmp_path)).clips) == [
        ("test/5.mp4", "dog", "test"),
        ("test/6.mp4", "cat", "test"),
        ("train/1.mp4", "dog", "train"),
        ("train/deep/2.mp4", "cat", "train"),
        ("val/3.mp4", "dog", "validation"),
        ("val/4.mp4", "cat", "validation"),
    ]


def test_one_metadata_file_for_all_takes_the_split_from_the_folders_of_the_files(tmp_path: Path) -> None:
    make(tmp_path, *PETS)
    note(tmp_path, [row(name, name.split("/")[1].upper()) for name in PETS])
    assert said(find_clips(params(tmp_path)).clips) == [
        (name, name.split("/")[1].upper(), name.split("/")[0]) for name in PETS
    ]


def test_metadata_without_splits_leaves_the_split_to_the_stage(tmp_path: Path) -> None:
    note(tmp_path, [row("1.mp4"), row("videos/2.mp4", "cat")])
    assert said(find_clips(params(tmp_path)).clips) == [("1.mp4", "dog", ""), ("videos/2.mp4", "cat", "")]


def test_a_column_of_splits_counts_where_folders_say_none(tmp_path: Path) -> None:
    note(tmp_path, [row("1.mp4", split="train"), row("2.mp4", "cat", split="test")])
    assert [clip.split for clip in find_clips(params(tmp_path)).clips] == ["train", "test"]


def test_a_column_of_splits_that_contradicts_the_folder_is_refused(tmp_path: Path) -> None:
    note(tmp_path / "train", [row("1.mp4", split="train"), row("2.mp4", "cat", split="test")])
    message = (
        r"metadata\.csv: line 3: split 'test' of 'train/2\.mp4'; expected 'train', the name of its folder, or nothing"
    )
    with pytest.raises(DataError, match=message):
        find_clips(params(tmp_path))


def test_labels_of_metadata_win_over_folders_and_what_it_does_not_name_is_counted(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    make(tmp_path, *PETS)
    note(tmp_path, [row(PETS[0], "retriever"), row(PETS[1], "bengal"), row(PETS[2], "pug")])
    assert [clip.label for clip in find_clips(params(tmp_path)).clips] == ["retriever", "bengal", "pug"]
    assert "passed over 1 videos in no row of the metadata, such as 'test/cat/birman.mp4'" in capfd.readouterr().err


def test_metadata_without_labels_needs_to_be_told_so(tmp_path: Path) -> None:
    make(tmp_path, *PETS)
    note(tmp_path, [{"file_name": name, "caption": "a pet"} for name in PETS])
    message = r"metadata\.csv: no label; expected a column label \(the folders .*, or -S dataset\.labels=none"
    with pytest.raises(DataError, match=message):
        find_clips(params(tmp_path))
    assert {clip.label for clip in find_clips(params(tmp_path, labels="none")).clips} == {""}


def test_a_file_that_leads_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    note(tmp_path / "train", [row("../../x.mp4"), row("1.mp4"), row("2.mp4", "cat")])
    refused = find_clips(params(tmp_path)).refused
    assert [(each.clip_id, each.kind) for each in refused] == [("../x.mp4", "outside_root")]


def test_a_file_that_two_rows_name_is_refused(tmp_path: Path) -> None:
    note(tmp_path, [row("1.mp4"), row("2.mp4", "cat"), row("./1.mp4")])
    with pytest.raises(DataError, match=r"line 4: '1\.mp4' stands in .*line 2 too; expected one row an event"):
        find_clips(params(tmp_path))


def test_two_metadata_files_in_a_folder_are_refused(tmp_path: Path) -> None:
    note(tmp_path, [row("1.mp4")])
    note(tmp_path, [row("1.mp4")], "jsonl")
    with pytest.raises(DataError, match=r"metadata\.csv and metadata\.jsonl; expected one metadata file"):
        find_clips(params(tmp_path))


def test_metadata_of_the_whole_and_of_a_split_is_refused(tmp_path: Path) -> None:
    note(tmp_path, [row("train/1.mp4")])
    note(tmp_path / "train", [row("1.mp4")])
    with pytest.raises(
        DataError, match=r"metadata files in it and in \['train'\]; expected one for all, or one a split"
    ):
        find_clips(params(tmp_path))


def test_a_split_without_metadata_beside_one_that_has_it_is_refused(tmp_path: Path) -> None:
    make(tmp_path, *PETS)
    note(tmp_path / "train", [row("dog/golden_retriever.mp4")])
    with pytest.raises(DataError, match=r"test: no metadata file, but .*train has one; expected one a split"):
        find_clips(params(tmp_path))


def test_a_folder_without_splits_or_metadata_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"folders \['cat', 'dog'\] and no metadata file; expected DIR/SPLIT/CLASS"):
        find_clips(params(make(tmp_path, "cat/1.mp4", "dog/1.mp4", ".train/x/1.mp4")))


def test_splits_without_classes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"0 videos of classes \[\]; expected DIR/SPLIT/CLASS.* or -S dataset.labels=none"
    ):
        find_clips(params(make(tmp_path, "train/1.mp4", "test/2.mp4")))


def test_a_split_without_its_other_side_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"splits \['train', 'validation'\]; expected train and test, with or without"):
        find_clips(params(make(tmp_path, *PETS[:2], "dev/dog/1.mp4")))


def test_a_fold_that_the_split_would_win_over_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match=r"dataset.fold=1: source 'video_folder' has its own split; expected null"):
        find_clips(params(make(tmp_path, *PETS), fold=1))
