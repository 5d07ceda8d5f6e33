"""A small table of features, a folder with it and params.yaml, and a search there."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score
from sklearn.metrics.pairwise import cosine_similarity

from pipeline import linalg
from pipeline.formats.clips import Clip
from pipeline.formats.feature_table import FeatureTable
from pipeline.tune.trials import Budget, tune

Rows = NDArray[Any]
BUDGET = Budget(n_trials=4, n_folds=3, seed=0)  # all four on two folds, three on the third


def write_project(folder: Path) -> None:
    """The features, and the parameters of c_cca."""
    section = {"n_components": 3, "ridge": 0.1}
    (folder / "params.yaml").write_text(yaml.safe_dump({"baselines": {"c_cca": section}}))
    table().save(folder / "features.safetensors")


def search(project: Path, budget: Budget = BUDGET, out: str = "out") -> Path:
    """The table of the trials of c_cca."""
    tune(project / "features.safetensors", "c_cca", "baselines.c_cca", budget, project / out)
    return project / out / "c_cca.csv"


def clips_of(source_of: Callable[[int], str]) -> list[Clip]:
    """The clips of the table, each with its recording."""
    return [Clip(clip_id=str(i), path="", label="a", source_id=source_of(i)) for i in range(60)]


def table(noise_in_test: bool = False) -> FeatureTable:
    rng = np.random.default_rng(0)
    labels = np.arange(60) % 4
    centres = 1.5 * rng.standard_normal((4, 14))
    features = (centres[labels] + rng.standard_normal((60, 14))).astype(np.float32)
    splits = ["test" if i % 3 == 0 else "train" for i in range(60)]
    if noise_in_test:
        features[::3] = rng.standard_normal((20, 14)).astype(np.float32)
    return FeatureTable(
        clip_ids=[str(i) for i in range(60)],
        splits=splits,
        labels=labels,
        classes=list("abcd"),
        audio=features[:, :8],
        visual=features[:, 8:],
        provenance={},
    )


def held_out_map(audio: Rows, visual: Rows, labels: Rows, fit: Rows, held: Rows) -> float:
    cca = linalg.cluster_cca(audio[fit], visual[fit], labels[fit], labels[fit], 3, 0.1)
    similarity = cosine_similarity(cca.x_variates(audio[held]), cca.y_variates(visual[held]))
    relevant = labels[held][:, None] == labels[held]
    queries = [*zip(relevant, similarity, strict=True), *zip(relevant, similarity.T, strict=True)]
    return float(np.mean([average_precision_score(hits, scores) for hits, scores in queries]))
