import os
from pathlib import Path

import pytest

from pipeline.dataset.base import DatasetParams, source_module
from pipeline.dataset.labels import similar_labels
from pipeline.dataset.layouts import class_folders
from pipeline.dataset.sources.folder import find_clips
from pipeline.errors import DataError, ParamsError
from pipeline.formats import rejects
from pipeline.formats.clips import read_clips, write_clips
from pipeline.settings.limits import load_limits
from tests.helpers.dataset_params import dataset_params


def params(path: Path | None) -> DatasetParams:
    return dataset_params(source="folder", path=path)


def make(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(name.encode())
    return root


def test_a_folder_is_a_class_and_every_known_kind_of_video_a_clip(tmp_path: Path) -> None:
    endings = (".mkv", ".webm", ".avi", ".m4v", ".mpg", ".MPEG", ".ts", ".mts", ".m2ts", ".ogv", ".3gp", ".flv", ".wmv")
    names = ["cat/1.mp4", "cat/2.MOV", *sorted(f"dog/3{ending}" for ending in endings)]
    root, clips, _ = find_clips(params(make(tmp_path, *names)))
    assert root == tmp_path
    assert [(clip.clip_id, clip.path, clip.label) for clip in clips] == [(n, n, n.split("/")[0]) for n in names]


def test_what_is_no_video_of_a_class_is_passed_over(tmp_path: Path) -> None:
    names = ["cat/1.mp4", "dog/1.mp4", "top.mp4", "cat/notes.txt", "cat/.2.mp4", ".old/3.mp4", "cat/.x/4.mp4"]
    _, clips, refused = find_clips(params(make(tmp_path, *names)))
    assert [clip.clip_id for clip in clips] == ["cat/1.mp4", "dog/1.mp4"]
    assert refused == []


def test_a_class_is_the_first_folder_and_its_videos_lie_at_any_depth(tmp_path: Path) -> None:
    names = ["cat/1.mp4", "cat/wild/2.mp4", "dog/a/b/c/3.mp4"]
    clips = find_clips(params(make(tmp_path, *names))).clips
    assert [(clip.clip_id, clip.label) for clip in clips] == [*zip(names, ("cat", "cat", "dog"), strict=True)]


def test_what_is_passed_over_is_counted_by_its_ending_in_a_line(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    others = ["cat/a.TXT", "dog/b/c.txt", "dog/d.gif", "top.mp4", "cat/README", "cat/e.json"]
    find_clips(params(make(tmp_path, "cat/1.mp4", "dog/1.mp4", *others)))
    said = capfd.readouterr().err
    assert said.startswith(f"dataset: {tmp_path}: passed over 6 files (.txt 2, ")
    assert said.endswith(", such as 'cat/README'\n")
    assert said.count("\n") == 1
    counts = (".gif 1", ".json 1", "without an ending 1", "videos in no folder of a class 1")
    assert [count for count in counts if count not in said] == []


def test_the_line_about_what_is_passed_over_is_short_and_can_be_printed(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    make(tmp_path, "cat/1.mp4", "dog/1.mp4", *(f"cat/{i}.{i}" for i in range(20)), "cat/\x1b[31m.txt")
    (tmp_path / "cat" / os.fsdecode(b"\xff.txt")).touch()
    find_clips(params(tmp_path))
    said = capfd.readouterr().err
    assert "passed over 22 files (.txt 2, .0 1, .1 1, .10 1, .11 1, ...), such as" in said
    assert said.strip().isprintable()


def test_where_all_files_are_clips_there_is_no_such_line(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    find_clips(params(make(tmp_path, "cat/1.mp4", "dog/a/1.mp4")))
    assert capfd.readouterr().err == ""


def test_a_loop_of_links_ends_and_a_folder_has_its_own_name(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    make(tmp_path, "cat/1.mp4", "dog/a/2.mp4")
    (tmp_path / "ape").symlink_to("dog")
    (tmp_path / "cat/loop").symlink_to(tmp_path)
    (tmp_path / "dog/a/up").symlink_to("..")
    assert [clip.clip_id for clip in find_clips(params(tmp_path)).clips] == ["cat/1.mp4", "dog/a/2.mp4"]
    assert "3 folders are read under another name, such as 'ape'" in capfd.readouterr().err


def test_of_two_links_to_a_folder_elsewhere_the_first_is_its_name(tmp_path: Path) -> None:
    make(tmp_path, "elsewhere/1.mp4", "root/dog/1.mp4")
    for name in ("bird", "cat"):
        (tmp_path / "root" / name).symlink_to(tmp_path / "elsewhere")
    assert [clip.clip_id for clip in find_clips(params(tmp_path / "root")).clips] == ["bird/1.mp4", "dog/1.mp4"]


def test_more_files_than_the_limit_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limits = load_limits().model_copy(update={"table_rows": 3})
    monkeypatch.setattr(class_folders, "load_limits", lambda: limits)
    with pytest.raises(DataError, match=r"4 files and folders or more; expected at most limits.table_rows=3"):
        find_clips(params(make(tmp_path, "cat/1.mp4", "dog/1.mp4")))


@pytest.mark.parametrize("names", [("train", "test"), ("Training", "dev", "cat")])
def test_classes_with_the_names_of_splits_are_refused(names: tuple[str, ...], tmp_path: Path) -> None:
    root = make(tmp_path, *(f"{name}/dog/1.mp4" for name in names), *(f"{name}/cat/1.mp4" for name in names))
    message = r"its folders \['.*'\] have the names of splits; expected a folder a class, or -S .*=video_folder"
    with pytest.raises(DataError, match=message):
        find_clips(params(root))


@pytest.mark.parametrize("names", [("test", "dog"), ("train", "ship"), ("test", "val", "dog")])
def test_a_class_may_be_called_test_or_train(names: tuple[str, ...], tmp_path: Path) -> None:
    clips = find_clips(params(make(tmp_path, *(f"{name}/1.mp4" for name in names)))).clips
    assert {clip.label for clip in clips} == set(names)


def test_without_classes_folders_of_splits_are_not_used_in_silence(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    root = make(tmp_path, "train/1.mp4", "test/2.mp4")
    clips = find_clips(dataset_params(source="folder", path=root, labels="none")).clips
    assert {clip.split for clip in clips} == {""}
    assert "folders ['test', 'train'] have the names of splits, which are not used; -S" in capfd.readouterr().err


def test_what_has_the_name_of_a_video_but_is_no_file_is_refused(tmp_path: Path) -> None:
    make(tmp_path, "cat/1.mp4", "dog/1.mp4")
    (tmp_path / "cat/2.mp4").mkdir()
    os.mkfifo(tmp_path / "cat/3.mp4")
    (tmp_path / "dog/4.mp4").symlink_to("nowhere.mp4")
    (tmp_path / "dog/5.mp4").symlink_to("5.mp4")
    _, clips, refused = find_clips(params(tmp_path))
    assert [(row.clip_id, row.stage, row.kind) for row in refused] == [
        ("cat/2.mp4", "dataset", "unreadable"),
        ("cat/3.mp4", "dataset", "unreadable"),
        ("dog/4.mp4", "dataset", "missing"),
        ("dog/5.mp4", "dataset", "missing"),
    ]
    assert refused[2].reason == "clip 'dog/4.mp4': a link to 'nowhere.mp4', which is not there; expected a file"
    assert [clip.clip_id for clip in clips] == ["cat/1.mp4", "dog/1.mp4"]


def test_a_class_that_is_a_link_to_nowhere_is_refused_not_forgotten(tmp_path: Path) -> None:
    make(tmp_path, "cat/1.mp4", "dog/1.mp4")
    (tmp_path / "rain").symlink_to("unmounted")
    assert [(row.clip_id, row.kind) for row in find_clips(params(tmp_path)).refused] == [("rain", "missing")]


def test_a_link_to_a_video_is_a_clip(tmp_path: Path) -> None:
    make(tmp_path, "cat/1.mp4", "dog/1.mp4", "elsewhere")
    (tmp_path / "dog/2.mp4").symlink_to(tmp_path / "elsewhere")
    assert [clip.clip_id for clip in find_clips(params(tmp_path)).clips] == ["cat/1.mp4", "dog/1.mp4", "dog/2.mp4"]


def test_a_name_that_is_no_utf8_is_refused_in_letters_that_can_be_written(tmp_path: Path) -> None:
    make(tmp_path, "cat/1.mp4", "dog/1.mp4")
    (tmp_path / "dog" / os.fsdecode(b"\xff2.mp4")).touch()
    refused = find_clips(params(tmp_path)).refused
    assert [(row.clip_id, row.kind) for row in refused] == [("dog/\\xff2.mp4", "bad_name")]
    rejects.write(tmp_path / "rejected.csv", refused)
    assert rejects.read(tmp_path / "rejected.csv") == refused


@pytest.mark.parametrize(
    "name", ["=1+1", "'=1", "+a", "@a", "-a", 'a "b", c', "\u00e9t\u00e9 \U0001f415", " a ", "'", "#;|"]
)
def test_clips_with_odd_names_survive_clips_csv(name: str, tmp_path: Path) -> None:
    make(tmp_path, f"{name}/{name}.mp4", "plain/1.mp4")
    clips = find_clips(params(tmp_path)).clips
    assert {clip.path for clip in clips} == {f"{name}/{name}.mp4", "plain/1.mp4"}
    write_clips(tmp_path / "clips.csv", clips)
    assert read_clips(tmp_path / "clips.csv") == sorted(clips, key=lambda clip: clip.clip_id)


@pytest.mark.parametrize("name", ["a\nb", "a\rb", "\x1b]0;a\x07", "a\x85b", "a\u2028b"])
def test_a_name_with_a_control_character_is_refused_in_letters_that_can_be_printed(name: str, tmp_path: Path) -> None:
    make(tmp_path, f"{name}/1.mp4", f"cat/{name}.mp4", "cat/1.mp4", "dog/1.mp4")
    _, clips, refused = find_clips(params(tmp_path))
    assert [clip.clip_id for clip in clips] == ["cat/1.mp4", "dog/1.mp4"]
    assert [row.kind for row in refused] == ["bad_name", "bad_name"]
    rejects.write(tmp_path / "rejected.csv", refused)
    assert rejects.read(tmp_path / "rejected.csv") == refused
    assert (tmp_path / "rejected.csv").read_text().replace("\n", "").isprintable()


def test_labels_that_differ_in_case_or_white_space_are_grouped() -> None:
    labels = ["dog", "Dog", "cat", "dog ", "car horn", "carhorn", "Car\tHorn", "cat"]
    assert similar_labels(labels) == [("Car\tHorn", "car horn", "carhorn"), ("Dog", "dog", "dog ")]


@pytest.mark.parametrize(
    "labels",
    [("cafe\u0301", "caf\u00e9"), ("1", "1.0"), ("01", "1")],
    ids=["accents", "floats", "zeros"],
)
def test_labels_that_look_the_same_or_are_one_number_are_grouped(labels: tuple[str, str]) -> None:
    assert similar_labels([*labels, "2", "nan", "x"]) == [labels]


@pytest.mark.parametrize("source", ["folder", "table", "vegas", "vggsound"])
def test_a_protocol_left_over_from_another_source_is_refused(source: str, tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match=rf"dataset.protocol='cml': source '{source}' has none; expected null"):
        source_module(source).find_clips(dataset_params(source=source, path=tmp_path, protocol="cml"))


def test_no_path_says_how_to_give_one() -> None:
    with pytest.raises(ParamsError, match=r"dataset.path is null; expected -S dataset.path=..., for DIR/CLASS/\*.mp4"):
        find_clips(params(None))


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"dataset.path=.*nowhere: no such folder .*expected DIR/CLASS/\*.mp4"):
        find_clips(params(tmp_path / "nowhere"))


def test_one_class_is_not_enough(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"2 videos of classes \['cat'\]; expected .* two classes or more"):
        find_clips(params(make(tmp_path, "cat/1.mp4", "cat/2.mp4")))


def test_without_labels_clips_lie_at_any_depth(tmp_path: Path) -> None:
    names = ["1.mp4", "cat/2.mov", "cat/deep/er/3.mkv", "cat/notes.txt", ".old/4.mp4", "z/.5.mp4"]
    _, clips, refused = find_clips(dataset_params(source="folder", path=make(tmp_path, *names), labels="none"))
    assert [(clip.clip_id, clip.label) for clip in clips] == [(name, "") for name in names[:3]]
    assert refused == []


def test_a_link_to_a_folder_above_is_read_once(tmp_path: Path) -> None:
    make(tmp_path, "a/1.mp4", "b/2.mp4")
    (tmp_path / "a/loop").symlink_to(tmp_path)
    (tmp_path / "c").symlink_to("b")
    _, clips, _ = find_clips(dataset_params(source="folder", path=tmp_path, labels="none"))
    assert [clip.clip_id for clip in clips] == ["a/1.mp4", "b/2.mp4"]


def test_what_only_looks_like_a_video_is_refused_without_labels_too(tmp_path: Path) -> None:
    make(tmp_path, "deep/1.mp4")
    (tmp_path / "deep/2.mp4").symlink_to("nowhere.mp4")
    _, clips, refused = find_clips(dataset_params(source="folder", path=tmp_path, labels="none"))
    assert [(row.clip_id, row.kind) for row in refused] == [("deep/2.mp4", "missing")]
    assert [clip.clip_id for clip in clips] == ["deep/1.mp4"]


def test_a_folder_without_a_video_is_refused_without_labels_too(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no video; expected files \*\.mp4 .*, at any depth"):
        find_clips(dataset_params(source="folder", path=make(tmp_path, "notes.txt"), labels="none"))


def test_videos_without_a_class_are_told_of_the_way_without_labels(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"0 videos of classes \[\]; expected .* -S dataset.labels=none"):
        find_clips(params(make(tmp_path, "1.mp4", "2.mp4")))


def test_an_unknown_source_lists_the_known_ones() -> None:
    with pytest.raises(ParamsError, match=r"dataset.source='tape'; expected one of \[.*'demo',.* 'folder'"):
        source_module("tape")
