"""A run of made-up embeddings whose last two stages are the real ones, and the page about it."""

import contextlib
import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from pipeline.formats import provenance, rejects
from pipeline.formats.clips import Clip, write_clips
from pipeline.formats.csv_rows import write_rows
from pipeline.formats.embeddings import EmbeddedClips
from pipeline.formats.feature_table import FeatureTable
from pipeline.formats.one_sided import NO_CLIPS
from pipeline.formats.rejects import Reject
from stages import evaluate, report
from tests.helpers.html_page import Page
from tests.helpers.project import ROOT
from tests.helpers.yaml_text import read_yaml

CLASSES = ("cat", "dog", "owl")
SMALL = {"significance_permutations": 200, "scope_sizes": [1, 2, 5]}
PATHS = (Path("metrics.json"), Path("summary.json"), Path("plots"))
NOTHING_LOCATED = {"n_clips": 0, "n_events": 0, "models": {}, "own_distance": {}, "chance": {}}
HOSTILE = ("<script>alert(1)</script>", "a & \"b\" 'c'", "guitar 🎸")


class Run:
    """A folder with what the stage ``evaluate`` wrote about made-up embeddings, and the page about it."""

    words = ("metrics.json", "plots", rejects.FILE, "clips.csv", "models", "localisation.json", "report")

    def __init__(
        self,
        folder: Path,
        models: Mapping[str, float],
        classes: Sequence[str] = CLASSES,
        refused: Sequence[Reject] = (),
        params: Mapping[str, Any] = SMALL,
        clips: Sequence[Clip] = (),
        n_each_picture: int = 3,
        labelled: float = 1.0,
        localisation: Mapping[str, Any] = NOTHING_LOCATED,
    ) -> None:
        self.folder = folder
        write_params(folder, models, params)
        write_inputs(folder, models, classes, refused, [clip.clip_id for clip in clips], n_each_picture, labelled)
        write_clips(folder / "clips.csv", clips)
        (folder / "localisation.json").write_text(json.dumps(localisation))
        with contextlib.chdir(folder):
            tables = ("features.safetensors", "test_clips.csv", "one_sided.safetensors", rejects.FILE, "data.json")
            evaluate.main(*map(Path, (*tables, "models", "")), *PATHS)
            report.main(*map(Path, self.words))
        self.metrics: dict[str, Any] = json.loads((folder / "metrics.json").read_text())
        self.page = Page((folder / "report" / "index.html").read_text(encoding="utf-8"))

    def rows(self, table: str, model: str) -> list[dict[str, str]]:
        return self.table(f"{table}/{model}")

    def table(self, name: str) -> list[dict[str, str]]:
        with (self.folder / "plots" / f"{name}.csv").open(newline="") as file:
            return list(csv.DictReader(file))


def write_params(folder: Path, models: Mapping[str, float], changes: Mapping[str, Any]) -> None:
    params = read_yaml((ROOT / "params.yaml").read_text())
    params["models"] = dict.fromkeys(models, "model")
    params["evaluate"] |= changes
    (folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))


def write_inputs(
    folder: Path,
    models: Mapping[str, float],
    classes: Sequence[str],
    refused: Sequence[Reject],
    ids: Sequence[str] = (),
    n_each_picture: int = 3,
    labelled: float = 1.0,
) -> None:
    """Clips in classes of ten, or of two where there are many; one, two or three seeds of models under some noise.

    A share of the clips, the first ones, have a label.
    """
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(len(classes)), 10 if len(classes) < 50 else 2)
    n = len(labels)
    known, classes = np.where(np.arange(n) < labelled * n, labels, -1), list(classes)
    clip_ids = list(ids) or [f"clip {i}" for i in range(n)]
    audio = np.arange(2.0 * n, dtype=np.float32).reshape(n, 2)
    write_clips(folder / "test_clips.csv", [Clip(clip_id=name, path="", label="", split="test") for name in clip_ids])
    FeatureTable(
        clip_ids=clip_ids,
        splits=["test"] * n,
        labels=known,
        classes=classes if labelled else [],
        audio=audio,
        visual=audio // (2 * n_each_picture),  # so many clips in a row have one picture
        provenance={"vggish": {"weights": "random"}, "inception": {"weights": "imagenet1k_v1"}},
    ).save(folder / "features.safetensors")
    NO_CLIPS.save(folder / "one_sided.safetensors")
    rejects.write(folder / rejects.FILE, refused)
    leakage = dict.fromkeys(("test_same_clip_id", "test_same_sha256", "duplicate_groups", "unknown_source"), 0)
    (folder / "data.json").write_text(json.dumps({"leakage": leakage, "similar_labels": 0}))
    centres = rng.normal(size=(len(classes), 8))
    for number, (name, noise) in enumerate(models.items()):
        sounds, pictures = centres[labels] + noise * rng.normal(size=(2, 1 + number % 3, n, 8))
        names = {"clip_ids": clip_ids, "splits": ["test"] * n, "classes": classes if labelled else []}
        EmbeddedClips(audio=sounds, visual=pictures, labels=known, **names).save(folder / f"{name}.npz")
        (folder / "models" / name).mkdir(parents=True)
        provenance.write_provenance(folder / "models" / name, {"device": "cpu"})
        write_history(folder / "models" / name / "history.csv", 1 + number % 3 if number else 0)


def write_history(path: Path, n_seeds: int) -> None:
    """Epochs of a network; of no seeds that of a closed form, which has none."""
    rows = [(seed, epoch, 9 / (epoch + 1), 0.1 * epoch) for seed in range(n_seeds) for epoch in range(5)]
    write_rows(path, ("seed", "epoch", "loss", "validation_map") if rows else ("seed",), rows)
