"""Stage ``evaluate``: retrieval metrics of every model on the test clips, and the tables behind the plots."""

import csv
import json
import platform
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.cli import run

if TYPE_CHECKING:
    from pipeline.features import FeatureTable

PAIR_COLUMNS = ["model", "other", "difference", "p", "p_holm"]
PACKAGES = ("av", "numpy", "scipy", "torch", "torchvision")


def main(features: Path, rejected: Path, dataset: Path, embeddings: Path, metrics: Path, plots: Path) -> None:
    """Write metrics.json and the folder of tables."""
    from pipeline import evaluate, evaluate_tables, rejects
    from pipeline.features import FeatureTable
    from pipeline.params import load_params, model_sections

    params = load_params("evaluate", evaluate.EvaluateParams)
    names = model_sections()
    models = {name: evaluate.Embeddings.load(embeddings / f"{name}.npz") for name in names}
    measured = {name: evaluate.measure(model, params) for name, model in models.items()}
    differences = evaluate.significance_rows(measured, params)
    n_queries = len(next(iter(measured.values()))[evaluate.CROSS_MODAL[0]].sample.rows)
    table, refused = FeatureTable.load(features), rejects.read(rejected)

    report = {
        "dataset": {**_dataset(table), "n_queries": n_queries, **json.loads(dataset.read_text(encoding="utf-8"))},
        "models": {name: evaluate.model_metrics(of_model) for name, of_model in measured.items()},
        "significance": _against_first(differences, names),
        "chance": evaluate.chance(next(iter(models.values())), params),
        "rejected": len({row.clip_id for row in refused}),
        "rejected_kinds": rejects.count_kinds(refused),
        "provenance": {**table.provenance, "versions": _versions(), "machine": _machine()},
    }
    metrics.write_text(json.dumps(report, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    _write_csv(plots / "significance.csv", PAIR_COLUMNS, differences)
    for name, model in models.items():
        tables = {
            "precision_scope": evaluate_tables.precision_scope_rows(model, measured[name], params.scope_sizes),
            "precision_recall": evaluate_tables.precision_recall_rows(measured[name]),
            "class_map": evaluate_tables.class_map_rows(model, measured[name]),
            "confusion": evaluate_tables.confusion_rows(model, measured[name]),
        }
        for table_name, rows in tables.items():
            _write_csv(plots / table_name / f"{name}.csv", list(rows[0]), rows)
    print(summary(report, metrics))


def summary(report: dict[str, Any], metrics: Path) -> str:
    """Return a line a model, best first: its MAP, the mean of both directions; and what chance gets."""
    maps = {name: of_model["average"]["map"] for name, of_model in report["models"].items()}
    maps["chance"] = report["chance"]["map"]
    lines = [f"  {name:20} {maps[name]:.3f}" for name in sorted(maps, key=lambda name: -maps[name])]
    clips = f"{report['dataset']['n_test']} test clips of {report['dataset']['n_test_classes']} classes"
    return "\n".join([f"evaluate: MAP over {clips}; all else stands in {metrics}", *lines])


def _against_first(differences: list[dict[str, Any]], names: Iterable[str]) -> dict[str, dict[str, float]]:
    """The first model's lead over each other one, and its p-values."""
    first = next(iter(names))
    return {
        row["other"]: {key: row[key] for key in ("difference", "p", "p_holm")}
        for row in differences
        if row["model"] == first
    }


def _dataset(table: "FeatureTable") -> dict[str, Any]:
    """What the numbers were measured on."""
    from pipeline.clips import SPLITS
    from pipeline.params import read_section

    n_clips = {f"n_{split}": table.splits.count(split) for split in SPLITS}
    tested = {label for label, split in zip(table.labels.tolist(), table.splits, strict=True) if split == "test"}
    return {
        "source": read_section("dataset.source"),
        "split_seed": read_section("dataset.seed"),
        "n_clips": len(table.clip_ids),
        "n_classes": len(table.classes),
        **n_clips,
        "n_test_classes": len(tested),
        "audio_width": table.audio.shape[1],
        "visual_width": table.visual.shape[1],
    }


def _versions() -> dict[str, str]:
    """What the numbers were computed with."""
    return {"python": platform.python_version(), **{package: version(package) for package in PACKAGES}}


def _machine() -> dict[str, str]:
    """The kind of processor: another kind rounds otherwise in the last bits, and training carries that on."""
    import numpy as np

    config: Any = np.show_config(mode="dicts")
    vectors = config["SIMD Extensions"].get("found") or config["SIMD Extensions"]["baseline"]
    return {"processor": platform.machine(), "vector_instructions": vectors[-1]}


def _write_csv(path: Path, columns: list[str], rows: list[dict[str, Any]]) -> None:
    """One table."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    run(main)
