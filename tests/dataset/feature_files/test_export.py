"""Exported files, read with the libraries of their formats and with our own importer."""

import json
import math
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow.parquet as pq
import pytest
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
from tests.helpers.feature_table import PROVENANCE, named_table
from tests.helpers.project import ROOT
from tests.helpers.yaml_text import read_yaml

names = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=20)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(st.lists(names, min_size=4, max_size=9, unique=True), st.sets(names, min_size=2, max_size=4), st.integers(0, 99))
def test_any_table_comes_back_from_every_format(clip_ids: list[str], classes: set[str], seed: int) -> None:
    rng, n = np.random.default_rng(seed), len(clip_ids)
    table = FeatureTable(
        clip_ids=clip_ids,
        splits=["train", "test", *rng.choice(["train", "validation", "test"], n - 2).tolist()],
        labels=np.concatenate([np.arange(len(classes)), rng.integers(-1, len(classes), n)])[:n],  # -1: none
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
        clip_id: (table.splits[i], [*table.classes, ""][table.labels[i]], table.audio[i].tolist())
        for i, clip_id in enumerate(clip_ids)
    }
    facts = zip(imported.clip_ids, imported.splits, imported.labels, imported.audio, strict=True)
    assert {clip_id: (side, [*imported.classes, ""][k], x.tolist()) for clip_id, side, k, x in facts} == expected
    assert {row["clip_id"]: (row["split"], row["label"], row["audio"]) for row in rows} == expected
    facts = zip(arrays["clip_ids"], arrays["splits"], arrays["labels"], arrays["audio"], strict=True)
    assert {clip_id: (side, [*arrays["classes"], ""][k], x.tolist()) for clip_id, side, k, x in facts} == expected


def test_npz_holds_the_table_without_pickles(tmp_path: Path) -> None:
    table = named_table()
    write_npz(table, tmp_path / "x.npz")
    with np.load(tmp_path / "x.npz", allow_pickle=False) as file:
        for name in ("audio", "visual", "labels"):
            np.testing.assert_array_equal(file[name], getattr(table, name))
        for name in ("clip_ids", "splits", "classes"):
            assert unpack_texts(file, name) == getattr(table, name)
        assert json.loads(str(file["provenance"])) == PROVENANCE
        assert json.loads(str(file["scaling"])) == PROVENANCE["features"]


def test_parquet_holds_a_row_a_clip(tmp_path: Path) -> None:
    table = named_table()
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
    table, arrays = named_table(), vectors_of(named_table())
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
    with pytest.raises(DataError, match=r"x\.npz: .*; expected embeddings that the stage `train` wrote"):
        write_embeddings_parquet(tmp_path / "x.npz", tmp_path / "x.parquet")


def made_run(folder: Path) -> Path:
    """What a run leaves: features, and embeddings of two models, one of which is no longer trained."""
    (folder / "data" / "embeddings").mkdir(parents=True)
    named_table().save(folder / "data" / "features.safetensors")
    arrays = vectors_of(named_table())
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


def test_clips_without_a_label_have_none_in_any_file_and_models_that_were_left_out_are_not_there(
    tmp_path: Path,
) -> None:
    data, out, table = made_run(tmp_path), tmp_path / "out", named_table()
    labels = np.where(np.arange(12) % 2, -1, table.labels)
    replace(table, labels=labels).save(data / "features.safetensors")
    some = replace(embeddings(data / "embeddings" / "cca.npz"), labels=np.array([1, -1, 0]))
    some.save(data / "embeddings" / "cca.npz")
    replace(some, audio=some.audio[:0, :, :0], visual=some.visual[:0, :, :0]).save(data / "embeddings" / "dcca.npz")
    done = export_run(data / "features.safetensors", data / "embeddings", ["cca", "dcca"], out)
    assert done.models == ["cca"]
    named = dict(zip(table.clip_ids, ["" if label < 0 else table.classes[label] for label in labels], strict=True))
    for name in ("features", "vggish_vectors"):
        rows = pq.read_table(out / f"{name}.parquet").to_pylist()
        assert {row["clip_id"]: row["label"] for row in rows} == named
    assert pq.read_table(out / "cca.parquet")["label"].to_pylist() == ["y", "", "x"]


def test_the_card_names_every_file_and_what_it_says_is_so(tmp_path: Path) -> None:
    data, out = made_run(tmp_path), tmp_path / "out"
    export_run(data / "features.safetensors", data / "embeddings", ["cca"], out)
    head, text = (out / "README.md").read_text().removeprefix("---\n").split("\n---\n", 1)
    named = [part["data_files"] for part in read_yaml(head)["configs"]]
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
    table = named_table()
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


def export(folder: Path, *words: str, module: str = "pipeline export") -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", *module.split(), *words]
    return subprocess.run(command, cwd=folder, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True)


def test_the_command_exports_what_lies_in_data_or_elsewhere(tmp_path: Path) -> None:
    made_run(tmp_path)
    (tmp_path / "params.yaml").write_text("models: {cca: baselines.cca}\n")
    done = export(tmp_path, "out")
    assert (done.returncode, done.stdout) == (0, "out: 12 clips, embeddings of cca, vectors of vggish\n")
    moved = ["--features", "data/features.safetensors", "--embeddings", "nowhere"]
    done = export(tmp_path, "out", *moved, module="stages.export")  # its older name
    assert (done.returncode, done.stdout) == (0, "out: 12 clips, embeddings of no model, vectors of vggish\n")
    wrong = export(tmp_path, "out", "--seeds", "2")
    assert (wrong.returncode, "--seeds 2; expected first or all" in wrong.stderr) == (1, True)


def test_a_file_in_the_place_of_the_folder_is_named(tmp_path: Path) -> None:
    made_run(tmp_path)
    (tmp_path / "params.yaml").write_text("models: {cca: baselines.cca}\n")
    done = export(tmp_path, "params.yaml")
    assert (done.returncode, done.stderr) == (1, "avr: params.yaml: Not a directory\n")


@pytest.mark.parametrize("write", [write_schema_a, write_npz, write_parquet])
def test_the_same_table_gives_the_same_bytes(tmp_path: Path, write: Callable[[FeatureTable, Path], None]) -> None:
    for name, facts in (("a", PROVENANCE), ("b", dict(reversed(PROVENANCE.items())))):
        write(replace(named_table(), provenance=facts), tmp_path / f"{name}.npz")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
