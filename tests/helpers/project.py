"""The project as its tests run it: a clone under DVC, and a folder in which single stages run without DVC."""

import contextlib
import hashlib
import importlib
import inspect
import io
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import yaml

from pipeline.video import write_mp4
from tests.helpers.dvc_stages import stage_of
from tests.helpers.yaml_text import read_yaml

ROOT = Path(__file__).parents[2]
MODELS = {"dual_subspace": "model", "cca": "baselines.cca"}
WRITTEN = ("dvc.lock", "metrics.json", "summary.json", "localisation.json", "separation/dvc.lock")  # by runs
CLIP_STAGES = ("logmel", "frames", "vggish", "inception")
Changes = Mapping[str, Mapping[str, Any]]
SMALL: Changes = {
    "demo": {"n_classes": 3, "clips_per_class": 7, "min_seconds": 2.0, "max_seconds": 2.2, "picture_size": 64},
    "model": {"epochs": 3, "seeds": [0, 1]},
}


def write_params(folder: Path, changes: Changes) -> None:
    """Write the project's params.yaml with some values changed."""
    params = read_yaml((ROOT / "params.yaml").read_text())
    for section, values in changes.items():
        params[section] |= values
    params["models"] = MODELS
    (folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))


class Project:
    """A clone of the project with a small demo, and a cache folder of its own."""

    def __init__(self, folder: Path, cache: Path) -> None:
        self.folder = folder
        python = Path(sys.executable).parent
        self.env = {**os.environ, "AVR_CACHE_DIR": str(cache), "PATH": f"{python}{os.pathsep}{os.environ['PATH']}"}
        command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
        for name in filter(None, listed.split("\0")):
            if (ROOT / name).exists() and name not in WRITTEN:
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, folder / name)
        write_params(folder, SMALL)
        for words in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "start"]):
            self.git(*words)

    def git(self, *words: str) -> None:
        who = ["-c", "user.name=test", "-c", "user.email=test@example.org"]
        subprocess.run(["git", *who, *words], cwd=self.folder, check=True)

    def start(self, *words: str) -> "subprocess.Popen[str]":
        command = [sys.executable, "-m", "dvc", *words]
        return subprocess.Popen(
            command,
            cwd=self.folder,
            env=self.env,
            text=True,
            start_new_session=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def dvc(self, *words: str, fails: bool = False) -> str:
        process = self.start(*words)
        output = process.communicate(timeout=500)[0]
        assert (process.returncode != 0) == fails, output
        return output

    def metrics(self) -> dict[str, Any]:
        read: dict[str, Any] = json.loads((self.folder / "metrics.json").read_text())
        return read

    def lock(self) -> dict[str, Any]:
        read: dict[str, Any] = read_yaml((self.folder / "dvc.lock").read_text())["stages"]
        return read

    def outs(self) -> dict[str, str]:
        """Hash of every out."""
        return {out["path"]: out["md5"] for stage in self.lock().values() for out in stage["outs"]}


class Workspace:
    """A folder in which the clip stages run without DVC, on videos of its own and with a cache of its own."""

    def __init__(self, folder: Path, videos: Path, cache: Path, changes: Changes) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.cache = folder, cache
        write_params(folder, {**changes, "dataset": {"source": "folder", "path": str(videos)}})
        self.env = {"AVR_CACHE_DIR": str(cache), "AVR_WORKERS": "2", "PYTHONPATH": str(ROOT)}

    def command(self, stage: str) -> list[str]:
        """Script and words that dvc.yaml gives to a stage; its outs are gone, as DVC removes them before a run."""
        described = stage_of(stage)
        for out in filter(lambda out: isinstance(out, str), described["outs"]):  # others are kept
            shutil.rmtree(self.folder / out, ignore_errors=True)
        return list(described["cmd"].split()[1:])

    def run(self, *stages: str) -> dict[str, int]:
        """Run stages in this process; how many clips each of them computed, as it says itself."""
        said = io.StringIO()
        with contextlib.chdir(self.folder), mock.patch.dict(os.environ, self.env), contextlib.redirect_stdout(said):
            for stage in stages:
                script, *words = self.command(stage)
                main = importlib.import_module(f"stages.{script}").main
                kinds = [parameter.annotation for parameter in inspect.signature(main).parameters.values()]
                main(*(kind(word) for kind, word in zip(kinds, words, strict=False)))
        return computed(said.getvalue())

    def start(self, stage: str) -> "subprocess.Popen[str]":
        """Run a stage in a process group of its own."""
        script, *words = self.command(stage)
        return subprocess.Popen(
            [sys.executable, "-m", f"stages.{script}", *words],
            cwd=self.folder,
            env={**os.environ, **self.env},
            text=True,
            start_new_session=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def entries(self, stage: str) -> list[Path]:
        """What the cache holds of a stage."""
        return sorted(self.cache.glob(f"clips/{stage}/*/*.safetensors"))

    def outs(self, stages: Sequence[str] = CLIP_STAGES) -> dict[str, str]:
        """Hash of every file that the stages wrote."""
        files = [path for stage in stages for path in sorted((self.folder / "data" / stage).iterdir())]
        return {
            path.relative_to(self.folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files
        }


RANDOM_WEIGHTS = {name: {"allow_random": True} for name in ("vggish", "inception")}
"""Params that a user's folder needs who has no weights."""


def write_videos(folder: Path, n_classes: int = 3, clips_per_class: int = 3) -> Path:
    """Make a user's folder of videos of 2 s, each unlike the others."""
    for number in range(n_classes * clips_per_class):
        write_video(folder / f"class {number % n_classes}" / f"{number}.mp4", number)
    return folder


def write_video(path: Path, seed: int) -> None:
    """Make one video of 2 s of noise."""
    rng = np.random.default_rng(seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    pictures = rng.integers(0, 256, (16, 32, 32, 3), dtype=np.uint8)
    write_mp4(path, pictures, 8, rng.uniform(-0.5, 0.5, 2 * 16000).astype(np.float32), 16000)


def computed(output: str) -> dict[str, int]:
    """How many clips each stage computed, as its output says."""
    return {stage: int(n) for stage, n in re.findall(r"^(\w+): computed (\d+) of \d+ clips$", output, re.MULTILINE)}


def ran(output: str) -> set[str]:
    """Stages that DVC ran, as its output says."""
    return set(re.findall(r"Running stage '([^']+)'", output))
