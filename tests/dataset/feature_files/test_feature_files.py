import hashlib
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from pipeline.dataset.feature_files.imported import Imported, clips_of, with_splits_of
from pipeline.dataset.sources.features import import_table
from pipeline.dataset.splits import assign_splits
from pipeline.formats.clips import SPLITS
from pipeline.formats.feature_table import FeatureTable
from tests.helpers.dataset_params import dataset_params
from tests.helpers.feature_files import Pairs, arrays_a, arrays_b, arrays_c, make_pairs, write_h5
from tests.helpers.project import ROOT

PAIRS = make_pairs()


def read(path: Path, **changes: Any) -> Imported:  # noqa: ANN401 - whatever a user may write
    return import_table(dataset_params(source="features", path=path, **changes))


def assert_holds(table: FeatureTable, pairs: Pairs) -> None:
    """The table has the rows of both sides, train first where they are in two places."""
    for split, rows in (("train", pairs.is_train), ("test", ~pairs.is_train)):
        audio, visual, labels = table.rows(split)
        np.testing.assert_array_equal(audio, pairs.audio[rows])
        np.testing.assert_array_equal(visual, pairs.visual[rows])
        assert [table.classes[label] for label in labels] == [str(label) for label in pairs.labels[rows]]


@pytest.mark.parametrize("as_published", [lambda x: x, lambda x: x[:, None].astype(np.float64)], ids=["int", "float"])
def test_schema_a_has_the_split_in_its_keys(tmp_path: Path, as_published: Any) -> None:  # noqa: ANN401 - a lambda
    arrays = arrays_a(PAIRS)
    arrays |= {key: as_published(arrays[key]) for key in ("lab_train", "lab_test")}
    path = write_h5(tmp_path / "vegas.h5", arrays)
    table = read(path).table
    assert_holds(table, PAIRS)
    facts = table.provenance["imported"]
    assert (facts["schema"], facts["files"]) == ("A", {"vegas.h5": hashlib.sha256(path.read_bytes()).hexdigest()})


@pytest.mark.parametrize("key", ["Train_test", "Split"])
@pytest.mark.parametrize("kind", ["bytes", "text", "int", "column of floats"])
def test_schema_b_takes_its_split_in_any_spelling(tmp_path: Path, key: str, kind: str) -> None:
    spelt: dict[str, Any] = {
        "bytes": PAIRS.is_train.astype(int).astype("S1"),
        "text": [str(int(side)) for side in PAIRS.is_train],
        "int": PAIRS.is_train.astype(np.int64),
        "column of floats": PAIRS.is_train.astype(float)[:, None],
    }
    path = write_h5(tmp_path / "x.h5", arrays_b(PAIRS, key) | {key: spelt[kind]})
    assert_holds(read(path).table, PAIRS)
    assert read(path).table.provenance["imported"]["split"] == key


@pytest.mark.parametrize("given", ["folder", "train file", "test file"])
def test_schema_c_has_the_split_in_the_names_of_its_files(tmp_path: Path, given: str) -> None:
    files = {side: tmp_path / f"AVE_{side}.h5" for side in ("train", "test")}
    write_h5(files["train"], arrays_c(PAIRS, PAIRS.is_train))
    write_h5(files["test"], arrays_c(PAIRS, ~PAIRS.is_train))
    path = tmp_path if given == "folder" else files[given.split()[0]]
    assert_holds(read(path).table, PAIRS)


def test_schema_c_takes_a_validation_file_where_there_is_one(tmp_path: Path) -> None:
    parts = np.arange(36) // 12
    for i, name in enumerate(("train", "validation", "test")):
        write_h5(tmp_path / f"{name}.h5", arrays_c(PAIRS, parts == i))
    table = read(tmp_path).table
    for i, split in enumerate(SPLITS):
        np.testing.assert_array_equal(table.rows(split)[0], PAIRS.audio[parts == i])


@pytest.mark.parametrize("given", [".", "AVE_TRAIN.hdf5"])
def test_the_names_of_schema_c_may_be_spelt_in_any_case(tmp_path: Path, given: str) -> None:
    parts = np.arange(36) // 12
    for i, name in enumerate(("TRAIN", "Validation", "TEST")):
        write_h5(tmp_path / f"AVE_{name}.hdf5", arrays_c(PAIRS, parts == i))
    table = read(tmp_path / given).table
    assert [table.splits.count(split) for split in SPLITS] == [12, 12, 12]


def test_the_clips_stand_for_the_rows_and_hash_their_bytes(tmp_path: Path) -> None:
    imported = read(write_h5(tmp_path / "x.h5", arrays_b(PAIRS)))
    for i, clip in enumerate(clips_of(imported)):
        row = np.concatenate([PAIRS.audio[i], PAIRS.visual[i]])
        assert (clip.path, clip.label) == ("", str(PAIRS.labels[i]))
        assert clip.sha256 == hashlib.sha256(row.tobytes()).hexdigest()


def test_the_final_table_is_sorted_and_has_the_split_of_the_clips(tmp_path: Path) -> None:
    imported = read(write_h5(tmp_path / "x.h5", arrays_a(PAIRS)))
    clips = assign_splits(clips_of(imported), dataset_params())
    table = with_splits_of(imported.table, clips[::-1])
    assert table.clip_ids == sorted(imported.table.clip_ids)
    assert dict(zip(table.clip_ids, table.splits, strict=True)) == {clip.clip_id: clip.split for clip in clips}
    rows = [imported.table.clip_ids.index(clip_id) for clip_id in table.clip_ids]
    np.testing.assert_array_equal(table.visual, imported.table.visual[rows])
    np.testing.assert_array_equal(table.labels, imported.table.labels[rows])
    assert (np.array(table.splits) == "test").sum() == (~PAIRS.is_train).sum()


@pytest.mark.parametrize("given", ["folder", "test file"])
@pytest.mark.parametrize(
    "names",
    [
        ("Latest_train_set.h5", "Latest_test_set.h5"),
        ("contest-train.h5", "contest-test.h5"),
        ("trainFeatures.h5", "testFeatures.h5"),
        ("AVETrain.h5", "AVETest.h5"),
        ("retraining_trainset1.h5", "retraining_testset1.h5"),
        ("interval_TRAIN.h5", "interval_TEST.h5"),
    ],
)
def test_the_word_of_a_split_is_a_whole_word(names: tuple[str, str], given: str, tmp_path: Path) -> None:
    for name, rows in zip(names, (PAIRS.is_train, ~PAIRS.is_train), strict=True):
        write_h5(tmp_path / name, arrays_c(PAIRS, rows))
    (tmp_path / f"._{names[1]}").write_bytes(b"of another system")
    (tmp_path / f"{names[1]}.bak").write_bytes(b"of an editor")
    assert_holds(read(tmp_path if given == "folder" else tmp_path / names[1]).table, PAIRS)


CASES = ROOT / ".." / "shared" / "cases"


@pytest.mark.skipif(not CASES.exists(), reason="needs ../shared/cases")
def test_a_split_inside_another_word_does_not_count() -> None:
    table = read(CASES / "split_word_inside_a_word" / "Latest_train_set.h5").table
    assert (table.splits.count("train"), table.splits.count("test")) == (60, 30)


@pytest.mark.parametrize("name", ["classes", "provenance"])
@pytest.mark.parametrize("value", [3, ["a", "b", "c"], "by hand", b"\xff"], ids=["number", "array", "text", "bytes"])
def test_attributes_of_other_programs_do_no_harm(tmp_path: Path, name: str, value: Any) -> None:  # noqa: ANN401 - of any type
    path = write_h5(tmp_path / "x.h5", arrays_a(PAIRS))
    with h5py.File(path, "a") as file:
        file.attrs[name] = value
    assert read(path).table.classes == ["0", "1", "2"]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("dtype", [">f4", ">f8", "f2", "u1", ">i2"])
def test_numbers_of_any_type_come_as_float32(tmp_path: Path, dtype: str) -> None:
    audio = (10 * abs(PAIRS.audio)).astype(dtype)
    packed = {"chunks": (5, 2), "compression": "lzf", "shuffle": True}
    path = write_h5(tmp_path / "x.h5", {key: a for key, a in arrays_b(PAIRS).items() if key != "audio_feat"})
    with h5py.File(path, "a") as file:
        file.create_dataset("audio_feat", data=audio, **packed)
        labels = file["Label_ID"][:]
        del file["Label_ID"]
        file["Label_ID"] = labels.astype(dtype)[:, None]
    table = read(path).table
    assert table.audio.dtype == np.float32
    np.testing.assert_array_equal(table.audio, audio.astype(np.float64).astype(np.float32))
    assert [int(table.classes[label]) for label in table.labels] == PAIRS.labels.tolist()


SHARED = Path(__file__).parents[4] / "shared" / "data"


@pytest.mark.skipif(not SHARED.exists(), reason="the shared data are no part of the project")
@pytest.mark.parametrize(("name", "n_train"), [("fewshot", 180), ("newvoice", 1000)])
def test_real_files_of_schema_b_have_the_published_split(name: str, n_train: int) -> None:
    table = read(SHARED / f"avdigits_{name}.h5").table
    assert (len(table.clip_ids), table.splits.count("train")) == (1500, n_train)
    assert (table.audio.shape[1], table.visual.shape[1], len(table.classes)) == (128, 64, 10)
