"""What metrics.json and summary.json say: the few numbers of every model, what they were measured on and with what."""

from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.formats.headlines import CLIP_PREFIX, Relevance, headline_of, headline_of_report
from pipeline.settings.paths import AnyPath

if TYPE_CHECKING:
    from pipeline.formats.feature_table import FeatureTable

Report = dict[str, Any]
ByDirection = Mapping[str, Mapping[str, float]]

PROJECT = "dual-subspace-retrieval"
PACKAGES = ("av", "numpy", "scipy", "torch", "torchvision")
DIRECTIONS = ("audio_to_visual", "visual_to_audio", "average")


def of_model(metrics: ByDirection, relevance: Relevance = "class") -> dict[str, dict[str, float]]:
    """Return what metrics.json says of a model, few numbers; all others stand in plots/metrics.csv.

    Of each direction and their average it is the MAP, the mean reciprocal rank and the recall at the smallest and the
    largest cut-off; of the average also how far its MAP may be off, and its spread between the seeds and within one.
    Where relevant is the own clip, it is the mean reciprocal rank with its spread, all recalls and the median rank, and
    no MAP.

    Args:
        metrics: every metric by direction, and of their ``average``; those of the own clip beside those of the class
            have a prefix.
        relevance: what is relevant to a query.
    """
    spreads, cutoffs = spreads_of(relevance), [name for name in metrics["average"] if name.startswith("recall_at_")]
    of_clip = ["mrr", *cutoffs, "median_rank"]
    if relevance == "clip":
        names = ["mrr", *spreads, *of_clip[1:]]
    else:
        of_class = ["map", *spreads, "mrr", *dict.fromkeys((cutoffs[0], cutoffs[-1]))]
        names = [*of_class, *(f"{CLIP_PREFIX}{name}" for name in of_clip)]
    chosen = {way: [name for name in names if way == "average" or name not in spreads] for way in DIRECTIONS}
    return {way: {name: metrics[way][name] for name in chosen[way] if name in metrics[way]} for way in DIRECTIONS}


def spreads_of(relevance: Relevance) -> tuple[str, ...]:
    """Return what is said of the spread of the number that models are ranked by, where there is any."""
    return tuple(f"{headline_of(relevance)}_{spread}" for spread in ("margin", "sampling_margin", "std", "within_std"))


def summary(report: Report) -> Report:
    """Return the row that `dvc metrics show` shows: the first model, the best other one, chance, rejected clips."""
    headline = headline_of_report(report)
    values = {name: of["average"][headline] for name, of in report["models"].items()}
    first, *others = values
    row = {"model": first, headline: values[first]}
    if (margin := f"{headline}_margin") in (average := report["models"][first]["average"]):
        row[margin] = average[margin]
    if others:
        best = max(others, key=values.__getitem__)
        row |= {"best_other": best, f"best_other_{headline}": values[best]}
    return {**row, f"chance_{headline}": report["chance"][headline], "rejected": report["rejected"]}


def in_words(report: Report, metrics: AnyPath) -> str:
    """Return a line a model, best first: its MAP, the mean of both directions; and what chance gets."""
    headline = headline_of_report(report)
    maps = {name: of["average"][headline] for name, of in report["models"].items()}
    maps["chance"] = report["chance"][headline]
    lines = [f"  {name:20} {maps[name]:.3f}" for name in sorted(maps, key=lambda name: -maps[name])]
    clips, n_classes = f"{report['dataset']['n_test']} test clips", report["dataset"]["n_test_classes"]
    groups = report["dataset"]["query_groups"]
    independent = (
        f"{groups['n_groups']} groups that share a sound, picture or source, effectively {groups['n_effective']:.4g}"
    )
    words = (
        f"MAP over {clips} of {n_classes} classes"
        if headline == "map"
        else f"mean reciprocal rank of the own clip among {clips}"
    )
    return "\n".join([f"evaluate: {words} ({independent}); all else stands in {metrics}", *lines])


def dataset_facts(table: "FeatureTable", relevance: Relevance = "class") -> dict[str, Any]:
    """Return what the numbers were measured on: the data set's name and source, how many clips, how wide features.

    Args:
        table: of all clips.
        relevance: what is relevant to a query; it is said where it is not the class.
    """
    from pipeline.formats.clips import SPLITS
    from pipeline.formats.feature_table import NO_LABEL
    from pipeline.settings.params import read_section

    n_clips = {f"n_{split}": table.splits.count(split) for split in SPLITS}
    of_test = [label for label, split in zip(table.labels.tolist(), table.splits, strict=True) if split == "test"]
    n_unlabelled = {"n_unlabelled": int((table.labels < 0).sum()), "n_unlabelled_test": of_test.count(NO_LABEL)}
    source, path = (read_section(f"dataset.{key}") for key in ("source", "path"))
    return {
        "name": Path(str(path)).name if path else source,
        "source": source,
        "split_seed": read_section("dataset.seed"),
        "n_clips": len(table.clip_ids),
        "n_classes": len(table.classes),
        **n_clips,
        "n_test_classes": len({*of_test} - {NO_LABEL}),
        "audio_width": table.audio.shape[1],
        "visual_width": table.visual.shape[1],
        **(n_unlabelled if n_unlabelled["n_unlabelled"] else {}),
        **({"relevance": relevance} if relevance != "class" else {}),
    }


def provenance(features: Mapping[str, Any], devices: Iterable[str]) -> Report:
    """Return what made the numbers, and nothing that differs between two runs on machines of one kind.

    Args:
        features: what made the features, as their table says.
        devices: kind of device on which each model was trained, ``cpu`` or ``cuda``.
    """
    versions = {package: _version(package) for package in PACKAGES}
    device = " and ".join(sorted(set(devices)))
    return {**features, "device": device, "project": f"{PROJECT} {_version(PROJECT)}", "versions": versions}


def _version(package: str) -> str:
    """The version that is installed, without the part that says for which devices it was built."""
    try:
        return version(package).partition("+")[0]
    except PackageNotFoundError:
        return "not installed"
