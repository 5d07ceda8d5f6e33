"""Published feature files that cannot be right: what is wrong with them is named."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from pipeline.dataset.feature_files.imported import Imported
from pipeline.dataset.sources.features import import_table
from pipeline.errors import DataError, ParamsError
from tests.helpers.dataset_params import dataset_params
from tests.helpers.feature_files import arrays_a, arrays_b, arrays_c, make_pairs, write_h5

PAIRS = make_pairs()


def read(path: Path, **changes: Any) -> Imported:  # noqa: ANN401 - whatever a user may write
    return import_table(dataset_params(source="features", path=path, **changes))


def test_a_name_with_two_splits_is_refused(tmp_path: Path) -> None:
    write_h5(tmp_path / "train_test.h5", arrays_c(PAIRS, PAIRS.is_train))
    with pytest.raises(DataError, match=r"train_test\.h5: schema C, with test and train in its name; expected one"):
        read(tmp_path / "train_test.h5")


BROKEN: list[tuple[str, dict[str, Any], str]] = [
    ("NaN", {"audio_feat": np.where(np.arange(36)[:, None] == 5, np.nan, 1.0)}, "audio_feat: row 5 has NaN or inf"),
    ("inf", {"visual_feat": np.full((36, 3), 1e300)}, "visual_feat: row 0 has NaN or infinity; expected finite"),
    ("short", {"visual_feat": np.ones((35, 3))}, "'visual_feat': 35, 'Label_ID': 36}; expected the same number"),
    ("cube", {"audio_feat": np.ones((36, 2, 4))}, r"shape \(36, 2, 4\); expected numbers of shape \(n, width\)"),
    ("text", {"audio_feat": np.full((36, 4), b"x")}, r"audio_feat: type \|S1, of shape .*; expected numbers, whole or"),
    ("no width", {"audio_feat": np.ones((36, 0))}, r"audio_feat: shape \(36, 0\); expected numbers of shape"),
    ("deep", {"Label_ID": np.zeros((36, 1, 1))}, r"Label_ID: shape \(36, 1, 1\); expected numbers of shape"),
    ("endless", {"Label_ID": np.full(36, np.inf)}, "Label_ID: row 0 is inf; expected a whole number"),
    ("flags", {"audio_feat": np.ones((36, 4), bool)}, "audio_feat: type bool, of shape .*; expected numbers"),
    ("words", {"Label_ID": np.full(36, b"x")}, r"Label_ID: type \|S1, of shape \(36,\); expected numbers"),
    ("halves", {"Label_ID": np.full(36, 1.5)}, "Label_ID: row 0 is 1.5; expected a whole number from 0 on"),
    ("minus", {"Label_ID": np.arange(36) - 1}, "Label_ID: row 0 is -1; expected a whole number from 0 on"),
    ("no label", {"Label_ID": np.full(36, np.nan)}, "Label_ID: row 0 is nan; expected a whole number"),
    ("one-hot", {"Label_ID": np.eye(36)}, r"shape \(36, 36\); expected numbers of shape \(n,\) or \(n, 1\)"),
    ("labels in a row", {"Label_ID": np.zeros((1, 36))}, r"shape \(1, 36\); .*: it looks transposed, its axis 1 has"),
    (
        "columns",
        {"audio_feat": np.ones((4, 36)), "visual_feat": np.ones((3, 36))},
        "'Label_ID': 36}; .*: audio_feat and visual_feat look transposed, axis 1 has a clip a column",
    ),
    ("a column", {"audio_feat": np.ones((4, 36))}, "least one: audio_feat look transposed, axis 1 has a clip a column"),
    ("one class", {"Label_ID": np.zeros(36)}, r"x\.h5: classes \['0'\]; expected at least 2"),
    ("third side", {"Train_test": np.full(36, 2)}, r"Train_test: '2'; expected '1' \(train\) or '0' \(test\)"),
    ("no test", {"Train_test": np.ones(36)}, "Train_test: every row is train; expected rows of train and of test"),
    ("odd side", {"Train_test": np.ones(36, complex)}, "Train_test: complex128; expected text or numbers"),
    ("wide side", {"Train_test": np.ones((36, 2))}, r"Train_test: shape \(36, 2\); expected \(n,\) or \(n, 1\)"),
    ("few sides", {"Train_test": np.array([0, 1])}, "{'audio_feat': 36, 'Train_test': 2}; expected the same number"),
    ("one side", {"Train_test": "1"}, "Train_test: not there, or no array; expected an array under this key"),
    ("one number", {"audio_feat": 1.5}, "audio_feat: not there, or no array"),
    ("one word", {"Label_ID": "cat"}, "Label_ID: not there, or no array"),
    ("nothing", {"visual_feat": h5py.Empty("f4")}, "visual_feat: not there, or no array"),
    ("Latin sides", {"Train_test": np.full(36, b"\xe9")}, "Train_test: .*; expected text in UTF-8"),
    ("a link to nothing", {"Train_test": h5py.SoftLink("/gone")}, "Train_test: not there, or no array"),
]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("arrays", "message"), [row[1:] for row in BROKEN], ids=[row[0] for row in BROKEN])
def test_an_array_that_cannot_be_right_is_named(tmp_path: Path, arrays: dict[str, Any], message: str) -> None:
    path = write_h5(tmp_path / "x.h5", arrays_b(PAIRS) | arrays)
    with pytest.raises(DataError, match=message):
        read(path)


@pytest.mark.parametrize(
    ("gone", "message"),
    [
        ("lab_test", r"schema A without \['lab_test'\]; expected A: audio_train audio_test .*; B: audio_feat"),
        ("Train_test", r"schema B without \['Train_test'\]; .* where Train_test may be called Split"),
        ("featN2", r"schema C without \['featN2'\]"),
    ],
)
def test_a_missing_key_is_named_with_the_known_schemas(tmp_path: Path, gone: str, message: str) -> None:
    every = (arrays_a(PAIRS), arrays_b(PAIRS), arrays_c(PAIRS, PAIRS.is_train))
    arrays = next(arrays for arrays in every if gone in arrays)
    del arrays[gone]
    with pytest.raises(DataError, match=message):
        read(write_h5(tmp_path / "x_train.h5", arrays))


def test_unknown_keys_are_listed(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"keys \['mystery'\] are of no known schema; expected those of one: A: "):
        read(write_h5(tmp_path / "x.h5", {"mystery": np.ones(3)}))


def test_a_key_that_is_a_folder_is_named(tmp_path: Path) -> None:
    arrays = arrays_b(PAIRS)
    del arrays["audio_feat"]
    path = write_h5(tmp_path / "x.h5", arrays | {"audio_feat/inner": np.ones(3)})
    with pytest.raises(DataError, match="audio_feat: not there, or no array"):
        read(path)


def test_objects_are_never_unpickled(tmp_path: Path) -> None:
    path = write_h5(tmp_path / "x.h5", {key: a for key, a in arrays_b(PAIRS).items() if key != "Train_test"})
    with h5py.File(path, "a") as file:
        file.create_dataset("Train_test", (36,), h5py.vlen_dtype(np.uint8))[:] = [np.zeros(1, np.uint8)] * 36
    with pytest.raises(DataError, match="Train_test: object; expected text or numbers"):
        read(path)


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.h5").write_bytes(b"\x89HDF no more")
    with pytest.raises(DataError, match=r"x\.h5: .*; expected an HDF5 file"):
        read(tmp_path / "x.h5")


def test_sides_of_different_widths_are_refused(tmp_path: Path) -> None:
    arrays = arrays_a(PAIRS)
    with pytest.raises(DataError, match=r"visual of widths \[2, 3\]; expected one width in all splits"):
        read(write_h5(tmp_path / "x.h5", arrays | {"visual_test": arrays["visual_test"][:, :2]}))


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (
            ["train", "other"],
            "other.h5: schema C, with no split in its name; expected one file a split, each with one of the words",
        ),
        (
            ["train", "a_test", "b_test"],
            "b_test.h5: schema C, with test in its name, as a_test.h5 has; expected one file a split",
        ),
        (["train"], "schema C: no file with test in its name beside"),
    ],
)
def test_files_of_schema_c_whose_split_is_unclear_are_named(tmp_path: Path, names: list[str], message: str) -> None:
    for name in names:
        write_h5(tmp_path / f"{name}.h5", arrays_c(PAIRS, PAIRS.is_train))
    with pytest.raises(DataError, match=message):
        read(tmp_path)


def test_no_path_says_how_to_give_one() -> None:
    with pytest.raises(ParamsError, match=r"dataset.path is null; expected published features: -S dataset.path=FILE"):
        import_table(dataset_params(path=None))


def test_a_path_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere.h5: not there \(seen from"):
        read(tmp_path / "nowhere.h5")


def test_an_empty_folder_lists_what_could_be_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no features; expected vgg inception VEGAS_classes folds \(schema D\)"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"fold": 1}, "dataset.fold=1; expected null: only schema D has folds"), ({"protocol": "x"}, "protocol='x'")],
)
def test_a_choice_that_would_change_nothing_is_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ParamsError, match=message):
        read(write_h5(tmp_path / "x.h5", arrays_b(PAIRS)), **changes)
