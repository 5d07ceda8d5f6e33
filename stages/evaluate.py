"""Stage ``evaluate``: retrieval metrics of every model on the test clips, and the tables behind the plots."""

from pathlib import Path

from stages.cli import run


def main(
    features: Path,
    clips_csv: Path,
    one_sided: Path,
    rejected: Path,
    dataset: Path,
    models: Path,
    embeddings: Path,
    metrics: Path,
    summary: Path,
    plots: Path,
) -> None:
    """Write metrics.json, its summary and the folder of tables."""
    from pipeline.evaluate import metrics_json, results
    from pipeline.evaluate.independence import groups_of_test
    from pipeline.evaluate.model_metrics import EvaluateParams
    from pipeline.evaluate.quick_sort import start_again_if_quicker
    from pipeline.evaluate.writing import write_json
    from pipeline.formats import rejects
    from pipeline.formats.clips import read_clips
    from pipeline.formats.feature_table import FeatureTable
    from pipeline.formats.one_sided import OneSided
    from pipeline.settings.params import load_params, model_sections

    params = load_params("evaluate", EvaluateParams)
    table = FeatureTable.load(features)
    start_again_if_quicker(params.n_compared(table.splits.count("test"), len(table.classes)) * len(model_sections()))
    groups = groups_of_test(table, read_clips(clips_csv))
    measured = results.measure_all(embeddings, model_sections(), groups, params)
    checks = results.read_checks(dataset)
    report = results.report(measured, table, rejects.read(rejected), checks, models)
    if not (sides := OneSided.load(one_sided)).is_empty:
        from pipeline.evaluate.one_sided import measure_one_sided
        from pipeline.model_parts.seeds import embed_sides

        vectors = {name: embed_sides(name, models / name, sides.features) for name in measured.embeddings}
        report["one_sided"] = measure_one_sided(measured, sides, vectors, params)
    write_json(metrics, report)
    write_json(summary, metrics_json.summary(report))
    without_trec = results.write_tables(plots, measured, table, params)
    print(metrics_json.in_words(report, metrics))
    if without_trec and params.trec_rows:
        print(f"evaluate: no TREC files of {', '.join(without_trec)}: over evaluate.trec_rows={params.trec_rows}")


if __name__ == "__main__":
    run(main)
