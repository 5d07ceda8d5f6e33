import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STAGES = sorted(path.stem for path in (ROOT / "stages").glob("*.py") if path.stem not in ("__init__", "cli", "export"))
STAGES += sorted(f"separation.{path.stem}" for path in (ROOT / "stages/separation").glob("[!_]*.py"))
OTHERS = [
    *(f"benchmarks.{name}" for name in ("backbones", "cache", "memory", "retrieval", "scale", "training")),
    "benchmarks.bench.__main__",
    *(
        f"studies.{name}"
        for name in ("ablation", "probes", "comparison.__main__", "ideas.__main__", "protocols.__main__")
    ),
]
HEAVY = ("torch", "torchvision", "tensorflow", "av", "numpy", "sklearn")
MODULES = [*(f"stages.{stage}" for stage in STAGES), *OTHERS]
FIRST_TO_LOAD = """
import importlib, json, sys

modules, heavy = map(json.loads, sys.argv[1:])
found = {}
for module in modules:
    before = set(sys.modules) if found else set()
    importlib.import_module(module)
    found[module] = [name for name in heavy if name in sys.modules and name not in before]
print(json.dumps(found))
"""


def run(*words: str, cwd: Path = ROOT) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, *words], capture_output=True, text=True, cwd=cwd)


@pytest.mark.parametrize("stage", STAGES)
def test_help_says_what_the_stage_does_and_which_paths_it_takes(stage: str) -> None:
    done = run("-m", f"stages.{stage}", "--help")
    assert done.returncode == 0
    assert f"Stage ``{stage}``" in done.stdout


@pytest.fixture(scope="module")
def heavy() -> dict[str, list[str]]:
    """The heavy libraries that each module is the first to load, in one process."""
    done = run("-c", FIRST_TO_LOAD, json.dumps(MODULES), json.dumps(HEAVY))
    assert done.returncode == 0, done.stderr
    found: dict[str, list[str]] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("module", MODULES)
def test_help_loads_no_heavy_library(module: str, heavy: dict[str, list[str]]) -> None:
    assert heavy[module] == []


def test_a_known_error_is_one_line_and_exit_code_1(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("dataset: {source: demo}")
    done = subprocess.run(
        [sys.executable, "-m", "stages.dataset", "clips.csv", "imported", "out"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 1
    assert done.stderr.startswith("dataset: ParamsError: params.yaml: dataset.max_rejected_fraction: missing")
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == [tmp_path / "params.yaml"]


def test_ctrl_c_ends_a_stage_with_one_line(tmp_path: Path) -> None:
    lines = [
        "import os, signal, time",
        "from pathlib import Path",
        "from stages.cli import run",
        "def main(out: Path) -> None:",
        "    os.kill(os.getpid(), signal.SIGINT)",
        "    time.sleep(60)",
        "signal.signal(signal.SIGINT, signal.default_int_handler)  # what starts the tests may ignore it",
        "run(main)",
    ]
    (tmp_path / "nap.py").write_text("\n".join(lines))
    done = subprocess.run(
        [sys.executable, "nap.py", "out"], capture_output=True, text=True, cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}
    )
    assert done.returncode == 130
    assert done.stderr == "nap: stopped by Ctrl-C; run the same command again: finished stages and clips are kept\n"


def test_a_missing_path_shows_the_usage() -> None:
    done = run("-m", "stages.logmel", "data/clips.csv")
    assert done.returncode == 2
    assert "python -m stages.logmel [-h] [--shard I/N] CLIPS_CSV OUT" in done.stderr


def test_an_input_that_is_missing_is_one_line(tmp_path: Path) -> None:
    words = ["metrics.json", "plots", "rejected.csv", "clips.csv", "models", "localisation.json", "report"]
    done = subprocess.run(
        [sys.executable, "-m", "stages.report", *words],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 1
    expected = "expected what the stages before it write"
    assert done.stderr == f"report: metrics.json: No such file or directory; {expected}\n"


def test_a_stage_that_runs_in_a_folder_below_takes_the_code_beside_its_launcher(tmp_path: Path) -> None:
    (tmp_path / "stages").mkdir()
    shutil.copy(ROOT / "stages/run", tmp_path / "stages/run")
    (tmp_path / "stages/__init__.py").touch()
    (tmp_path / "stages/where.py").write_text("print(__file__)")
    (tmp_path / "second").mkdir()
    env = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"}
    command = ["../stages/run", "where"]
    done = subprocess.run(command, cwd=tmp_path / "second", env=env, capture_output=True, text=True, check=True)
    assert Path(done.stdout.strip()) == tmp_path / "stages/where.py"
