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

PARAMS_FILE = ROOT / "separation" / "params.yaml"
SMALL: Mapping[str, Mapping[str, Any]] = {
    "dataset": {"test_fraction": 0.25, "validation_fraction": 0.34},
    "talkers": {"n_people": 8, "clips_per_person": 2, "seconds": 1.5, "picture_size": 64},
    "mixtures": {"n_validation": 4, "n_test": 6, "seconds": 1.5},
    "audio_only": {"steps": 6, "batch_size": 2, "columns": 64, "ngf": 4},
    "visualvoice": {"steps": 6, "batch_size": 2, "columns": 64, "ngf": 4, "lip_width": 8, "face_width": 8},
    "evaluate": {"bootstrap_draws": 50, "taps": 64},
}


def separation_params(changes: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The params.yaml of the second pipeline with changes."""
    params: dict[str, Any] = yaml.safe_load(PARAMS_FILE.read_text(encoding="utf-8"))
    for section, values in changes.items():
        params[section] |= values
    return params


class Separation:
    """A folder in which stages run in this process, with a cache of its own."""

    def __init__(self, folder: Path, cache: Path, changes: Mapping[str, Mapping[str, Any]] = SMALL) -> None:
        (folder / "data").mkdir(parents=True)
        self.folder = folder
        (folder / "params.yaml").write_text(yaml.safe_dump(separation_params(changes)), encoding="utf-8")
        self.env = {"AVR_CACHE_DIR": str(cache), "AVR_WORKERS": "2", "AVR_PROGRESS": "none", "PYTHONPATH": str(ROOT)}

    def run(self, *stages: str) -> None:
        """Run stages with the words that dvc.yaml gives them; without any, all of them in their order."""
        described = resolved_stages("separation")
        with contextlib.chdir(self.folder), mock.patch.dict(os.environ, self.env):
            for stage in stages or described:
                _, script, *words = described[stage]["cmd"].split()
                main = importlib.import_module(f"stages.{script}").main
                kinds = [parameter.annotation for parameter in inspect.signature(main).parameters.values()]
                main(*(kind(word) for kind, word in zip(kinds, words, strict=False)))

    def metrics(self) -> dict[str, Any]:
        read: dict[str, Any] = json.loads((self.folder / "metrics.json").read_text())
        return read
