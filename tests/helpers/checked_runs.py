"""Runs of chosen MAPs, and what `avr check` says of them."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from typer.testing import CliRunner, Result

from pipeline.evaluate.check import app
from pipeline.evaluate.writing import write_csv, write_json

WAYS = ("audio_to_visual", "visual_to_audio")
N = 30
Maps = Mapping[str, float]


def scores(level: float, seed: int) -> np.ndarray:
    """(2, N) average precisions whose mean is the level."""
    drawn = np.random.default_rng(seed).normal(0, 0.1, (2, N))
    return drawn - drawn.mean() + level


def write_run(folder: Path, maps: Maps, seed: int = 0, clips: str = "clip", tables: bool = True) -> Path:
    """A run whose models have these average MAPs."""
    folder.mkdir(parents=True, exist_ok=True)
    models = {}
    for name, level in maps.items():
        drawn = scores(level, seed)
        rows = [
            {"clip_id": f"{clips} {i}", "direction": way, "average_precision": drawn[k, i], "first_rank": 1}
            for k, way in enumerate(WAYS)
            for i in range(N)
        ]
        if tables:
            write_csv(folder / "plots" / "queries" / f"{name}.csv", rows)
        models[name] = {
            **{way: {"map": drawn[k].mean(), "mrr": 0.5} for k, way in enumerate(WAYS)},
            "average": {"map": level, "mrr": 0.5},
        }
    dataset = {"name": "demo", "n_test": N, "n_test_classes": 3, "n_queries": N}
    write_json(folder / "metrics.json", {"dataset": dataset, "models": models, "chance": {"map": 0.1}})
    return folder / "metrics.json"


def check(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def rows(result: Result) -> dict[str, list[str]]:
    """The table's cells by its first column."""
    lines = [line.strip("| ").split(" | ") for line in result.stdout.splitlines() if line.startswith("|")]
    assert lines[0] == ["metric", "before", "after", "change", "p", "verdict"]
    return {line[0]: line[1:] for line in lines[2:]}


Make = Callable[..., Path]
