"""Stage ``evaluate``: retrieval metrics of every model on the test clips, and the tables behind the plots."""

import csv
import json
from pathlib import Path
from typing import Any

from pipeline.evaluate.metrics_json import against_first, dataset_facts, machine, summary, versions
from stages.cli import run

PAIR_COLUMNS = ["model", "other", "difference", "p", "p_holm"]


def main(features: Path, rejected: Path, dataset: Path, embeddings: Path, metrics: Path, plots: Path) -> None:
    """Write metrics.json and the folder of tables."""
    from pipeline.evaluate import model_metrics as evaluate
    from pipeline.evaluate import plot_tables as evaluate_tables
    from pipeline.formats import rejects
    from pipeline.formats.embeddings import Embeddings
    from pipeline.formats.feature_table import FeatureTable
    from pipeline.settings.params import load_params, model_sections
    from pipeline.settings.progress import track

    params = load_params("evaluate", evaluate.EvaluateParams)
    names = model_sections()
    models = {name: Embeddings.load(embeddings / f"{name}.npz") for name in names}
    measured = {name: evaluate.measure(model, params) for name, model in track(models.items(), "evaluate", "model")}
    differences = evaluate.significance_rows(measured, params)
    n_queries = len(next(iter(measured.values()))[evaluate.CROSS_MODAL[0]].sample.rows)
    table, refused = FeatureTable.load(features), rejects.read(rejected)

    report = {
        "dataset": {**dataset_facts(table), "n_queries": n_queries, **json.loads(dataset.read_text(encoding="utf-8"))},
        "models": {name: evaluate.model_metrics(of_model) for name, of_model in measured.items()},
        "significance": against_first(differences, names),
        "chance": evaluate.chance(next(iter(models.values())), params),
        "rejected": len({row.clip_id for row in refused}),
        "rejected_kinds": rejects.count_kinds(refused),
        "provenance": {**table.provenance, "versions": versions(), "machine": machine()},
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


def _write_csv(path: Path, columns: list[str], rows: list[dict[str, Any]]) -> None:
    """One table."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    run(main)
