"""The stage on made-up embeddings: what it writes, and that DVC can read all of it."""

import csv
import json
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any

import ir_measures
import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import yaml

from pipeline.errors import DataError
from pipeline.evaluate import metrics_json
from pipeline.formats import provenance, rejects
from pipeline.formats.clips import Clip, write_clips
from pipeline.formats.embeddings import EmbeddedClips
from pipeline.formats.feature_table import FeatureTable
from pipeline.formats.one_sided import NO_CLIPS
from stages import evaluate
from tests.helpers.cosines import exact_cosines
from tests.helpers.yaml_text import read_yaml

ROOT = Path(__file__).parents[2]
N_CLIPS = 40
SPREADS = {"map_margin", "map_std", "map_within_std"}
NOISE = {"good": 0.5, "worse": 2.0, "noise": 50.0}


def write_inputs(folder: Path) -> None:
    """A feature table, and embeddings of three models under different noise."""
    rng, classes = np.random.default_rng(0), ["cat", "dog", "owl"]
    labels, splits = np.arange(N_CLIPS) % 3, ["test"] * 30 + ["train"] * 10
    rows = {side: rng.normal(size=(N_CLIPS, 2)).astype(np.float32) for side in ("audio", "visual")}
    ids = [f"clip {i}" for i in range(N_CLIPS)]
    FeatureTable(clip_ids=ids, splits=splits, labels=labels, classes=classes, provenance={}, **rows).save(
        folder / "features.safetensors"
    )
    write_clips(folder / "clips.csv", [Clip(clip_id=name, path="", label="", split="test") for name in ids])
    NO_CLIPS.save(folder / "one_sided.safetensors")
    rejects.write(folder / rejects.FILE, [])
    (folder / "report.json").write_text("{}")
    for name, noise in NOISE.items():
        audio, visual = (np.eye(3)[labels] + noise * rng.normal(size=(2, N_CLIPS, 3)) for _ in range(2))
        names = {"clip_ids": ids, "splits": splits, "labels": labels, "classes": classes}
        EmbeddedClips(audio=audio, visual=visual, **names).save(folder / f"{name}.npz")
        (folder / "models" / name).mkdir(parents=True)
        provenance.write_provenance(folder / "models" / name, {"device": "cuda" if name == "good" else "cpu"})
    params = read_yaml((ROOT / "params.yaml").read_text())
    params["models"] = dict.fromkeys(NOISE, "model")
    (folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_inputs(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(out: Path) -> dict[str, Any]:
    out.mkdir()
    tables = ("features.safetensors", "clips.csv", "one_sided.safetensors", rejects.FILE, "report.json")
    evaluate.main(*map(Path, (*tables, "models", "")), out / "metrics.json", out / "summary.json", out)
    metrics: dict[str, Any] = json.loads((out / "metrics.json").read_text())
    return metrics


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def leaves(value: object) -> Iterator[object]:
    if isinstance(value, dict):
        for member in value.values():
            yield from leaves(member)
    else:
        yield value


def test_all_models_are_compared_with_the_first_and_corrected_for_all_pairs(folder: Path) -> None:
    run(folder / "plots")
    rows = table(folder / "plots" / "significance.csv")
    assert [(row["model"], row["other"]) for row in rows] == [("good", "worse"), ("good", "noise"), ("worse", "noise")]
    worse, noise = ({key: float(row[key]) for key in ("difference", "p", "p_holm")} for row in rows[:2])
    assert 0 < worse["difference"] < noise["difference"]
    assert noise["p"] < noise["p_holm"] < 0.05


def test_metrics_json_has_the_keys_of_the_contract_and_few_numbers(folder: Path) -> None:
    metrics = run(folder / "plots")
    assert list(metrics) == ["dataset", "models", "chance", "rejected", "provenance"]
    assert list(metrics["models"]) == list(NOISE)
    ways = {"map", "mrr", "recall_at_1", "recall_at_10"}
    for of_model in metrics["models"].values():
        expected = {"audio_to_visual": ways, "visual_to_audio": ways, "average": ways | SPREADS}
        assert {way: set(of) for way, of in of_model.items()} == expected
        assert of_model["average"]["map"] == pytest.approx(
            (of_model["audio_to_visual"]["map"] + of_model["visual_to_audio"]["map"]) / 2, rel=1e-5
        )


def test_a_model_of_several_seeds_and_drawn_queries_says_how_far_its_average_may_be_off(folder: Path) -> None:
    params = read_yaml(Path("params.yaml").read_text())
    params["evaluate"]["max_queries"] = 20
    Path("params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    worse = EmbeddedClips.load("worse.npz")
    replace(worse, audio=worse.audio[:1], visual=worse.visual[:1]).save("worse.npz")
    models = run(folder / "plots")["models"]
    assert models["good"]["average"]["map_margin"] > 0
    assert models["good"]["average"]["map_sampling_margin"] > 0
    assert "map_margin" not in models["worse"]["average"]
    assert sum(len(of) for of in models["good"].values()) == 16


def test_metrics_json_holds_nothing_but_scalars(folder: Path) -> None:
    assert all(isinstance(leaf, int | float | str) for leaf in leaves(run(folder / "plots")))


def test_no_number_has_more_than_six_significant_digits(folder: Path) -> None:
    metrics = run(folder / "plots")
    cells = [cell for path in (folder / "plots").rglob("*.csv") for row in table(path) for cell in row.values()]
    numbers = [*(leaf for leaf in leaves(metrics) if isinstance(leaf, float)), *filter(is_decimal, cells)]
    assert len(numbers) > 500
    assert [number for number in numbers if float(number) != float(f"{float(number):.6g}")] == []


def is_decimal(cell: str) -> bool:
    return cell.replace(".", "", 1).isdigit()


def test_the_table_of_metrics_holds_what_metrics_json_leaves_out(folder: Path) -> None:
    metrics = run(folder / "plots")
    rows = {(row["model"], row["direction"]): row for row in table(folder / "plots" / "metrics.csv")}
    ways = ("audio_to_visual", "visual_to_audio", "audio_to_audio", "visual_to_visual", "average")
    assert list(rows) == [(name, way) for name in NOISE for way in ways]
    assert {"median_rank", "precision_at_5", "ndcg_at_10", "map_std"} <= rows["good", "average"].keys()
    for name, of_model in metrics["models"].items():
        for way, of in of_model.items():
            assert {key: float(rows[name, way][key]) for key in of} == of


def test_every_query_has_its_average_precision_and_the_map_is_their_mean(folder: Path) -> None:
    metrics = run(folder / "plots")
    rows = table(folder / "plots" / "queries" / "worse.csv")
    for way in ("audio_to_visual", "visual_to_audio"):
        of_way = [row for row in rows if row["direction"] == way]
        assert [row["clip_id"] for row in of_way] == [f"clip {i}" for i in range(30)]
        scores = [float(row["average_precision"]) for row in of_way]
        assert np.mean(scores) == pytest.approx(metrics["models"]["worse"][way]["map"], rel=1e-5)


def test_the_rank_of_a_query_is_that_of_the_first_item_of_its_class_and_the_mean_over_seeds(folder: Path) -> None:
    run(folder / "plots")
    made = EmbeddedClips.load("noise.npz")
    audio, visual, labels = made.audio[:, :30], made.visual[:, :30], made.labels[:30]
    cosines = [exact_cosines(query, gallery) for query, gallery in zip(audio, visual, strict=True)]
    ranked = np.stack([labels[np.argsort(-scores, axis=1)] == labels[:, None] for scores in cosines])
    rows = table(folder / "plots" / "queries" / "noise.csv")[:30]
    assert [float(row["first_rank"]) for row in rows] == (ranked.argmax(axis=2) + 1).mean(axis=0).tolist()


def test_provenance_names_the_devices_of_the_training_the_project_and_its_packages(folder: Path) -> None:
    made_by = run(folder / "plots")["provenance"]
    assert made_by["device"] == "cpu and cuda"
    assert made_by["project"] == f"dual-subspace-retrieval {metadata.version('dual-subspace-retrieval')}"
    assert made_by["versions"]["numpy"] == np.__version__
    assert set(made_by["versions"]) == {"av", "numpy", "scipy", "torch", "torchvision"}


def test_a_package_built_for_another_device_is_the_same_version(monkeypatch: pytest.MonkeyPatch) -> None:
    built = {"torch": "2.11.0+cpu"}
    monkeypatch.setattr(metrics_json, "version", lambda package: built.get(package, "1.0"))
    assert metrics_json.provenance({}, ["cpu"])["versions"]["torch"] == "2.11.0"


def test_a_model_that_does_not_say_where_it_was_trained_is_named(folder: Path) -> None:
    (folder / "models" / "worse" / "provenance.json").unlink()
    with pytest.raises(DataError, match=r"models/worse: .*expected a folder that the stage `train` wrote"):
        run(folder / "plots")
    assert list((folder / "plots").iterdir()) == []


def test_the_summary_is_of_the_first_model_and_the_best_other_one(folder: Path) -> None:
    metrics = run(folder / "plots")
    summary = json.loads((folder / "plots" / "summary.json").read_text())
    maps = {name: of["average"]["map"] for name, of in metrics["models"].items()}
    assert summary == {
        "model": "good",
        "map": maps["good"],
        "map_margin": metrics["models"]["good"]["average"]["map_margin"],
        "best_other": "worse",
        "best_other_map": maps["worse"],
        "chance_map": metrics["chance"]["map"],
        "rejected": 0,
    }


def test_a_data_set_in_a_folder_has_its_name_but_not_its_place(folder: Path) -> None:
    params = read_yaml(Path("params.yaml").read_text())
    params["dataset"] |= {"source": "folder", "path": "/somewhere/my videos/"}
    Path("params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    metrics = run(folder / "plots")
    assert (metrics["dataset"]["source"], metrics["dataset"]["name"]) == ("folder", "my videos")
    assert "somewhere" not in (folder / "plots" / "metrics.json").read_text()


def test_the_table_of_the_machine_says_which_kind_of_processor_it_was(folder: Path) -> None:
    run(folder / "plots")
    machine = {row["key"]: row["value"] for row in table(folder / "plots" / "machine.csv")}
    flags = Path("/proc/cpuinfo").read_text().split()
    assert machine["processor"] == os.uname().machine
    assert (machine["vector_instructions"].startswith(("AVX512", "X86_V4"))) == ("avx512f" in flags)
    assert (machine["vector_instructions"] == "X86_V3") == ("avx2" in flags and "avx512f" not in flags)
    assert machine["python"] == f"{sys.version_info.major}.{sys.version_info.minor}"


def test_classes_without_a_test_clip_are_told_from_those_that_are_searched(folder: Path) -> None:
    table = FeatureTable.load(folder / "features.safetensors")
    replace(table, classes=[*table.classes, "yak"], labels=np.append(table.labels[:-1], 3)).save(
        folder / "features.safetensors"
    )
    counts = run(folder / "plots")["dataset"]
    assert (counts["n_classes"], counts["n_test_classes"]) == (4, 3)


def test_every_model_has_its_tables(folder: Path) -> None:
    run(folder / "plots")
    tables = {"precision_scope", "precision_recall", "class_map", "confusion", "queries", "plane"}
    written = {path.relative_to(folder / "plots").as_posix() for path in (folder / "plots").glob("*/*.csv")}
    assert written == {f"{table}/{name}.csv" for table in tables for name in NOISE}


def test_the_models_are_printed_best_first_and_chance_among_them(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    metrics = run(folder / "out")
    first, *lines = capsys.readouterr().out.splitlines()
    assert first.startswith("evaluate: MAP over 30 test clips of 3 classes (30 groups that share a sound, picture or")
    assert [line.split()[0] for line in lines][:2] == ["good", "worse"]
    maps = {name: of_model["average"]["map"] for name, of_model in metrics["models"].items()}
    printed = {name: float(number) for name, number in map(str.split, lines)}
    assert printed == pytest.approx(maps | {"chance": metrics["chance"]["map"]}, abs=5e-4)


def maps_of_trec(folder: Path, name: str, way: str) -> list[float]:
    """The MAP of each seed that ir_measures finds in the files that the stage wrote."""
    qrels = list(ir_measures.read_trec_qrels(str(folder / "trec" / "qrels.txt")))
    runs = sorted((folder / "trec" / name).glob(f"{way}-*.txt.gz"))
    return [
        ir_measures.calc_aggregate([ir_measures.AP], qrels, ir_measures.read_trec_run(str(run)))[ir_measures.AP]
        for run in runs
    ]


def test_the_files_of_trec_and_the_results_say_what_metrics_json_says(folder: Path) -> None:
    models = run(folder / "plots")["models"]
    for name in NOISE:
        for way in ("audio_to_visual", "visual_to_audio"):
            found = maps_of_trec(folder / "plots", name, way)
            assert len(found) == 2
            assert np.mean(found) == pytest.approx(models[name][way]["map"], abs=1e-6)
        results = pq.read_table(folder / "plots" / "queries" / f"{name}.parquet")
        assert results.num_rows == 2 * 2 * 30 * 30
        first = results.filter((pc.field("rank") == 1) & (pc.field("direction") == "audio_to_visual"))
        share = np.mean(first.column("relevant").to_pylist())
        assert share == pytest.approx(models[name]["audio_to_visual"]["recall_at_1"], abs=1e-5)


@pytest.mark.parametrize(("trec_rows", "said"), [(3599, ["no TREC files of good, worse, noise: over"]), (0, [])])
def test_rankings_that_are_too_long_for_trec_are_left_out_and_said_to_be(
    trec_rows: int, said: list[str], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    params = read_yaml(Path("params.yaml").read_text())
    params["evaluate"] |= {"trec_rows": trec_rows, "kept_results": 7}
    Path("params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    run(folder / "plots")
    assert not (folder / "plots" / "trec").exists()
    assert pq.read_table(folder / "plots" / "queries" / "good.parquet").num_rows == 2 * 2 * 30 * 7
    assert re.findall("no TREC files of .*: over", capsys.readouterr().out) == said


def test_the_same_embeddings_give_the_same_bytes(folder: Path) -> None:
    for name in ("one", "two"):
        run(folder / name)
    files = sorted(path.relative_to(folder / "one") for path in (folder / "one").rglob("*") if path.is_file())
    assert {"queries/good.parquet", "trec/good/audio_to_visual-1.txt.gz", "plane.csv"} <= set(map(str, files))
    for file in files:
        assert (folder / "one" / file).read_bytes() == (folder / "two" / file).read_bytes(), file
