"""The parts of metrics.json that say what was measured, on what and with what."""

import platform
from collections.abc import Iterable
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from pipeline.settings.paths import AnyPath

if TYPE_CHECKING:
    from pipeline.formats.feature_table import FeatureTable


PACKAGES = ("av", "numpy", "scipy", "torch", "torchvision")


def summary(report: dict[str, Any], metrics: AnyPath) -> str:
    """Return a line a model, best first: its MAP, the mean of both directions; and what chance gets."""
    maps = {name: of_model["average"]["map"] for name, of_model in report["models"].items()}
    maps["chance"] = report["chance"]["map"]
    lines = [f"  {name:20} {maps[name]:.3f}" for name in sorted(maps, key=lambda name: -maps[name])]
    clips = f"{report['dataset']['n_test']} test clips of {report['dataset']['n_test_classes']} classes"
    return "\n".join([f"evaluate: MAP over {clips}; all else stands in {metrics}", *lines])


def against_first(differences: list[dict[str, Any]], names: Iterable[str]) -> dict[str, dict[str, float]]:
    """The first model's lead over each other one, and its p-values."""
    first = next(iter(names))
    return {
        row["other"]: {key: row[key] for key in ("difference", "p", "p_holm")}
        for row in differences
        if row["model"] == first
    }


def dataset_facts(table: "FeatureTable") -> dict[str, Any]:
    """What the numbers were measured on."""
    from pipeline.formats.clips import SPLITS
    from pipeline.settings.params import read_section

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


def versions() -> dict[str, str]:
    """What the numbers were computed with."""
    return {"python": platform.python_version(), **{package: version(package) for package in PACKAGES}}


def machine() -> dict[str, str]:
    """The kind of processor: another kind rounds otherwise in the last bits, and training carries that on."""
    import numpy as np

    config: Any = np.show_config(mode="dicts")
    vectors = config["SIMD Extensions"].get("found") or config["SIMD Extensions"]["baseline"]
    return {"processor": platform.machine(), "vector_instructions": vectors[-1]}
