"""Exported files, read with the libraries of their formats and with our own importer."""

import json
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import h5py
import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.dataset.feature_files.export import (
    export_run,
    write_embeddings_parquet,
    write_npz,
    write_parquet,
    write_schema_a,
)
from pipeline.dataset.sources.features import import_table
from pipeline.errors import DataError
from pipeline.formats.embeddings import EmbeddedClips
from pipeline.formats.feature_table import FeatureTable
from tests.helpers.dataset_params import dataset_params
from tests.helpers.project import ROOT

PROVENANCE = {"vggish": {"weights": "random"}, "features": {"audio_scaling": "none", "whiten": True}}


def make(n: int = 12) -> FeatureTable:
    rng = np.random.default_rng(0)
    return FeatureTable(
        clip_ids=[f"{'été' if i % 2 else 'cat'}/{i:03d}.mp4" for i in sorted(range(n), key=lambda i: (i % 2, i))],
        splits=[("train", "validation", "test", "train")[i % 4] for i in range(n)],
        labels=np.arange(n) % 2,
        classes=["cat", "été 🎺"],
        audio=rng.random((n, 4), np.float32),
        visual=rng.random((n, 3), np.float32),
        provenance=PROVENANCE,
    )


def test_a_reader_of_schema_a_finds_its_keys_and_all_that_is_not_test_in_train(tmp_path: Path) -> None:
    table = make()
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
    table = make()
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
    write_schema_a(make(), tmp_path / "x.h5")
    with h5py.File(tmp_path / "x.h5", "a") as file:
        del file[key]
        file[key] = np.array(values)
    with pytest.raises(DataError, match=message):
        import_table(dataset_params(path=tmp_path / "x.h5"))


names = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=20)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(st.lists(names, min_size=4, max_size=9, unique=True), st.sets(names, min_size=2, max_size=4), st.integers(0, 99))
def test_any_table_comes_back_from_every_format(clip_ids: list[str], classes: set[str], seed: int) -> None:
    rng, n = np.random.default_rng(seed), len(clip_ids)
    table = FeatureTable(
        clip_ids=clip_ids,
        splits=["train", "test", *rng.choice(["train", "validation", "test"], n - 2).tolist()],
        labels=np.concatenate([np.arange(len(classes)), rng.integers(0, len(classes), n)])[:n],
        classes=sorted(classes),
        audio=rng.normal(size=(n, 3)).astype(np.float32),
        visual=rng.normal(size=(n, 2)).astype(np.float32),
        provenance=PROVENANCE,
    )
    with TemporaryDirectory() as folder:
        h5, npz, parquet = (Path(folder) / f"x.{suffix}" for suffix in ("h5", "npz", "parquet"))
        write_schema_a(table, h5)
        write_npz(table, npz)
        write_parquet(table, parquet)
        imported = import_table(dataset_params(path=h5)).table
        rows = pq.read_table(parquet).to_pylist()
        with np.load(npz, allow_pickle=False) as file:
            arrays = {name: file[name] for name in ("clip_ids", "splits", "labels", "audio", "classes")}
    expected = {
        clip_id: (table.splits[i], table.classes[table.labels[i]], table.audio[i].tolist())
        for i, clip_id in enumerate(clip_ids)
    }
    facts = zip(imported.clip_ids, imported.splits, imported.labels, imported.audio, strict=True)
    assert {clip_id: (side, imported.classes[k], x.tolist()) for clip_id, side, k, x in facts} == expected
    assert {row["clip_id"]: (row["split"], row["label"], row["audio"]) for row in rows} == expected
    facts = zip(arrays["clip_ids"], arrays["splits"], arrays["labels"], arrays["audio"], strict=True)
    assert {clip_id: (side, arrays["classes"][k], x.tolist()) for clip_id, side, k, x in facts} == expected


def test_numbers_as_names_keep_all_their_digits(tmp_path: Path) -> None:
    write_schema_a(make(), tmp_path / "x.h5")
    names = {"clip_ids_train": 1_000_000 + np.arange(9), "clip_ids_test": np.array([7.0, 8.5, 1e15])}
    with h5py.File(tmp_path / "x.h5", "a") as file:
        for key, values in names.items():
            del file[key]
            file[key] = values
    clip_ids = import_table(dataset_params(path=tmp_path / "x.h5")).table.clip_ids
    assert clip_ids == [*map(str, range(1_000_000, 1_000_009)), "7", "8.5", "1000000000000000"]


def test_names_in_utf8_are_read_whatever_encoding_the_file_claims(tmp_path: Path) -> None:
    write_schema_a(make(), tmp_path / "x.h5")
    names = [f"été {i}" for i in range(9)]
    with h5py.File(tmp_path / "x.h5", "a") as file:
        del file["clip_ids_train"]
        file["clip_ids_train"] = np.array([name.encode() for name in names])  # which h5py calls ASCII
    assert import_table(dataset_params(path=tmp_path / "x.h5")).table.clip_ids[:9] == names


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
    write_schema_a(make(), tmp_path / "x.h5")
    with h5py.File(tmp_path / "x.h5", "a") as file:
        file.attrs[name] = value
    with pytest.raises(DataError, match=message):
        import_table(dataset_params(path=tmp_path / "x.h5"))


def test_what_was_imported_says_how_it_was_scaled(tmp_path: Path) -> None:
    table = replace(make(), provenance={"imported": {"scaling": "as published"}})
    write_schema_a(table, tmp_path / "x.h5")
    with h5py.File(tmp_path / "x.h5") as file:
        assert json.loads(file.attrs["scaling"]) == "as published"


def test_the_time_of_writing_is_not_kept(tmp_path: Path) -> None:
    before = int(time.time())
    write_schema_a(make(), tmp_path / "x.h5")
    data = (tmp_path / "x.h5").read_bytes()
    assert not [second for second in range(before, int(time.time()) + 1) if struct.pack("<I", second) in data]


def test_npz_holds_the_table_without_pickles(tmp_path: Path) -> None:
    table = make()
    write_npz(table, tmp_path / "x.npz")
    with np.load(tmp_path / "x.npz", allow_pickle=False) as file:
        for name in ("audio", "visual", "labels", "clip_ids", "splits", "classes"):
            np.testing.assert_array_equal(file[name], np.array(getattr(table, name)))
        assert json.loads(str(file["provenance"])) == PROVENANCE
        assert json.loads(str(file["scaling"])) == PROVENANCE["features"]


def test_parquet_holds_a_row_a_clip(tmp_path: Path) -> None:
    table = make()
    write_parquet(table, tmp_path / "x.parquet")
    read = pq.read_table(tmp_path / "x.parquet")
    rows = read.to_pylist()
    assert [row["clip_id"] for row in rows] == table.clip_ids
    assert [row["split"] for row in rows] == table.splits
    assert [row["label"] for row in rows] == [table.classes[label] for label in table.labels]
    np.testing.assert_array_equal(np.array([row["audio"] for row in rows], np.float32), table.audio)
    np.testing.assert_array_equal(np.array([row["visual"] for row in rows], np.float32), table.visual)
    assert json.loads(read.schema.metadata[b"provenance"]) == PROVENANCE


def embeddings(path: Path) -> EmbeddedClips:
    rng = np.random.default_rng(0)
    audio, visual = (rng.random((2, 3, 4)).astype(np.float32) for _ in range(2))
    names = {"clip_ids": ["a", "b", "c"], "splits": ["train", "test", "test"], "classes": ["x", "y"]}
    made = EmbeddedClips(audio=audio, visual=visual, labels=np.array([0, 1, 0]), **names)
    made.save(path)
    return made


def test_embeddings_have_a_row_a_seed_and_clip(tmp_path: Path) -> None:
    made = embeddings(tmp_path / "cca.npz")
    write_embeddings_parquet(tmp_path / "cca.npz", tmp_path / "cca.parquet")
    rows = pq.read_table(tmp_path / "cca.parquet").to_pylist()
    assert [(row["seed"], row["clip_id"]) for row in rows] == [(seed, name) for seed in (0, 1) for name in "abc"]
    for row in rows:
        place = row["seed"], "abc".index(row["clip_id"])
        np.testing.assert_array_equal(np.array(row["audio"], np.float32), made.audio[place])
        np.testing.assert_array_equal(np.array(row["visual"], np.float32), made.visual[place])
        assert (row["label"], row["split"]) == ("xyx"[place[1]], ["train", "test", "test"][place[1]])


@pytest.mark.parametrize("kind", ["other arrays", "a pickle", "half a file", "nothing"])
def test_a_file_without_embeddings_is_refused(kind: str, tmp_path: Path) -> None:
    if kind != "nothing":
        np.savez(tmp_path / "x.npz", audio=np.array([{}]) if kind == "a pickle" else np.ones(3))
    if kind == "half a file":
        (tmp_path / "x.npz").write_bytes((tmp_path / "x.npz").read_bytes()[:100])
    with pytest.raises(DataError, match=r"x\.npz: .*; expected embeddings that the stage `embed` wrote"):
        write_embeddings_parquet(tmp_path / "x.npz", tmp_path / "x.parquet")


def made_run(folder: Path) -> Path:
    """What a run leaves: features, and embeddings of two models, one of which is no longer trained."""
    (folder / "data" / "embeddings").mkdir(parents=True)
    make().save(folder / "data" / "features.safetensors")
    for name in ("cca", "struck_out"):
        embeddings(folder / "data" / "embeddings" / f"{name}.npz")
    return folder / "data"


def test_a_run_is_exported_with_the_models_that_are_trained_and_have_embeddings(tmp_path: Path) -> None:
    data, out = made_run(tmp_path), tmp_path / "a" / "b"
    assert export_run(data / "features.safetensors", data / "embeddings", ["cca", "dcca"], out) == (12, ["cca"])
    assert sorted(path.name for path in out.iterdir()) == [
        "cca.parquet",
        "features.h5",
        "features.npz",
        "features.parquet",
    ]
    assert pq.read_table(out / "features.parquet").num_rows == 12
    assert pq.read_table(out / "cca.parquet").num_rows == 6


def test_without_features_nothing_is_exported(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.safetensors: .*expected a table that the stage `features` wrote"):
        export_run(tmp_path / "none.safetensors", tmp_path, [], tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("words", [["-m", "pipeline", "export"], ["-m", "stages.export"]], ids=["avr", "older name"])
def test_the_command_exports_what_lies_in_data_or_elsewhere(tmp_path: Path, words: list[str]) -> None:
    made_run(tmp_path)
    (tmp_path / "params.yaml").write_text("models: {cca: baselines.cca}\n")
    moved = ["--features", "data/features.safetensors", "--embeddings", "nowhere"]
    for options, models in (([], "cca"), (moved, "no model")):
        command = [sys.executable, *words, "out", *options]
        done = subprocess.run(
            command, cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=True
        )
        assert done.stdout == f"out: 12 clips, embeddings of {models}\n"


def test_a_file_in_the_place_of_the_folder_is_named(tmp_path: Path) -> None:
    made_run(tmp_path)
    (tmp_path / "params.yaml").write_text("models: {cca: baselines.cca}\n")
    command = [sys.executable, "-m", "pipeline", "export", "params.yaml"]
    done = subprocess.run(command, cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (1, "avr: params.yaml: File exists\n")


@pytest.mark.parametrize("write", [write_schema_a, write_npz, write_parquet])
def test_the_same_table_gives_the_same_bytes(tmp_path: Path, write: Callable[[FeatureTable, Path], None]) -> None:
    for name, facts in (("a", PROVENANCE), ("b", dict(reversed(PROVENANCE.items())))):
        write(replace(make(), provenance=facts), tmp_path / f"{name}.npz")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
