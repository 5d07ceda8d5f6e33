import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from pipeline.errors import DataError
from pipeline.formats.embeddings import EmbeddedClips, Embeddings
from pipeline.formats.feature_table import METADATA_KEY, FeatureTable


def make() -> FeatureTable:
    rng = np.random.default_rng(0)
    return FeatureTable(
        clip_ids=["a", "b\n", "ü"],
        splits=["train", "test", "train"],
        labels=np.array([0, 1, 1]),
        classes=["cat", "dog"],
        audio=rng.random((3, 4), np.float32),
        visual=rng.random((3, 2), np.float32),
        provenance={"vggish": {"weights": "random", "seed": 0}},
    )


def test_a_table_survives_its_file(tmp_path: Path) -> None:
    make().save(tmp_path / "table")
    back = FeatureTable.load(tmp_path / "table")
    for name, value in vars(make()).items():
        np.testing.assert_array_equal(getattr(back, name), value)


def test_the_same_table_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in "ab":
        make().save(tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_views_into_other_arrays_keep_their_values_in_the_file(tmp_path: Path) -> None:
    wide = np.arange(18, dtype=np.float32).reshape(3, 6)
    replace(make(), audio=wide[:, ::2]).save(tmp_path / "t")
    np.testing.assert_array_equal(FeatureTable.load(tmp_path / "t").audio, wide[:, ::2])


def test_saving_a_table_copies_no_array(tmp_path: Path) -> None:
    table = replace(make(), audio=np.ones((3, 100_000), np.float32))
    tracemalloc.start()
    table.save(tmp_path / "x")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < table.audio.nbytes / 4


def test_a_split_has_its_own_rows() -> None:
    audio, visual, labels = make().rows("train")
    np.testing.assert_array_equal(audio, make().audio[[0, 2]])
    np.testing.assert_array_equal(visual, make().visual[[0, 2]])
    assert labels.tolist() == [0, 1]


def test_a_split_without_rows_is_named() -> None:
    with pytest.raises(DataError, match="no row of split 'validation'"):
        make().rows("validation")


def test_lengths_that_disagree_are_shown() -> None:
    with pytest.raises(DataError, match=r"'audio': 3, 'visual': 2}; expected the same number"):
        replace(make(), visual=np.zeros((2, 2), np.float32))


def test_a_modality_that_is_no_matrix_is_refused() -> None:
    with pytest.raises(DataError, match=r"audio of shape \(3,\); expected \(n, width\)"):
        replace(make(), audio=np.zeros(3, np.float32))


@pytest.mark.parametrize("labels", [[0, 1, 2], [0, -2, 1], [0.0, 1.0, 1.0]])
def test_labels_that_are_no_places_among_the_classes_are_refused(labels: list[float]) -> None:
    with pytest.raises(
        DataError, match=r"labels; expected whole numbers in 0\.\.1, places among the 2 classes, or -1 for none"
    ):
        replace(make(), labels=np.array(labels))


def test_a_clip_with_nan_is_named() -> None:
    visual = make().visual.copy()
    visual[1, 1] = np.nan
    with pytest.raises(DataError, match=r"clip 'b\\n': visual features with NaN or infinity"):
        replace(make(), visual=visual)


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "table").write_bytes(b"no table at all")
    with pytest.raises(DataError, match="expected a table that the stage `features` wrote"):
        FeatureTable.load(tmp_path / "table")
    save_file({"audio": np.zeros((1, 1), np.float32)}, tmp_path / "table", {METADATA_KEY: "no JSON"})
    with pytest.raises(DataError, match="expected a table that the stage `features` wrote"):
        FeatureTable.load(tmp_path / "table")


def test_a_table_of_an_earlier_version_says_how_it_is_made_again(tmp_path: Path) -> None:
    save_file({"audio": np.zeros((1, 1), np.float32)}, tmp_path / "table", {"table": '{"clip_ids": ["a"]}'})
    with pytest.raises(DataError, match=r"table: .*; `dvc repro` writes one of an earlier version again"):
        FeatureTable.load(tmp_path / "table")


def test_a_long_name_costs_its_length_once(tmp_path: Path) -> None:
    n, long = 20_000, "x" * 100_000
    rows = np.zeros((n, 1), np.float32)
    ids, labels = [long, *map(str, range(1, n))], np.zeros(n, np.int64)
    table = replace(make(), clip_ids=ids, splits=["test"] * n, labels=labels, classes=[long], audio=rows, visual=rows)
    tracemalloc.start()
    table.save(tmp_path / "table")
    EmbeddedClips(
        audio=rows[None], visual=rows[None], labels=labels, classes=[long], clip_ids=ids, splits=table.splits
    ).save(tmp_path / "e.npz")
    assert Embeddings.load(tmp_path / "e.npz").classes == FeatureTable.load(tmp_path / "table").classes == [long]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    for file in ("table", "e.npz"):
        assert (tmp_path / file).stat().st_size < 2 * len(long) + 64 * n
    assert peak < 100 * len(long)


def test_a_table_has_room_for_more_names_than_a_header_of_safetensors(tmp_path: Path) -> None:
    n, name = 1200, "n" * 100_000  # 120 MB, where a header may have 100
    ids, rows = [f"{name}{i}" for i in range(n)], np.zeros((n, 1), np.float32)
    labels = np.zeros(n, np.int64)
    replace(make(), clip_ids=ids, splits=["train"] * n, labels=labels, audio=rows, visual=rows).save(tmp_path / "t")
    assert FeatureTable.load(tmp_path / "t").clip_ids == ids
