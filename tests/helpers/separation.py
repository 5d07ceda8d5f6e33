"""The second pipeline as its tests run it: its stages in their order, in a folder of their own, without DVC."""

import contextlib
import importlib
import inspect
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from unittest import mock

import yaml

from tests.helpers.dvc_stages import ROOT, resolved_stages
from tests.helpers.yaml_text import read_yaml

TASKS = sorted(file.parent.name for file in (ROOT / "separation").glob("*/params.yaml"))
SMALL_SPECTRUM = {"seeds": [0], "fft": 256, "window": 200, "hop": 80, "columns": 64}
SMALL: Mapping[str, Mapping[str, Any]] = {
    "dataset": {"test_fraction": 0.25, "validation_fraction": 0.34},
    "talkers": {"n_people": 8, "clips_per_person": 2, "seconds": 1.5, "picture_size": 64},
    "players": {"players_per_class": 8, "seconds": 4.2, "picture_size": 32},
    "mixtures": {"n_validation": 4, "n_test": 6, "seconds": 1.5},
    "audio_only": {"steps": 6, "batch_size": 2, "ngf": 4, **SMALL_SPECTRUM},
    "visualvoice": {"steps": 6, "batch_size": 2, "ngf": 4, "lip_width": 8, "face_width": 8, **SMALL_SPECTRUM},
    "amnet": {"steps": 3, "appearance_steps": 3, "ame_steps": 3, "batch_size": 2, "rows": 32, "columns": 32, "ngf": 2}
    | {"ame_shift_seconds": [0.25, 0.5]},
    "evaluate": {"bootstrap_draws": 50, "taps": 64},
}


def committed_params(task: str) -> dict[str, Any]:
    """The params.yaml of a task of the second pipeline."""
    text = (ROOT / "separation" / task / "params.yaml").read_text(encoding="utf-8")
    params: dict[str, Any] = read_yaml(text)
    return params


def committed_section(separator: str) -> dict[str, Any]:
    """The section of a separator, in the last task that trains it."""
    params = next(params for params in map(committed_params, reversed(TASKS)) if separator in params["separators"])
    section: dict[str, Any] = params[params["separators"][separator]]
    return section


def separation_params(changes: Mapping[str, Mapping[str, Any]], task: str = "speech") -> dict[str, Any]:
    """The params.yaml of a task of the second pipeline with changes."""
    params = committed_params(task)
    for section in changes.keys() & params.keys():
        params[section] |= changes[section]
    return params


class Separation:
    """A folder in which the stages of a task run in this process, with a cache of its own."""

    def __init__(
        self, folder: Path, cache: Path, changes: Mapping[str, Mapping[str, Any]] = SMALL, task: str = "speech"
    ) -> None:
        (folder / "data").mkdir(parents=True)
        self.folder, self.task = folder, task
        (folder / "params.yaml").write_text(yaml.safe_dump(separation_params(changes, task)), encoding="utf-8")
        self.env = {"AVR_CACHE_DIR": str(cache), "AVR_WORKERS": "2", "AVR_PROGRESS": "none", "PYTHONPATH": str(ROOT)}

    def run(self, *stages: str) -> None:
        """Run stages with the words that dvc.yaml gives them; without any, all of them in their order."""
        described = {name: stage for name, stage in resolved_stages("separation").items() if stage["wdir"] == self.task}
        with contextlib.chdir(self.folder), mock.patch.dict(os.environ, self.env):
            for stage in [name for name in described if not stages or {name, name.partition("@")[0]} & set(stages)]:
                _, script, *words = described[stage]["cmd"].split()
                main = importlib.import_module(f"stages.{script}").main
                kinds = [parameter.annotation for parameter in inspect.signature(main).parameters.values()]
                main(*(kind(word) for kind, word in zip(kinds, words, strict=False)))

    def metrics(self) -> dict[str, Any]:
        read: dict[str, Any] = json.loads((self.folder / "metrics.json").read_text())
        return read
