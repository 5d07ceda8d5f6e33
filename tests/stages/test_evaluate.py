"""The stage on made-up embeddings: what it writes, and that DVC can read all of it."""

import csv
import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from pipeline.formats import rejects
from pipeline.formats.feature_table import FeatureTable
from stages import evaluate

ROOT = Path(__file__).parents[2]
N_CLIPS = 40
NOISE = {"good": 0.5, "worse": 2.0, "noise": 50.0}


def write_inputs(folder: Path) -> None:
    """A feature table, and embeddings of three models under different noise."""
    rng, classes = np.random.default_rng(0), ["cat", "dog", "owl"]
    labels, splits = np.arange(N_CLIPS) % 3, ["test"] * 30 + ["train"] * 10
    rows = {side: np.ones((N_CLIPS, 2), np.float32) for side in ("audio", "visual")}
    ids = [f"clip {i}" for i in range(N_CLIPS)]
    FeatureTable(clip_ids=ids, splits=splits, labels=labels, classes=classes, provenance={}, **rows).save(
        folder / "features.safetensors"
    )
    rejects.write(folder / rejects.FILE, [])
    (folder / "report.json").write_text("{}")
    for name, noise in NOISE.items():
        audio, visual = (np.eye(3)[labels] + noise * rng.normal(size=(2, N_CLIPS, 3)) for _ in range(2))
        np.savez(folder / f"{name}.npz", audio=audio, visual=visual, splits=splits, labels=np.array(classes)[labels])
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params["models"] = dict.fromkeys(NOISE, "model")
    (folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_inputs(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(out: Path) -> dict[str, Any]:
    here = Path()
    out.mkdir()
    evaluate.main(
        here / "features.safetensors", here / rejects.FILE, here / "report.json", here, out / "metrics.json", out
    )
    metrics: dict[str, Any] = json.loads((out / "metrics.json").read_text())
    return metrics


def leaves(value: object) -> Iterator[object]:
    if isinstance(value, dict):
        for member in value.values():
            yield from leaves(member)
    else:
        yield value


def test_all_models_are_compared_with_the_first_and_corrected_for_all_pairs(folder: Path) -> None:
    significance = run(folder / "plots")["significance"]
    assert list(significance) == ["worse", "noise"]
    with (folder / "plots" / "significance.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["model"], row["other"]) for row in rows] == [("good", "worse"), ("good", "noise"), ("worse", "noise")]
    assert significance["noise"]["p"] == float(rows[1]["p"])
    assert 0 < significance["worse"]["difference"] < significance["noise"]["difference"]
    assert significance["noise"]["p"] < significance["noise"]["p_holm"] < 0.05


def test_metrics_json_holds_nothing_but_scalars(folder: Path) -> None:
    assert all(isinstance(leaf, int | float | str) for leaf in leaves(run(folder / "plots")))


def test_metrics_json_says_which_kind_of_processor_made_it(folder: Path) -> None:
    machine = run(folder / "plots")["provenance"]["machine"]
    flags = Path("/proc/cpuinfo").read_text().split()
    assert machine["processor"] == os.uname().machine
    assert (machine["vector_instructions"].startswith(("AVX512", "X86_V4"))) == ("avx512f" in flags)
    assert (machine["vector_instructions"] == "X86_V3") == ("avx2" in flags and "avx512f" not in flags)


def test_classes_without_a_test_clip_are_told_from_those_that_are_searched(folder: Path) -> None:
    table = FeatureTable.load(folder / "features.safetensors")
    replace(table, classes=[*table.classes, "yak"], labels=np.append(table.labels[:-1], 3)).save(
        folder / "features.safetensors"
    )
    counts = run(folder / "plots")["dataset"]
    assert (counts["n_classes"], counts["n_test_classes"]) == (4, 3)


def test_every_model_has_its_tables(folder: Path) -> None:
    run(folder / "plots")
    tables = {"precision_scope", "precision_recall", "class_map", "confusion"}
    written = {path.relative_to(folder / "plots").as_posix() for path in (folder / "plots").glob("*/*.csv")}
    assert written == {f"{table}/{name}.csv" for table in tables for name in NOISE}


def test_the_same_embeddings_give_the_same_bytes(folder: Path) -> None:
    for out in ("one", "other"):
        run(folder / out)
    for path in filter(Path.is_file, (folder / "one").rglob("*")):
        assert path.read_bytes() == (folder / "other" / path.relative_to(folder / "one")).read_bytes(), path


def test_the_models_are_printed_best_first_and_chance_among_them(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    metrics = run(folder / "out")
    first, *lines = capsys.readouterr().out.splitlines()
    assert first.startswith("evaluate: MAP over 30 test clips of 3 classes;")
    assert [line.split()[0] for line in lines][:2] == ["good", "worse"]
    maps = {name: of_model["average"]["map"] for name, of_model in metrics["models"].items()}
    printed = {name: float(number) for name, number in map(str.split, lines)}
    assert printed == pytest.approx(maps | {"chance": metrics["chance"]["map"]}, abs=5e-4)
