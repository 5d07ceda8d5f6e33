"""Exported HDF5 files of schema A, read with h5py and with our own importer."""

import json
import struct
import time
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.dataset.feature_files.export import write_schema_a
from pipeline.dataset.feature_files.imported import clips_of
from pipeline.dataset.sources.features import import_table
from pipeline.errors import DataError
from tests.helpers.dataset_params import dataset_params
from tests.helpers.feature_table import PROVENANCE, named_table


def test_a_reader_of_schema_a_finds_its_keys_and_all_that_is_not_test_in_train(tmp_path: Path) -> None:
    table = named_table()
    write_schema_a(table, tmp_path / "x.h5")
    is_test = np.array(table.splits) == "test"
    with h5py.File(tmp_path / "x.h5") as file:
        for side, rows in (("train", ~is_test), ("test", is_test)):
            np.testing.assert_array_equal(file[f"audio_{side}"][:], table.audio[rows])
            np.testing.assert_array_equal(file[f"visual_{side}"][:], table.visual[rows])
            np.testing.assert_array_equal(file[f"lab_{side}"][:], table.labels[rows])
            assert [i.decode() for i in file[f"clip_ids_{side}"][:]] == np.array(table.clip_ids)[rows].tolist()
        assert json.loads(file.attrs["classes"]) == table.classes
        assert json.loads(file.attrs["provenance"]) == PROVENANCE
        assert json.loads(file.attrs["scaling"]) == PROVENANCE["features"]


def test_our_importer_reads_the_same_table_back(tmp_path: Path) -> None:
    table = named_table()
    write_schema_a(table, tmp_path / "x.h5")
    back = import_table(dataset_params(path=tmp_path / "x.h5")).table
    assert back.provenance["imported"]["made_by"] == PROVENANCE
    assert {"clip_ids_train", "split_test"} < set(back.provenance["imported"]["keys"].split())
    split = dict(zip(back.clip_ids, back.splits, strict=True))
    assert [split[clip_id] for clip_id in table.clip_ids] == table.splits
    order = np.argsort(back.clip_ids)
    for name in ("clip_ids", "splits", "labels", "audio", "visual"):
        np.testing.assert_array_equal(np.array(getattr(back, name))[order], np.array(getattr(table, name)))
    assert back.classes == table.classes


@pytest.mark.parametrize(
    ("key", "values", "message"),
    [
        ("split_test", [b"train"] * 3, "split_test: 'train'; expected test"),
        ("clip_ids_test", [b"a", b"a", b"b"], "clip 'a' stands in 2 rows; expected one row a clip"),
        ("lab_test", [0, 1, 2], r"\.h5: label 2; expected 0 to 1, the classes that have names"),
        ("split_train", [b"train"] * 8, "'audio_train': 9, 'clip_ids_train': 9, 'split_train': 8}; expected the same"),
    ],
)
def test_names_that_cannot_be_right_are_refused(tmp_path: Path, key: str, values: list[bytes], message: str) -> None:
    write_schema_a(named_table(), tmp_path / "x.h5")
    with h5py.File(tmp_path / "x.h5", "a") as file:
        del file[key]
        file[key] = np.array(values)
    with pytest.raises(DataError, match=message):
        import_table(dataset_params(path=tmp_path / "x.h5"))


def test_numbers_as_names_keep_all_their_digits(tmp_path: Path) -> None:
    write_schema_a(named_table(), tmp_path / "x.h5")
    names = {"clip_ids_train": 1_000_000 + np.arange(9), "clip_ids_test": np.array([7.0, 8.5, 1e15])}
    with h5py.File(tmp_path / "x.h5", "a") as file:
        for key, values in names.items():
            del file[key]
            file[key] = values
    clip_ids = import_table(dataset_params(path=tmp_path / "x.h5")).table.clip_ids
    assert clip_ids == [*map(str, range(1_000_000, 1_000_009)), "7", "8.5", "1000000000000000"]


def test_names_in_utf8_are_read_whatever_encoding_the_file_claims(tmp_path: Path) -> None:
    write_schema_a(named_table(), tmp_path / "x.h5")
    names = [f"été {i}" for i in range(9)]
    with h5py.File(tmp_path / "x.h5", "a") as file:
        del file["clip_ids_train"]
        file["clip_ids_train"] = np.array([name.encode() for name in names])  # which h5py calls ASCII
    assert import_table(dataset_params(path=tmp_path / "x.h5")).table.clip_ids[:9] == names


@pytest.mark.parametrize("labels", [np.arange(12) % 3 - 1, np.full(12, -1)])
def test_clips_without_a_label_come_back_as_such(tmp_path: Path, labels: NDArray[np.int64]) -> None:
    classes = named_table().classes if labels.max() >= 0 else []
    write_schema_a(replace(named_table(), labels=labels, classes=classes), tmp_path / "x.h5")
    found = [clip.label for clip in clips_of(import_table(dataset_params(path=tmp_path / "x.h5")))]
    assert sorted(found) == sorted([*named_table().classes, ""][label] for label in labels.tolist())


def test_a_label_below_none_is_refused(tmp_path: Path) -> None:
    write_schema_a(named_table(), tmp_path / "x.h5")
    with h5py.File(tmp_path / "x.h5", "a") as file:
        file["lab_train"][2] = -2
    with pytest.raises(DataError, match=r"lab_train: row 2 is -2; expected a whole number from -1 on"):
        import_table(dataset_params(path=tmp_path / "x.h5"))


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("classes", "cat, dog", "attributes classes and provenance: .*; expected JSON"),
        ("provenance", 3, "attributes classes and provenance: .*; expected JSON"),
        ("classes", '["cat", "cat"]', r"attribute classes: \['cat', 'cat'\]; expected names, each once"),
        ("classes", "[1, 2]", r"attribute classes: \[1, 2\]; expected names, each once"),
        ("classes", '{"cat": 0, "dog": 1}', r"attribute classes: \{.*\}; expected names, each once"),
    ],
)
def test_an_attribute_that_cannot_be_right_is_named(tmp_path: Path, name: str, value: object, message: str) -> None:
    write_schema_a(named_table(), tmp_path / "x.h5")
    with h5py.File(tmp_path / "x.h5", "a") as file:
        file.attrs[name] = value
    with pytest.raises(DataError, match=message):
        import_table(dataset_params(path=tmp_path / "x.h5"))


def test_what_was_imported_says_how_it_was_scaled(tmp_path: Path) -> None:
    table = replace(named_table(), provenance={"imported": {"scaling": "as published"}})
    write_schema_a(table, tmp_path / "x.h5")
    with h5py.File(tmp_path / "x.h5") as file:
        assert json.loads(file.attrs["scaling"]) == "as published"


def test_the_time_of_writing_is_not_kept(tmp_path: Path) -> None:
    before = int(time.time())
    write_schema_a(named_table(), tmp_path / "x.h5")
    data = (tmp_path / "x.h5").read_bytes()
    assert not [second for second in range(before, int(time.time()) + 1) if struct.pack("<I", second) in data]
