"""A repository of DVC with the last stages of dvc.yaml, whose command is a stub: numbers of thirteen models."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import yaml

from tests.helpers.project import ROOT
from tests.helpers.yaml_text import read_yaml

STUB = textwrap.dedent("""
    import sys
    from pathlib import Path
    from random import Random

    import yaml

    from pipeline.evaluate.metrics_json import summary
    from pipeline.evaluate.writing import write_csv, write_json

    PARAMS = yaml.safe_load(Path("params.yaml").read_text())
    WAYS = ("audio_to_visual", "visual_to_audio")


    def queries(model):
        of = str(PARAMS["model"]) if model == "dual_subspace" else model  # the others are what they were
        draw = Random(of)
        level = draw.uniform(0.3, 0.7)
        keys = [(f"clip {i}", way) for way in WAYS for i in range(20)]
        return [
            {"clip_id": clip, "direction": way, "average_precision": level + draw.uniform(-0.2, 0.2), "first_rank": 1.5}
            for clip, way in keys
        ]


    def of_model(model):
        rows = queries(model)
        maps = {way: sum(row["average_precision"] for row in rows if row["direction"] == way) / 20 for way in WAYS}
        maps["average"] = sum(maps.values()) / 2
        rest = {"mrr": 0.879182, "recall_at_1": 0.853333, "recall_at_10": 0.953333}
        report = {way: {"map": value, **rest} for way, value in maps.items()}
        report["average"]["map_margin"] = maps["average"] / 20
        return report


    report = {
        "dataset": {"name": "stub", "n_test": 20, "n_queries": 20},
        "models": {model: of_model(model) for model in PARAMS["models"]},
        "chance": {"map": 0.164271},
        "rejected": 0,
    }
    for out in map(Path, sys.argv[1:]):
        out.parent.mkdir(parents=True, exist_ok=True)
        if out.suffix == ".json":
            write_json(out, report if out.name == "metrics.json" else summary(report))
        elif out.suffix:
            out.write_text(str(PARAMS["model"]))
        elif out.name == "plots":
            for model in PARAMS["models"]:
                write_csv(out / "queries" / f"{model}.csv", queries(model))
        else:
            out.mkdir(exist_ok=True)
            (out / "file").write_text(str(PARAMS["model"]))
""")


class StubRun:
    """The repository after one run, committed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        python = Path(sys.executable).parent
        self.env = {**os.environ, "PYTHONPATH": str(ROOT), "PATH": f"{python}{os.pathsep}{os.environ['PATH']}"}
        described = read_yaml((ROOT / "dvc.yaml").read_text())["stages"]
        stages = {name: self._stub(described[name]) for name in ("train", "evaluate", "report")}
        self._write("dvc.yaml", yaml.safe_dump({"stages": stages}, sort_keys=False))
        self._write("params.yaml", (ROOT / "params.yaml").read_text())
        for name in (".dvc/config", ".dvc/.gitignore", ".gitignore"):
            self._write(name, (ROOT / name).read_text())
        self._write("stub.py", STUB)
        for dep in (
            "features.safetensors",
            "one_sided.safetensors",
            "clips.csv",
            "rejected.csv",
            "dataset/report.json",
        ):
            self._write(f"data/{dep}", "")
        self._write("localisation.json", "")
        self.run("git", "init", "-q", "-b", "main")
        for key, value in (("name", "test"), ("email", "test@example.org")):
            self.run("git", "config", f"user.{key}", value)
        self.dvc("repro")
        self.run("git", "add", "-A")
        self.run("git", "commit", "-qm", "first run")

    def dvc(self, *words: str, width: int = 120) -> str:
        """What DVC writes to a terminal so many columns wide."""
        return self.run(sys.executable, "-m", "dvc", *words, COLUMNS=str(width))

    def run(self, *words: str, **env: str) -> str:
        done = subprocess.run(words, cwd=self.folder, env=self.env | env, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def _write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    @staticmethod
    def _stub(stage: dict[str, Any]) -> dict[str, Any]:
        """A stage with its data deps, params and outs as they are; of a foreach the first model alone."""
        one: dict[str, Any] = stage.get("do", stage)
        text = yaml.safe_dump(one).replace("${key}", "dual_subspace").replace("${item}", "model")
        one = read_yaml(text)
        one["deps"] = [dep for dep in one["deps"] if not dep.startswith(("pipeline", "stages"))]
        outs = [next(iter(out)) if isinstance(out, dict) else out for out in one["outs"] + one.get("metrics", [])]
        return {**one, "cmd": f"python stub.py {' '.join(outs)}"}
