"""The page for a reader of a run: one file that needs no network, from metrics.json and the tables behind the plots."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from pipeline.formats.rejects import Reject, count_kinds, kinds_in_words
from pipeline.report import pictures
from pipeline.report.inputs import Inputs, Tables
from pipeline.report.shown_clips import LONGEST_SECONDS

Row = Mapping[str, Any]

TEMPLATE = "page.html.jinja"
DIRECTIONS = {"audio_to_visual": "sound to video", "visual_to_audio": "video to sound"}
SHARED = {"clip_id": "name", "sha256": "bytes", "source_id": "source video"}
N_CURVES = len(pictures.COLOURS)
N_REJECTS = 50
N_MISTAKES = 20
MAX_MATRIX_CLASSES = 20  # more are a list of the most frequent mistakes


def page(inputs: Inputs) -> str:
    """Return the page as HTML, a function of its inputs alone."""
    metrics, tables, leads, machine, refused, clips = inputs
    n_seeds = {name: len(rows) // (2 * metrics["dataset"]["n_queries"]) for name, rows in tables["confusion"].items()}
    first, ranked = next(iter(metrics["models"])), _ranked(metrics)
    shown = [first, *(name for name in ranked if name != first)][:N_CURVES]
    return (
        _environment()
        .get_template(TEMPLATE)
        .render(
            metrics,
            first=first,
            ranked=ranked,
            shown=shown,
            n_seeds=n_seeds,
            significance=leads,
            cutoffs=_cutoffs(metrics["models"][first]["average"]),
            warnings=list(warnings(metrics, refused)),
            refused=refused,
            clips=clips,
            rejected_kinds=count_kinds(refused),
            provenance=[*_leaves(metrics["provenance"]), *_leaves(machine, "machine")],
            **_pictures(metrics, tables, ranked, shown),
            **_answers(first, tables, 2 * n_seeds[first]),
        )
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
    leaves = _leaves(metrics["provenance"])
    if untrained := [key.rpartition(".")[0] for key, value in leaves if key.endswith(".weights") and value == "random"]:
        what = f"random weights in {' and '.join(untrained)}"
        yield what, "The numbers say that the pipeline works, not how good trained networks are."
    if n_alike := dataset.get("similar_labels", 0):
        what = f"similar labels: {n_alike} groups that differ only in case or white space"
        yield what, "They count as different classes."
    if n_rejected := metrics["rejected"]:
        kinds = kinds_in_words(refused)
        yield f"rejected clips: {n_rejected} ({kinds})", "The run went on without them; they are listed below."


def _ranked(metrics: Row) -> list[str]:
    """The models, the best one first."""
    return sorted(metrics["models"], key=lambda name: -metrics["models"][name]["average"]["map"])


def _pictures(metrics: Row, tables: Tables, ranked: Sequence[str], shown: Sequence[str]) -> dict[str, Any]:
    """Bars of all models, curves of some."""
    averages, chance = {name: metrics["models"][name]["average"] for name in ranked}, metrics["chance"]
    maps = {name: of["map"] for name, of in averages.items()}
    margins = {name: of.get("map_margin", 0.0) for name, of in averages.items()}
    level, scope = chance["precision"], "K, how many results are looked at"
    return {
        "bars": pictures.bars(maps, margins, shown[0], chance["map"]),
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


def _leaves(value: object, key: str = "") -> Iterator[tuple[str, object]]:
    """Every value of nested maps under its dotted key.

    Example:
        >>> dict(_leaves({"vggish": {"weights": "random", "seed": 0}, "device": "cpu"}))
        {'vggish.weights': 'random', 'vggish.seed': 0, 'device': 'cpu'}
    """
    if isinstance(value, Mapping):
        for name, member in value.items():
            yield from _leaves(member, f"{key}.{name}" if key else str(name))
    else:
        yield key, value


def _environment() -> Environment:
    """Jinja with the format of the page's numbers; whatever comes from data is escaped."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.globals |= {"directions": DIRECTIONS, "n_rejects": N_REJECTS, "max_matrix_classes": MAX_MATRIX_CLASSES}
    environment.globals["shown_seconds"] = round(LONGEST_SECONDS)
    environment.filters |= {"number": "{:.3f}".format, "p_value": "{:#.2g}".format}
    return environment
