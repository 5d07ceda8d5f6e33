import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from pipeline.dataset.feature_files.imported import Imported, clips_of
from pipeline.dataset.leakage import leakage_counts
from pipeline.dataset.sources.features import import_table
from pipeline.errors import DataError, ParamsError
from tests.helpers.dataset_params import dataset_params
from tests.helpers.feature_files import write_f, write_h5


def read(path: Path) -> Imported:
    return import_table(dataset_params(source="features", path=path))


@pytest.mark.parametrize("with_places", [True, False])
def test_a_video_is_the_mean_over_all_its_seconds_and_places(tmp_path: Path, with_places: bool) -> None:
    arrays = write_f(tmp_path, n=70, with_places=with_places)  # more than one block
    table = read(tmp_path).table
    for i, clip_id in enumerate(table.clip_ids):
        row = int(clip_id.partition("_")[0])
        for mean, name in ((table.audio[i], "audio_feature"), (table.visual[i], "visual_feature")):
            vectors = arrays[name][row].reshape(-1, len(mean)).astype(np.float64)
            np.testing.assert_array_equal(mean, (vectors.sum(axis=0) / len(vectors)).astype(np.float32))


def test_the_order_files_are_the_splits_and_what_they_do_not_name_is_left_out(tmp_path: Path) -> None:
    arrays = write_f(tmp_path)
    write_h5(tmp_path / "val_order.h5", {"order": arrays["val_order"][:-1]})
    table = read(tmp_path).table
    rows = [int(clip_id.partition("_")[0]) for clip_id in table.clip_ids]
    assert rows == [*arrays["train_order"], *arrays["val_order"][:-1], *arrays["test_order"]]
    sizes = {"train": len(arrays["train_order"]), "validation": 3, "test": len(arrays["test_order"])}
    assert {split: table.splits.count(split) for split in sizes} == sizes


def test_the_class_is_that_of_the_event_and_has_its_name(tmp_path: Path) -> None:
    write_f(tmp_path)
    table = read(tmp_path).table
    names = {int(i[:2]): table.classes[label] for i, label in zip(table.clip_ids, table.labels, strict=True)}
    assert names == {row: ["Violin, fiddle", "Bark"][row % 2] for row in range(24)}
    assert table.classes == ["Bark", "Violin, fiddle"]


def test_two_rows_of_one_recording_are_seen_as_a_leak(tmp_path: Path) -> None:
    write_f(tmp_path)  # row 1 is in train, row 0 of the same video in test
    imported = read(tmp_path)
    assert leakage_counts(clips_of(imported))["test_same_source_id"] == 1
    assert {"00_video000001", "01_video000001"} <= set(imported.table.clip_ids)


def test_without_annotations_classes_are_numbers(tmp_path: Path) -> None:
    write_f(tmp_path, with_names=False)
    imported = read(tmp_path)
    assert imported.table.classes == ["0", "1"]
    assert set(imported.source_ids) == {""}
    assert "00" in imported.table.clip_ids


def without_event(root: Path, arrays: dict[str, Any], row: int) -> None:
    arrays["labels"][row] = np.eye(3)[2]
    write_h5(root / "labels.h5", {"avadataset": arrays["labels"]})


def test_a_video_without_an_event_has_the_class_of_the_annotations(tmp_path: Path) -> None:
    without_event(tmp_path, write_f(tmp_path), 5)
    imported = read(tmp_path)
    labels = dict(zip(imported.table.clip_ids, imported.table.labels, strict=True))
    assert imported.table.classes[labels["05_video000005"]] == "Bark"
    assert imported.refused == []


def test_a_video_without_an_event_or_annotations_is_refused(tmp_path: Path) -> None:
    arrays = write_f(tmp_path, with_names=False)
    without_event(tmp_path, arrays, 5)
    imported = read(tmp_path)
    assert [(row.clip_id, row.kind) for row in imported.refused] == [("05", "bad_label")]
    assert "labels.h5: no event, in any second; expected one class a video" in imported.refused[0].reason
    names = {"train": "train", "val": "validation", "test": "test"}
    kept = [(f"{row:02d}", names[name]) for name in names for row in arrays[f"{name}_order"] if row != 5]
    assert list(zip(imported.table.clip_ids, imported.table.splits, strict=True)) == kept
    assert len(imported.source_ids) == 23


@pytest.mark.parametrize("name", ["audio_feature", "visual_feature", "labels", "train_order", "test_order"])
def test_a_missing_file_is_named(name: str, tmp_path: Path) -> None:
    write_f(tmp_path)
    (tmp_path / f"{name}.h5").unlink()
    with pytest.raises(DataError, match=rf"schema F without \['{name}.h5'\]; expected audio_feature.h5 visual_feature"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("name", "axes", "message"),
    [
        ("audio_feature", (0, 2, 1), r"shape \(24, 4, 10\); .* its axis 2 has the 10 seconds of labels.h5"),
        ("audio_feature", (1, 0, 2), r"shape \(10, 24, 4\); .* its axis 1 has the 24 videos of labels.h5"),
        ("visual_feature", (0, 4, 2, 3, 1), r"shape \(24, 5, 7, 7, 10\); .* its axis 4 has the 10 seconds"),
        ("visual_feature", (0, 2, 3, 1, 4), r"shape \(24, 7, 7, 10, 5\); .* its axis 3 has the 10 seconds"),
        ("labels", (0, 2, 1), r"shape \(24, 3, 10\); .* its axis 2 has the seconds"),
    ],
)
def test_axes_in_another_order_are_refused_by_name(
    name: str, axes: tuple[int, ...], message: str, tmp_path: Path
) -> None:
    array = write_f(tmp_path)[name]
    write_h5(tmp_path / f"{name}.h5", {"avadataset": array.transpose(axes)})
    with pytest.raises(DataError, match=rf"{name}\.h5: avadataset: {message}"):
        read(tmp_path)


def test_every_file_is_in_the_provenance(tmp_path: Path) -> None:
    write_f(tmp_path)
    facts = read(tmp_path).table.provenance["imported"]
    files = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in tmp_path.iterdir()}
    assert (facts["schema"], facts["files"]) == ("F", files)
    assert len(files) == 7


def test_a_row_number_has_no_more_digits_than_the_last_one(tmp_path: Path) -> None:
    write_f(tmp_path, n=10, with_names=False)
    assert sorted(read(tmp_path).table.clip_ids) == [str(row) for row in range(10)]


def test_a_fold_that_would_change_nothing_is_refused(tmp_path: Path) -> None:
    write_f(tmp_path)
    with pytest.raises(ParamsError, match=r"dataset.fold=1; expected null: only schema D has folds"):
        import_table(dataset_params(source="features", path=tmp_path, fold=1))


def test_validation_is_optional(tmp_path: Path) -> None:
    write_f(tmp_path)
    (tmp_path / "val_order.h5").unlink()
    assert set(read(tmp_path).table.splits) == {"train", "test"}


def change(name: str, key: str, edit: Callable[[Any], Any]) -> Callable[[Path, dict[str, Any]], None]:
    """Write one of the files anew, its array edited."""

    def damage(root: Path, arrays: dict[str, Any]) -> None:
        write_h5(root / f"{name}.h5", {key: edit(arrays[name].copy())})

    return damage


def with_value(place: Any, value: float) -> Callable[[Any], Any]:  # noqa: ANN401 - an index of NumPy
    """An edit that sets one value."""

    def edit(array: Any) -> Any:  # noqa: ANN401 - any array
        array[place] = value
        return array

    return edit


BROKEN = {
    "NaN": (change("audio_feature", "avadataset", with_value((67, 4, 1), np.nan)), "avadataset: row 67 has NaN"),
    "flat": (change("visual_feature", "avadataset", lambda a: a[:, 0, 0, 0]), r"shape \(70, 5\); expected \(n, sec"),
    "a row of places": (change("visual_feature", "avadataset", lambda a: a[:, :, 0]), r"shape \(70, 10, 7, 5\); exp"),
    "audio of text": (
        change("audio_feature", "avadataset", lambda a: np.full(a.shape, b"x")),
        r"type \|S1, of shape \(70, 10, 4\); expected numbers",
    ),
    "complex": (
        change("audio_feature", "avadataset", lambda a: a.astype(complex)),
        "type complex128, of shape .*; expected numbers",
    ),
    "no rows": (change("audio_feature", "avadataset", lambda a: a[:0]), r"shape \(0, 10, 4\); expected \(n, seconds"),
    "no classes": (change("labels", "avadataset", lambda a: a[:, :, 2:]), r"shape \(70, 10, 1\); expected \(n, sec"),
    "one word": (change("labels", "avadataset", lambda _: "x"), "avadataset: not there, or no array"),
    "no order": (change("test_order", "order", lambda _: h5py.Empty(int)), "order: not there, or no array"),
    "key": (change("visual_feature", "features", lambda a: a), "avadataset: not there, or no array"),
    "short": (change("audio_feature", "avadataset", lambda a: a[:20]), "{'audio_feature.h5': 20, 'visual_feature.h5'"),
    "turned": (
        change("audio_feature", "avadataset", lambda a: a.transpose(2, 1, 0)),
        "audio_feature.h5: .* it looks transposed, its axis 2 has the 70 videos of labels.h5",
    ),
    "few labels": (change("labels", "avadataset", lambda a: a[:20]), "'labels.h5': 20}; expected the same number"),
    "text": (
        change("labels", "avadataset", lambda a: a.astype(int).astype("S1")),
        r"labels.h5: avadataset: type \|S1, of shape .*; expected numbers",
    ),
    "soft": (
        change("labels", "avadataset", lambda a: a * 0.5),
        r"the value at \(0, \d, 2\) is 0.5; expected 0 and 1 alone",
    ),
    "flat labels": (change("labels", "avadataset", lambda a: a[:, 0]), r"shape \(70, 3\); expected \(n, seconds"),
    "two classes": (
        change("labels", "avadataset", with_value((5, 0, 0), 1)),
        "row 5 has events of 2 classes; expected",
    ),
    "range": (change("train_order", "order", with_value(0, 70)), "row 70; expected 0 to 69, as there are 70 rows"),
    "twice": (
        change("train_order", "order", lambda a: np.array([*a, a[0]])),
        "train_order.h5: row 1 is in train already; expected each row in one file, once",
    ),
    "overlap": (change("val_order", "order", with_value(0, 1)), "val_order.h5: row 1 is in train already; expected"),
    "order of floats": (
        change("test_order", "order", lambda a: a.astype(float)),
        r"order has shape \(\d+,\) of float64; expected \(n,\) of integers",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_an_array_that_cannot_be_right_is_named(tmp_path: Path, case: str) -> None:
    damage, message = BROKEN[case]
    damage(tmp_path, write_f(tmp_path, n=70))  # more than one block
    with pytest.raises(DataError, match=message):
        read(tmp_path)


def test_a_byte_order_mark_in_the_annotations_is_no_row(tmp_path: Path) -> None:
    write_f(tmp_path)
    data = (tmp_path / "Annotations.txt").read_bytes()
    (tmp_path / "Annotations.txt").write_bytes(b"\xef\xbb\xbf" + data.replace(b"\n", b"\r\n"))
    assert read(tmp_path).table.classes == ["Bark", "Violin, fiddle"]


def test_annotations_in_another_encoding_are_named(tmp_path: Path) -> None:
    write_f(tmp_path)
    (tmp_path / "Annotations.txt").write_bytes(b"caf\xe9&x\n" * 24)
    with pytest.raises(DataError, match=r"Annotations.txt: .*; expected lines of category&ID&quality&start&end in"):
        read(tmp_path)


def test_empty_lines_in_the_annotations_are_passed_over(tmp_path: Path) -> None:
    write_f(tmp_path)
    text = (tmp_path / "Annotations.txt").read_text()
    (tmp_path / "Annotations.txt").write_text(text.replace("\n", "\n\n"))
    assert read(tmp_path).table.classes == ["Bark", "Violin, fiddle"]


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda lines: [*lines, lines[-1]], "25 rows; expected 24, one for each row of labels.h5"),
        (lambda lines: lines[:-1], "23 rows; expected 24, one for each row of labels.h5"),
        (
            lambda lines: [*lines[:-1], "Bark"],
            "line 25: 'Bark'; expected category&ID&quality",
        ),
        (
            lambda lines: [*lines[:-1], "Violin, fiddle&video000023&good&0&10"],
            "Annotations.txt and labels.h5 disagree",
        ),
        (lambda lines: [*lines[:-1], "Cello&video000023&good&0&10"], "Annotations.txt and labels.h5 disagree"),
        (
            lambda lines: [line.replace("Bark", "Violin, fiddle") for line in lines],
            "Annotations.txt and labels.h5 disag",
        ),
    ],
    ids=["a row more", "a row less", "no video", "another class", "two names for a class", "a name for two classes"],
)
def test_annotations_that_do_not_fit_are_refused(tmp_path: Path, edit: Any, message: str) -> None:  # noqa: ANN401 - a lambda
    write_f(tmp_path)
    lines = (tmp_path / "Annotations.txt").read_text().splitlines()
    (tmp_path / "Annotations.txt").write_text("\n".join(edit(lines)))
    with pytest.raises(DataError, match=message):
        read(tmp_path)
