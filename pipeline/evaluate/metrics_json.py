"""What metrics.json and summary.json say: the few numbers of every model, what they were measured on and with what."""

from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.settings.paths import AnyPath

if TYPE_CHECKING:
    from pipeline.formats.feature_table import FeatureTable

Report = dict[str, Any]
ByDirection = Mapping[str, Mapping[str, float]]

PROJECT = "dual-subspace-retrieval"
PACKAGES = ("av", "numpy", "scipy", "torch", "torchvision")
DIRECTIONS = ("audio_to_visual", "visual_to_audio", "average")
SPREADS = ("map_margin", "map_sampling_margin", "map_std", "map_within_std")  # of the average, where there are any


def of_model(metrics: ByDirection) -> dict[str, dict[str, float]]:
    """Return what metrics.json says of a model, at most 16 numbers; all others stand in plots/metrics.csv.

    Of each direction and their average it is the MAP, the mean reciprocal rank and the recall at the smallest and the
    largest cut-off; of the average also how far its MAP may be off, and its spread between the seeds and within one.

    Args:
        metrics: every metric by direction, and of their ``average``.
    """
    recalls = [name for name in metrics["average"] if name.startswith("recall_at_")]
    names = ["map", *SPREADS, "mrr", *dict.fromkeys((recalls[0], recalls[-1]))]
    chosen = {way: [name for name in names if way == "average" or name not in SPREADS] for way in DIRECTIONS}
    return {way: {name: metrics[way][name] for name in chosen[way] if name in metrics[way]} for way in DIRECTIONS}


def summary(report: Report) -> Report:
    """Return the row that `dvc metrics show` shows: the first model, the best other one, chance, rejected clips."""
    maps = {name: of["average"]["map"] for name, of in report["models"].items()}
    first, *others = maps
    row = {"model": first, "map": maps[first]}
    if "map_margin" in (average := report["models"][first]["average"]):
        row["map_margin"] = average["map_margin"]
    if others:
        best = max(others, key=maps.__getitem__)
        row |= {"best_other": best, "best_other_map": maps[best]}
    return {**row, "chance_map": report["chance"]["map"], "rejected": report["rejected"]}


def in_words(report: Report, metrics: AnyPath) -> str:
    """Return a line a model, best first: its MAP, the mean of both directions; and what chance gets."""
    maps = {name: of["average"]["map"] for name, of in report["models"].items()}
    maps["chance"] = report["chance"]["map"]
    lines = [f"  {name:20} {maps[name]:.3f}" for name in sorted(maps, key=lambda name: -maps[name])]
    clips = f"{report['dataset']['n_test']} test clips of {report['dataset']['n_test_classes']} classes"
    groups = report["dataset"]["query_groups"]
    independent = (
        f"{groups['n_groups']} groups that share a sound, picture or source, effectively {groups['n_effective']:.4g}"
    )
    return "\n".join([f"evaluate: MAP over {clips} ({independent}); all else stands in {metrics}", *lines])


def dataset_facts(table: "FeatureTable") -> dict[str, Any]:
    """Return what the numbers were measured on: the data set's name and source, how many clips, how wide features."""
    from pipeline.formats.clips import SPLITS
    from pipeline.settings.params import read_section

    n_clips = {f"n_{split}": table.splits.count(split) for split in SPLITS}
    tested = {label for label, split in zip(table.labels.tolist(), table.splits, strict=True) if split == "test"}
    source, path = (read_section(f"dataset.{key}") for key in ("source", "path"))
    return {
        "name": Path(str(path)).name if path else source,
        "source": source,
        "split_seed": read_section("dataset.seed"),
        "n_clips": len(table.clip_ids),
        "n_classes": len(table.classes),
        **n_clips,
        "n_test_classes": len(tested),
        "audio_width": table.audio.shape[1],
        "visual_width": table.visual.shape[1],
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
