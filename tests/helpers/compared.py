"""A small set of features on which the page of results is made, and what scikit-learn says of it."""

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import yaml
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score

from pipeline.formats.feature_table import FeatureTable
from pipeline.model_parts.base import Pairs, model_module
from pipeline.settings.params import load_params
from pipeline.tune.trials import Budget
from studies.ablation import PRESETS
from studies.comparison import __main__ as results
from tests.helpers.cosines import exact_cosines
from tests.helpers.project import ROOT
from tests.helpers.yaml_text import read_yaml

Rows = NDArray[np.floating]
SECTIONS = {"dual_subspace": "model", "cca": "baselines.cca", "c_cca": "baselines.c_cca"}
SHIPPED = "As shipped in params.yaml"
SEEDS = (0, 1)
BUDGET = Budget(n_trials=2, n_folds=5, seed=0, by_cluster=True)


def features(noise_in_test: bool = False) -> FeatureTable:
    rng = np.random.default_rng(0)
    labels = np.arange(90) % 3
    centres = 0.8 * rng.standard_normal((3, 14))
    rows = (centres[labels] + rng.standard_normal((90, 14))).astype(np.float32)
    splits = [("train", "train", "validation", "test", "test")[i // 3 % 5] for i in range(90)]
    test = np.array(splits) == "test"
    if noise_in_test:
        rows[test] = rng.standard_normal((test.sum(), 14))
    second = np.flatnonzero(np.arange(90) // 3 % 5 == 4)
    rows[second, 8:] = rows[second - 3, 8:]  # two test clips of a class have one picture
    return FeatureTable(
        clip_ids=[str(i) for i in range(90)],
        splits=splits,
        labels=labels,
        classes=list("abc"),
        audio=rows[:, :8],
        visual=rows[:, 8:],
        provenance={},
    )


def run(folder: Path, monkeypatch: pytest.MonkeyPatch, n_clusters: int = BUDGET.n_folds) -> None:
    words = ["work", "tiny=features.safetensors", "--trials", "2", "--clusters", f"tiny={n_clusters}"]
    words += ["--seeds", *map(str, SEEDS)]
    words += ["--searches", "2", "--again", "dual_subspace", "c_cca"]
    monkeypatch.chdir(folder)
    monkeypatch.setenv("AVR_WORKERS", "1")
    monkeypatch.setattr(sys, "argv", ["results", *words])
    results.main()


def shorten_presets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every preset train for two epochs, as the small model does."""
    for changes in PRESETS.values():
        if "epochs" in changes:
            monkeypatch.setitem(changes, "epochs", 2)


def make_run(folder: Path) -> None:
    """Run the command in a folder, on a small model."""
    params = read_yaml((ROOT / "params.yaml").read_text())
    params["models"] = SECTIONS
    params["model"] |= {"epochs": 2, "hidden_width": 16, "explicit_width": 8, "implicit_width": 8}
    params["baselines"]["c_cca"] |= {"n_components": 2}
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    features().save(folder / "features.safetensors")
    with pytest.MonkeyPatch.context() as monkeypatch:
        shorten_presets(monkeypatch)
        run(folder, monkeypatch)


def cells(folder: Path, section: str, name: str) -> list[str]:
    """The cells of a line of the page, in the first table behind a heading."""
    text = (folder / "docs/results.md").read_text().split(f"# {section}\n", 1)[1]
    line = next(line for line in text.splitlines() if line.startswith(f"| {name} |"))
    return [cell.strip() for cell in line.strip("|").split("|")]


def average_precisions(audio: Rows, visual: Rows) -> NDArray[np.float64]:
    """Of the test rows, both ways, by scikit-learn: (2, n)."""
    labels = features().rows("test")[2]
    relevant = labels[:, None] == labels
    similarity = exact_cosines(audio, visual)
    return np.array(
        [
            [average_precision_score(r, s) for r, s in zip(relevant, way, strict=True)]
            for way in (similarity, similarity.T)
        ]
    )


def fitted(name: str, folder: Path, seed: int) -> tuple[Rows, Rows]:
    """Test embeddings of a model with the params of the folder."""
    module = model_module(name)
    params = load_params(SECTIONS[name], module.Params, folder / "params.yaml")
    model = module.Model(params, seed)
    model.fit(Pairs(*features().rows("train")), Pairs(*features().rows("validation")))
    audio, visual, _ = features().rows("test")
    return model.embed_audio(audio), model.embed_visual(visual)


def scores(name: str, folder: Path, seeds: Sequence[int]) -> NDArray[np.float64]:
    """(n_seeds, 2, n)."""
    return np.stack([average_precisions(*fitted(name, folder, seed)) for seed in seeds])


def trial_table(work: Path, name: str) -> Path:
    """The table of a model's search."""
    [table] = (work / "tune/tiny").glob(f"*/{name}.csv")
    return table
