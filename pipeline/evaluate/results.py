"""All that is measured in a run, and the tables that hold it."""

import platform
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import DataError, in_words
from pipeline.evaluate import metrics_json, plot_tables, trec
from pipeline.evaluate.independence import Groups, group_rows
from pipeline.evaluate.metrics_json import ByDirection
from pipeline.evaluate.model_metrics import (
    CROSS_MODAL,
    EvaluateParams,
    Measured,
    Table,
    chance,
    measure,
    model_metrics,
    significance_rows,
)
from pipeline.evaluate.planes import plane, plane_rows
from pipeline.evaluate.query_results import write_results
from pipeline.evaluate.relevance import by_class, by_clip, chosen_relevance, clip_chance, labelled_rows, prefixed
from pipeline.evaluate.writing import write_csv
from pipeline.formats import rejects
from pipeline.formats.embeddings import Embeddings
from pipeline.formats.feature_table import FeatureTable
from pipeline.formats.headlines import Relevance, headline_of
from pipeline.formats.provenance import read_provenance
from pipeline.settings.json_text import parse_json
from pipeline.settings.paths import AnyPath
from pipeline.settings.progress import track

PAIR_COLUMNS = ("model", "other", "difference", "p", "p_holm")


class Results(NamedTuple):
    """What was measured of the models on the test clips.

    Attributes:
        relevance: what is relevant to a query in all that follows; where ``metrics`` and ``chance`` have other numbers
            too, these have a prefix.
        rows: (n,) which of the test clips were measured: those with a label, or all.
        groups: of these, which chance moves as a whole.
        embeddings: of these, by model.
        measured: of every query, by model and direction.
        metrics: over the queries, by model, direction and name.
        significance: a row a pair of models.
        chance: what rankings get that know nothing.
    """

    relevance: Relevance
    rows: NDArray[np.int64]
    groups: Groups
    embeddings: Mapping[str, Embeddings]
    measured: Mapping[str, Measured]
    metrics: Mapping[str, Mapping[str, Mapping[str, float]]]
    significance: Table
    chance: Mapping[str, float]


def measure_all(folder: AnyPath, names: Iterable[str], groups: Groups, params: EvaluateParams) -> Results:
    """Return what is measured of the models whose embeddings a folder holds; the first name is the main model.

    Models that the stage ``train`` left out are left out here.

    Args:
        folder: of the embeddings.
        names: of the models.
        groups: of the test clips, in the order of their embeddings.
        params: section ``evaluate``.

    Raises:
        DataError: embeddings are missing, are none, or hold no test clip; or all models were left out.
        ParamsError: as ``measure`` and ``chosen_relevance``.
    """
    folder, names = Path(folder), list(names)
    loaded = {name: Embeddings.load(folder / f"{name}.npz") for name in names}
    loaded = {name: embeddings for name, embeddings in loaded.items() if len(embeddings.audio)}
    if not loaded:
        expected = "one that is fitted: provenance.json of each says why it is not"
        raise DataError(f"models {', '.join(names)}: all were left out by the stage `train`; expected {expected}")
    first, *others = chosen_relevance(params.relevance, next(iter(loaded.values())))
    results = _measured(loaded, first, groups, params)
    for other in others:
        beside = _measured(loaded, other, groups, params)
        results = results._replace(
            metrics={name: _beside(of, beside.metrics[name]) for name, of in results.metrics.items()},
            chance={**results.chance, **prefixed(beside.chance)},
        )
    return results


def _measured(
    loaded: Mapping[str, Embeddings], relevance: Relevance, groups: Groups, params: EvaluateParams
) -> Results:
    """What is measured of the models where relevant are the clips of a class, or the own clip."""
    first, headline = next(iter(loaded.values())), headline_of(relevance)
    if relevance == "class":
        rows = labelled_rows(first)
        embeddings = {name: by_class(of_model) for name, of_model in loaded.items()}
        groups = groups.of_rows(rows)
        of_chance = chance(next(iter(embeddings.values())), params)
    else:
        rows = np.arange(len(first.labels))
        embeddings = {name: by_clip(of_model, groups) for name, of_model in loaded.items()}
        of_chance = clip_chance(next(iter(embeddings.values())), params.recall_at)
    measured = {name: measure(of_model, params) for name, of_model in track(embeddings.items(), "evaluate", "model")}
    return Results(
        relevance,
        rows,
        groups,
        embeddings,
        measured,
        {name: model_metrics(of_model, groups, headline) for name, of_model in measured.items()},
        significance_rows(measured, groups, params, headline),
        of_chance,
    )


def _beside(metrics: ByDirection, others: ByDirection) -> dict[str, dict[str, float]]:
    """Numbers of each direction, and others with a prefix."""
    return {way: {**of_way, **prefixed(others.get(way, {}))} for way, of_way in metrics.items()}


def read_checks(path: AnyPath) -> dict[str, Any]:
    """Return what the stage `dataset` found out about the split and the labels.

    Args:
        path: its report.json.

    Raises:
        DataError: the file is damaged.
        FileNotFoundError: there is none.
    """
    try:
        return dict(parse_json(Path(path).read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise DataError(f"{path}: {error}; expected what the stage `dataset` wrote") from error


def report(
    results: Results, table: FeatureTable, refused: Sequence[rejects.Reject], checks: Mapping[str, Any], models: AnyPath
) -> metrics_json.Report:
    """Return the content of metrics.json.

    Args:
        results: of all models.
        table: the features that the models were given.
        refused: the clips that the run went on without.
        checks: what the stage `dataset` found out about the split and the labels.
        models: the folder of the models that the stage `train` wrote.

    Raises:
        DataError: a model does not say on which device it was trained.
    """
    models = Path(models)
    queries = next(iter(results.measured.values()))[CROSS_MODAL[0]].sample.rows
    of_queries = {"n_queries": len(queries), "query_groups": results.groups.of_rows(queries).counts()}
    return {
        "dataset": {**metrics_json.dataset_facts(table, results.relevance), **of_queries, **checks},
        "models": {name: metrics_json.of_model(of, results.relevance) for name, of in results.metrics.items()},
        "chance": dict(results.chance),
        "rejected": len({row.clip_id for row in refused}),
        "provenance": metrics_json.provenance(table.provenance, [_device(models / name) for name in results.metrics]),
    }


def write_tables(folder: AnyPath, results: Results, table: FeatureTable, params: EvaluateParams) -> list[str]:
    """Write all tables: a file each for what is about all models, and a file a model for the others.

    Returns:
        The models whose rankings are too long for TREC files.
    """
    folder = Path(folder)
    write_csv(folder / "metrics.csv", plot_tables.metric_rows(results.metrics))
    write_csv(folder / "significance.csv", results.significance, PAIR_COLUMNS)
    write_csv(folder / "machine.csv", [{"key": key, "value": value} for key, value in machine().items()])
    tested = [clip_id for clip_id, split in zip(table.clip_ids, table.splits, strict=True) if split == "test"]
    clip_ids = [tested[row] for row in results.rows.tolist()]
    write_csv(folder / "groups.csv", group_rows(clip_ids, results.groups))
    planes = {name: plane(embeddings) for name, embeddings in results.embeddings.items()}
    for name, embeddings in results.embeddings.items():
        measured = results.measured[name]
        tables = {
            "precision_scope": plot_tables.precision_scope_rows(embeddings, measured, params.scope_sizes),
            "precision_recall": plot_tables.precision_recall_rows(measured),
            "class_map": plot_tables.class_map_rows(embeddings, measured),
            "confusion": plot_tables.confusion_rows(embeddings, measured),
            "queries": plot_tables.query_rows(clip_ids, measured),
            "plane": plane_rows(clip_ids, embeddings, planes[name]),
        }
        for table_name, rows in tables.items():
            write_csv(folder / table_name / f"{name}.csv", rows)
    shares = [{"model": name, "first": x, "second": y} for name, (*_, (x, y)) in planes.items()]
    write_csv(folder / "plane.csv", shares)
    return _write_rankings(folder, results, clip_ids, params)


def _write_rankings(folder: Path, results: Results, clip_ids: Sequence[str], params: EvaluateParams) -> list[str]:
    """What each query found, model by model; the models that have no TREC files."""
    without = []
    for name, embeddings in track(results.embeddings.items(), "evaluate", "ranking"):
        measured = results.measured[name]
        write_results(folder / "queries" / f"{name}.parquet", clip_ids, embeddings, measured, params.kept_results)
        if not trec.write_runs(folder / "trec", name, clip_ids, embeddings, measured, params.trec_rows):
            without.append(name)
    if len(without) < len(results.embeddings):
        first = next(iter(results.embeddings))
        trec.write_qrels(folder / "trec", clip_ids, results.embeddings[first], results.measured[first])
    return without


def machine() -> dict[str, str]:
    """Return the kind of machine: another kind rounds otherwise in the last bits, and training carries that on."""
    config: Any = np.show_config(mode="dicts")
    vectors = config["SIMD Extensions"].get("found") or config["SIMD Extensions"]["baseline"]
    python = ".".join(platform.python_version_tuple()[:2])
    return {"processor": platform.machine(), "vector_instructions": vectors[-1], "python": python}


def _device(model: Path) -> str:
    """The kind of device on which a model was trained."""
    try:
        return str(read_provenance(model)["device"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{model}: {in_words(error)}; expected a folder that the stage `train` wrote") from error
