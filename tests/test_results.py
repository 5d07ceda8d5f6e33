import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from numpy.typing import NDArray
from scipy import stats
from sklearn.metrics import average_precision_score
from sklearn.metrics.pairwise import cosine_similarity

from benchmarks.ablation import PRESETS, command, table
from benchmarks.results import __main__ as results
from benchmarks.results import jobs, page, tables
from benchmarks.results.sets import parse
from pipeline.errors import DataError, ParamsError
from pipeline.features import FeatureTable
from pipeline.linalg import cluster_cca
from pipeline.params import load_params
from pipeline.significance import holm
from pipeline.tune import read_trials

ROOT = Path(__file__).parent.parent
SECTIONS = {"dual_subspace": "model", "cca": "baselines.cca", "c_cca": "baselines.c_cca"}


def features(noise_in_test: bool = False) -> FeatureTable:
    rng = np.random.default_rng(0)
    labels = np.arange(90) % 3
    centres = 0.8 * rng.standard_normal((3, 14))
    rows = (centres[labels] + rng.standard_normal((90, 14))).astype(np.float32)
    splits = [("train", "train", "validation", "test", "test")[i // 3 % 5] for i in range(90)]
    test = np.array(splits) == "test"
    if noise_in_test:
        rows[test] = rng.standard_normal((test.sum(), 14))
    return FeatureTable(
        clip_ids=[str(i) for i in range(90)],
        splits=splits,
        labels=labels,
        classes=list("abc"),
        audio=rows[:, :8],
        visual=rows[:, 8:],
        provenance={},
    )


def run(folder: Path, monkeypatch: pytest.MonkeyPatch, work: str = "work") -> None:
    words = [work, "tiny=features.safetensors", "--trials", "2", "--folds", "2", "--seeds", "0", "1"]
    monkeypatch.chdir(folder)
    monkeypatch.setenv("WORKERS", "1")
    monkeypatch.setattr(sys, "argv", ["results", *words])
    results.main()


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the command ran."""
    folder = tmp_path_factory.mktemp("project")
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params["models"] = SECTIONS
    params["model"] |= {"epochs": 2, "hidden_width": 16, "explicit_width": 8, "implicit_width": 8}
    params["baselines"]["c_cca"] |= {"n_components": 2}
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    features().save(folder / "features.safetensors")
    with pytest.MonkeyPatch.context() as monkeypatch:
        run(folder, monkeypatch)
    return folder


def cells(folder: Path, section: str, name: str) -> list[str]:
    """The cells of a line of the page, in the first table behind a heading."""
    text = (folder / "docs/results.md").read_text().split(f" {section}\n", 1)[1]
    line = next(line for line in text.splitlines() if line.startswith(f"| {name} |"))
    return [cell.strip() for cell in line.strip("|").split("|")]


def average_precisions(similarity: NDArray[np.float64], relevant: NDArray[np.bool_]) -> list[float]:
    return [float(average_precision_score(r, s)) for r, s in zip(relevant, similarity, strict=True)]


def test_the_maps_of_a_model_are_those_of_scikit_learn(finished: Path) -> None:
    (audio, visual, labels), test = features().rows("train"), features().rows("test")
    fitted = cluster_cca(audio, visual, labels, labels, 2, 0.1)
    similarity = cosine_similarity(fitted.x_variates(test[0]), fitted.y_variates(test[1]))
    relevant = test[2][:, None] == test[2]
    ways = [np.mean(average_precisions(scores, relevant)) for scores in (similarity, similarity.T)]
    shown = cells(finished, "As shipped in params.yaml", "`c_cca`")
    assert shown[2:5] == [f"{value:.3f}" for value in (*ways, np.mean(ways))]
    nearest = [test[2][scores.argmax(axis=1)] == test[2] for scores in (similarity, similarity.T)]
    assert shown[7] == f"{np.mean(nearest):.3f}"
