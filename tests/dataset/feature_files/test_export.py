"""Exported files, read with the libraries of their formats and with our own importer."""

import json
import math
import re
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
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from pipeline.dataset.feature_files.export import (
    Seeds,
    export_run,
    write_embeddings_parquet,
    write_npz,
    write_parquet,
    write_schema_a,
    write_vectors_parquet,
)
from pipeline.dataset.sources.features import import_table
from pipeline.errors import DataError
from pipeline.formats.embeddings import EmbeddedClips
from pipeline.formats.feature_table import FeatureTable
from pipeline.formats.shards import Arrays, write_shards
from pipeline.formats.texts import unpack_texts
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
            arrays = {name: file[name] for name in ("labels", "audio")}
            arrays |= {name: unpack_texts(file, name) for name in ("clip_ids", "splits", "classes")}
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
        for name in ("audio", "visual", "labels"):
            np.testing.assert_array_equal(file[name], getattr(table, name))
        for name in ("clip_ids", "splits", "classes"):
            assert unpack_texts(file, name) == getattr(table, name)
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


def unit(row: NDArray[np.float32]) -> NDArray[np.float64]:
    return np.asarray(row / math.sqrt(sum(float(x) ** 2 for x in row)))


@pytest.mark.parametrize("seeds", ["first", "all"])
def test_embeddings_have_a_row_a_clip_of_length_1_or_one_a_seed_and_clip(seeds: Seeds, tmp_path: Path) -> None:
    made = embeddings(tmp_path / "cca.npz")
    write_embeddings_parquet(tmp_path / "cca.npz", tmp_path / "cca.parquet", seeds)
    rows = pq.read_table(tmp_path / "cca.parquet").to_pylist()
    expected = [(seed, name) for seed in (0, 1) for name in "abc"] if seeds == "all" else [(0, name) for name in "abc"]
    assert [(row.get("seed", 0), row["clip_id"]) for row in rows] == expected
    assert all(("seed" in row) == (seeds == "all") for row in rows)
    for row in rows:
        place = row.get("seed", 0), "abc".index(row["clip_id"])
        np.testing.assert_allclose(row["audio"], unit(made.audio[place]), rtol=1e-6)
        np.testing.assert_allclose(row["visual"], unit(made.visual[place]), rtol=1e-6)
        assert (row["label"], row["split"]) == ("xyx"[place[1]], ["train", "test", "test"][place[1]])


def test_vectors_over_time_have_a_row_each_with_its_second(tmp_path: Path) -> None:
    table, arrays = make(), vectors_of(make())
    write_shards(tmp_path / "vggish", arrays, arrays.__getitem__)
    write_vectors_parquet(table, tmp_path / "vggish", tmp_path / "x.parquet")
    rows = pq.read_table(tmp_path / "x.parquet").to_pylist()
    assert len(rows) == sum(len(of_clip["seconds"]) for of_clip in arrays.values())
    assert {row["clip_id"] for row in rows} == set(table.clip_ids)
    for row in rows:
        of_clip, place = arrays[row["clip_id"]], table.clip_ids.index(row["clip_id"])
        np.testing.assert_array_equal(row["vector"], of_clip["embeddings"][int(row["seconds"])])
        assert (row["label"], row["split"]) == (table.classes[table.labels[place]], table.splits[place])


def vectors_of(table: FeatureTable) -> dict[str, Arrays]:
    """Vectors over one to three seconds of every clip."""
    rng = np.random.default_rng(1)
    lengths = {clip_id: 1 + k % 3 for k, clip_id in enumerate(table.clip_ids)}
    return {
        clip_id: {"embeddings": rng.random((n, 5), np.float32), "seconds": np.arange(n, dtype=np.float64)}
        for clip_id, n in lengths.items()
    }


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
    arrays = vectors_of(make())
    write_shards(folder / "data" / "vggish", arrays, arrays.__getitem__)
    for name in ("cca", "struck_out"):
        embeddings(folder / "data" / "embeddings" / f"{name}.npz")
    return folder / "data"


def test_a_run_is_exported_with_the_models_that_are_trained_and_have_embeddings(tmp_path: Path) -> None:
    data, out = made_run(tmp_path), tmp_path / "a" / "b"
    done = export_run(data / "features.safetensors", data / "embeddings", ["cca", "dcca"], out)
    assert done == (12, ["cca"], ["vggish"])
    assert sorted(path.name for path in out.iterdir()) == [
        "README.md",
        "cca.parquet",
        "features.h5",
        "features.npz",
        "features.parquet",
        "vggish_vectors.parquet",
    ]
    assert pq.read_table(out / "features.parquet").num_rows == 12
    assert pq.read_table(out / "cca.parquet").num_rows == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "data"]


def test_the_card_names_every_file_and_what_it_says_is_so(tmp_path: Path) -> None:
    data, out = made_run(tmp_path), tmp_path / "out"
    export_run(data / "features.safetensors", data / "embeddings", ["cca"], out)
    head, text = (out / "README.md").read_text().removeprefix("---\n").split("\n---\n", 1)
    named = [part["data_files"] for part in yaml.safe_load(head)["configs"]]
    assert sorted(named) == sorted(path.name for path in out.glob("*.parquet"))
    for name in named:
        columns = re.search(rf"^\| `{name}` \|.*$", text, re.MULTILINE)
        assert columns
        assert {column for column in pq.read_table(out / name).column_names if f"`{column}`" not in columns[0]} == set()
    assert "12 clips of 2 classes: 6 train, 3 validation, 3 test" in text
    for row in pq.read_table(out / "cca.parquet").to_pylist():
        assert np.linalg.norm(row["audio"]) == pytest.approx(1, abs=1e-6)
    assert json.loads(text.partition("```json\n")[2].partition("\n```")[0]) == PROVENANCE


@pytest.mark.parametrize("damaged", ["embeddings/cca.npz", "vggish"])
def test_what_is_damaged_leaves_nothing_behind_and_what_was_there_as_it_was(damaged: str, tmp_path: Path) -> None:
    data, out = made_run(tmp_path), tmp_path / "a" / "out"
    if damaged == "vggish":
        next((data / "vggish").glob("*.safetensors")).unlink()
    else:
        (data / damaged).write_bytes(b"damaged")
    files = data / "features.safetensors", data / "embeddings", ["cca"]
    with pytest.raises(DataError):
        export_run(*files, out)
    assert [path.name for path in tmp_path.iterdir()] == ["data"]
    out.mkdir(parents=True)
    (out / "features.h5").write_text("of an earlier run")
    with pytest.raises(DataError):
        export_run(*files, out)
    assert {path.name: path.read_text() for path in out.iterdir()} == {"features.h5": "of an earlier run"}
    assert [path.name for path in out.parent.iterdir()] == ["out"]


def test_a_long_name_costs_its_own_length_once(tmp_path: Path) -> None:
    table = make()
    write_schema_a(table, tmp_path / "short.h5")
    write_npz(table, tmp_path / "short.npz")
    long = replace(table, clip_ids=["x" * 10_000, *table.clip_ids[1:]])
    write_schema_a(long, tmp_path / "long.h5")
    write_npz(long, tmp_path / "long.npz")
    for suffix in ("h5", "npz"):
        sizes = [(tmp_path / f"{name}.{suffix}").stat().st_size for name in ("short", "long")]
        assert sizes[1] - sizes[0] < 20_000  # of 12 names


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
        assert done.stdout == f"out: 12 clips, embeddings of {models}, vectors of vggish\n"
    wrong = subprocess.run([sys.executable, *words, "out", "--seeds", "2"], cwd=tmp_path, env={"PYTHONPATH": str(ROOT)},
                           capture_output=True, text=True)  # fmt: skip
    assert (wrong.returncode, "--seeds 2; expected first or all" in wrong.stderr) == (1, True)


def test_a_file_in_the_place_of_the_folder_is_named(tmp_path: Path) -> None:
    made_run(tmp_path)
    (tmp_path / "params.yaml").write_text("models: {cca: baselines.cca}\n")
    command = [sys.executable, "-m", "pipeline", "export", "params.yaml"]
    done = subprocess.run(command, cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (1, "avr: params.yaml: Not a directory\n")


@pytest.mark.parametrize("write", [write_schema_a, write_npz, write_parquet])
def test_the_same_table_gives_the_same_bytes(tmp_path: Path, write: Callable[[FeatureTable, Path], None]) -> None:
    for name, facts in (("a", PROVENANCE), ("b", dict(reversed(PROVENANCE.items())))):
        write(replace(make(), provenance=facts), tmp_path / f"{name}.npz")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
