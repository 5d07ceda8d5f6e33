"""The page for a reader of a run: one file that needs no network, from metrics.json and the tables behind the plots."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pipeline.formats.headlines import headline_of_report
from pipeline.formats.rejects import Reject, count_kinds, kinds_in_words
from pipeline.report import pictures
from pipeline.report.inputs import Inputs, Tables
from pipeline.report.leaves import leaves
from pipeline.report.moments import moments
from pipeline.report.rendering import DIRECTIONS, SECTIONS, render

Row = Mapping[str, Any]

SHARED = {"clip_id": "name", "sha256": "bytes", "source_id": "source video"}
KINDS = {"sound": "sounds", "picture": "pictures", "source": "sources, such as recordings or voices"}
N_CURVES = len(pictures.COLOURS)
N_MISTAKES = 20
METRIC = {"map": "MAP", "mrr": "MRR"}  # what models are ranked by, as the page calls it


def page(inputs: Inputs) -> str:
    """Return the page as HTML, a function of its inputs alone."""
    metrics, tables = inputs.metrics, inputs.tables
    n_seeds = {name: len(rows) // (2 * metrics["dataset"]["n_queries"]) for name, rows in tables["confusion"].items()}
    first, ranked = next(iter(metrics["models"])), _ranked(metrics)
    shown = [first, *(name for name in ranked if name != first)][:N_CURVES]
    return render(
        {
            **metrics,
            "of_run": inputs,
            "headline": (headline := headline_of_report(metrics)),
            "metric": METRIC[headline],
            "there": [(name, heading) for name, heading in SECTIONS if name not in _left_out(headline, inputs)],
            "thumb_numbers": {place: number for number, place in enumerate(inputs.thumbnails)},
            "of_device": metrics["provenance"].get("device", "not known"),
            "first": first,
            "ranked": ranked,
            "shown": shown,
            "n_seeds": n_seeds,
            "cutoffs": _cutoffs(metrics["models"][first]["average"]),
            "warnings": list(warnings(metrics, inputs.refused)),
            "moments": moments(inputs.localisation),
            "rejected_kinds": count_kinds(inputs.refused),
            "provenance": [*leaves(metrics["provenance"]), *leaves(inputs.machine, "machine")],
            **_pictures(metrics, tables, ranked, shown),
            **_training(inputs, shown),
            **_answers(first, tables, 2 * n_seeds[first]),
        }
    )


def warnings(metrics: Row, refused: Sequence[Reject]) -> Iterator[tuple[str, str]]:
    """Yield what a reader has to know before any number: what there is, and what it means.

    Args:
        metrics: what metrics.json holds.
        refused: the rows of rejected.csv.
    """
    dataset, leakage = metrics["dataset"], metrics["dataset"].get("leakage", {})
    for relation, word in SHARED.items():
        if n_leaks := leakage.get(f"test_same_{relation}", 0):
            what = f"{n_leaks} of {dataset['n_test']} test clips share their {word} with clips of train or validation"
            yield f"leakage: {what}", "Scores on them flatter the models."
    for kind in one_of_a_kind(dataset["query_groups"]):
        yield (
            f"one {kind}: all test clips have the same",
            f"No interval and no p-value here covers other {KINDS[kind]}.",
        )
    facts = leaves(metrics["provenance"])
    if untrained := [key.rpartition(".")[0] for key, value in facts if key.endswith(".weights") and value == "random"]:
        what = f"random weights in {' and '.join(untrained)}"
        yield what, "The numbers say that the pipeline works, not how good trained networks are."
    if n_alike := dataset.get("similar_labels", 0):
        what = f"similar labels: {n_alike} groups that differ only in case or white space"
        yield what, "They count as different classes."
    if n_rejected := metrics["rejected"]:
        kinds = kinds_in_words(refused)
        yield f"rejected clips: {n_rejected} ({kinds})", "The run went on without them; they are listed below."


def one_of_a_kind(groups: Mapping[str, float]) -> list[str]:
    """Return what all queries have one of: ``sound``, ``picture``, ``source``, of those in ``KINDS``.

    Args:
        groups: the counts of ``dataset.query_groups`` of metrics.json.
    """
    return [kind for kind in KINDS if groups[f"n_{kind}s"] == 1]


def _left_out(headline: str, inputs: Inputs) -> set[str]:
    """The sections of which there is nothing to show: no clips, or no classes."""
    return ({"clips"} if not inputs.shown else set()) | ({"classes", "confusion"} if headline != "map" else set())


def _ranked(metrics: Row) -> list[str]:
    """The models, the best one first."""
    headline = headline_of_report(metrics)
    return sorted(metrics["models"], key=lambda name: -metrics["models"][name]["average"][headline])


def _pictures(metrics: Row, tables: Tables, ranked: Sequence[str], shown: Sequence[str]) -> dict[str, Any]:
    """Bars of all models, curves of some."""
    averages, chance = {name: metrics["models"][name]["average"] for name in ranked}, metrics["chance"]
    headline = headline_of_report(metrics)
    maps = {name: of[headline] for name, of in averages.items()}
    margins = {name: of.get(f"{headline}_margin", 0.0) for name, of in averages.items()}
    level, scope = chance["precision"], "K, how many results are looked at"
    return {
        "bars": pictures.bars(maps, margins, shown[0], chance[headline], METRIC[headline]),
        "scope": _curves("precision_scope", tables, shown, scope, level, "chance"),
        "recall": _curves("precision_recall", tables, shown, "recall", level, "relevant clips"),
    }


def _curves(table: str, tables: Tables, shown: Sequence[str], x: str, level: float, word: str) -> dict[str, str]:
    """A picture for each direction."""
    points = {way: {name: [_point(row, way) for row in tables[table][name]] for name in shown} for way in DIRECTIONS}
    top = max(precision for of_way in points.values() for curve in of_way.values() for _, precision in curve)
    return {way: pictures.curves(f"{table}-{way}", points[way], x, max(top, level), level, word) for way in DIRECTIONS}


def _point(row: Mapping[str, str], direction: str) -> tuple[float, float]:
    """A place on a curve: the first column, and the precision in a direction."""
    return float(next(iter(row.values()))), float(row[direction])


def _training(inputs: Inputs, shown: Sequence[str]) -> dict[str, Any]:
    """The curves of the training of the shown models that have epochs: the loss of the first, the MAP of all."""
    metric = METRIC[headline_of_report(inputs.metrics)]
    losses = {name: inputs.histories[name].get("loss", {}) for name in shown[:1]}
    maps = {name: inputs.histories[name].get("validation_map", {}) for name in shown}
    return {
        "trained": [name for name, of_seeds in maps.items() if of_seeds],
        "loss": pictures.training("loss", losses, "loss") if losses[shown[0]] else None,
        "validation": pictures.training("validation", maps, f"{metric}, validation split")
        if any(maps.values())
        else None,
    }


def _answers(first: str, tables: Tables, n_rounds: int) -> dict[str, Any]:
    """The classes of a model, the best one first, and what is taken for what; all queries are asked in every round."""
    confusion = Counter((row["actual"], row["predicted"]) for row in tables["confusion"][first])
    n_answers = Counter(row["actual"] for row in tables["confusion"][first])
    classes = [
        {
            "label": row["class"],
            "n_queries": n_answers[row["class"]] // n_rounds,
            "maps": [float(row[way]) for way in DIRECTIONS],
        }
        for row in tables["class_map"][first]
    ]
    return {
        "classes": sorted(classes, key=lambda of: -sum(of["maps"])),
        "confusion": confusion,
        "mistakes": _mistakes(confusion)[:N_MISTAKES],
    }


def _mistakes(confusion: Mapping[tuple[str, str], int]) -> list[tuple[tuple[str, str], int]]:
    """Pairs of unlike classes and how often the second was taken for the first, the most frequent first."""
    return sorted(
        (item for item in confusion.items() if item[0][0] != item[0][1]), key=lambda item: (-item[1], item[0])
    )


def _cutoffs(metrics: Mapping[str, float]) -> list[int]:
    """The smallest and the largest K of recall_at_K."""
    found = {int(key.rpartition("_")[2]) for key in metrics if key.startswith("recall_at_")}
    return sorted({min(found), max(found)})
