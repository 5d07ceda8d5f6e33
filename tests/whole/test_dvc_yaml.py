"""DVC follows no imports: a stage whose deps omit a file would go on serving an old result."""

import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.model_parts.base import model_names
from pipeline.model_parts.every_model import WATCHED
from pipeline.network_parts.base import network_lines, network_names
from pipeline.settings.imports import files_behind
from pipeline.settings.params import model_sections
from tests.helpers.dvc_stages import resolved_stages
from tests.helpers.yaml_text import read_yaml

ROOT = Path(__file__).parents[2]
FOUND_BY_NAME = {  # what a script looks up by a name, and so imports without a trace in its source
    "logmel": "pipeline.logmel",
    "frames": "pipeline.frames",
    "network": "pipeline.networks.{key}",
    "separation.sounds": "pipeline.separation.sounds",
    "separation.views": "pipeline.separation.views",
    "separation.train": "pipeline.separation.separators.{separator}",
    "separation.separate": "pipeline.separation.separators.{separator}",
    "separation.evaluate": "pipeline.separation.separators",
}
SECOND = {f"separation.{name}": stage for name, stage in resolved_stages("separation").items()}
MAIN = resolved_stages()
STAGES = {**MAIN, **SECOND}


def needed(name: str) -> set[str]:
    """Project files behind a stage: those of its script, and of what it finds by name."""
    script, _, key = name.partition("@")
    separator = key.partition("-")[2]  # of the run of a task
    by_name = [FOUND_BY_NAME[script].format(key=key, separator=separator)] if script in FOUND_BY_NAME else []
    by_name += (
        [f"pipeline.models.{model}" for model in model_names()] if script in ("train", "evaluate", "localise") else []
    )
    files = files_behind([f"stages.{script}", *by_name])
    templates = {path for file in files if file.name == "__init__.py" for path in file.parent.glob("*.jinja")}
    templates |= {
        path for file in files if '"templates"' in file.read_text() for path in file.parent.glob("templates/*")
    }
    return {path.relative_to(ROOT).as_posix() for path in templates.union(files)}


def code_deps(name: str) -> list[str]:
    """Those of the second pipeline start from the folder of its task."""
    deps = [dep.removeprefix("../../") for dep in STAGES[name].get("deps", [])]
    return [dep for dep in deps if dep.startswith(("pipeline", "stages"))]


def lies_in(file: str, dep: str) -> bool:
    return file == dep or file.startswith(f"{dep}/")


@pytest.mark.parametrize(
    "name", [name for name in STAGES if name.partition("@")[0] not in ("dataset", "separation.clips")]
)
def test_every_project_file_that_a_stage_imports_lies_in_a_dep(name: str) -> None:
    missing = [file for file in needed(name) if not any(lies_in(file, dep) for dep in code_deps(name))]
    assert not missing, f"add to deps of {name}: {sorted(missing)}"


@pytest.mark.parametrize("script", sorted({name.partition("@")[0] for name in STAGES}))
def test_no_stage_waits_for_code_that_it_does_not_import(script: str) -> None:
    members = [name for name in STAGES if name.partition("@")[0] == script]  # a foreach has one list for all
    files = set().union(*map(needed, members))
    idle = [dep for name in members for dep in code_deps(name) if not any(lies_in(file, dep) for file in files)]
    assert idle == []


@pytest.mark.parametrize("name", STAGES)
def test_every_dep_that_is_code_exists(name: str) -> None:
    assert [dep for dep in code_deps(name) if not (ROOT / dep).exists()] == []


def test_training_waits_for_the_params_of_every_model() -> None:
    assert MAIN["train"]["params"] == ["models", *WATCHED]
    sections = model_sections(ROOT / "params.yaml").values()
    assert {section.partition(".")[0] for section in sections} == set(WATCHED)


def test_the_network_of_another_is_no_dep_of_a_network() -> None:
    for name in network_lines(ROOT / "params.yaml"):
        others = [f"pipeline/networks/{other}/network.py" for other in network_names() if other != name]
        idle = [dep for dep in code_deps(f"network@{name}") if any(lies_in(file, dep) for file in others)]
        assert idle == []


def test_the_params_of_another_are_no_params_of_a_network() -> None:
    for name in network_lines(ROOT / "params.yaml"):
        assert STAGES[f"network@{name}"]["params"] == [name, f"networks.{name}", "dataset.source"]


def test_what_editors_and_python_leave_in_a_folder_changes_no_dep() -> None:
    left = ["__pycache__/a.pyc", ".hits.py.swp", "hits.py~", ".ipynb_checkpoints/a.ipynb", ".DS_Store"]
    paths = [f"pipeline/retrieval/{name}" for name in left]
    command = [sys.executable, "-m", "dvc", "check-ignore", *paths, "pipeline/retrieval/hits.py"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == paths


def test_every_folder_of_the_pipeline_has_a_folder_of_tests() -> None:
    folders = {path.parent.relative_to(ROOT / "pipeline") for path in (ROOT / "pipeline").rglob("*.py")}
    tested = {path.parent.relative_to(ROOT / "tests") for path in (ROOT / "tests").rglob("test_*.py")}
    assert sorted(map(str, folders - tested)) == []


def test_every_stage_is_one_script_of_its_name() -> None:
    scripts = {path.stem for path in (ROOT / "stages").glob("*.py")} - {"__init__", "cli", "export"}
    second = {f"separation.{path.stem}" for path in (ROOT / "stages/separation").glob("[!_]*.py")}
    assert {name.partition("@")[0] for name in STAGES} == scripts | second


@pytest.mark.parametrize("name", SECOND)
def test_a_stage_of_the_second_pipeline_runs_the_script_of_its_name_by_the_one_launcher(name: str) -> None:
    assert SECOND[name]["cmd"].split()[:2] == ["../../stages/run", name.partition("@")[0]]


def test_the_main_pipeline_knows_nothing_of_the_second_one() -> None:
    used = [
        path for stage in MAIN.values() for path in [*stage.get("deps", []), *stage["outs"]] if "separation" in path
    ]
    assert used == []


@pytest.mark.parametrize("name", STAGES)
def test_the_command_names_every_data_dep_and_out(name: str) -> None:
    stage = STAGES[name]
    outs = [next(iter(out)) if isinstance(out, dict) else out for out in stage["outs"] + stage.get("metrics", [])]
    inputs = [dep for dep in stage.get("deps", []) if dep.startswith("data/")]
    words = stage["cmd"].split()
    beside = (
        {"data/pca.safetensors", "data/one_sided.safetensors", "data/rejected.csv"} if name == "features" else set()
    )
    beside |= {f"data/dataset/retries/{name.rpartition('@')[2]}"}  # a mark, which no stage reads
    beside |= {f"data/clips/retries/{name.partition('@')[0].rpartition('.')[2]}"}
    missing = [
        path for path in inputs + outs if not any(path.startswith(word) for word in words) and path not in beside
    ]
    assert missing == []


@pytest.mark.parametrize("name", STAGES)
def test_every_stage_says_what_it_does(name: str) -> None:
    assert len(STAGES[name]["desc"]) > 20


def test_every_out_that_dvc_keeps_is_ignored_by_git_by_hand() -> None:
    ignored = (ROOT / ".gitignore").read_text().split()
    outs = {out.split("/")[0] for stage in MAIN.values() for out in stage["outs"] if isinstance(out, str)}
    outs |= {
        f"separation/*/{out.split('/')[0]}"
        for stage in SECOND.values()
        for out in stage["outs"]
        if isinstance(out, str)
    }
    assert {f"/{out}/" for out in outs} <= set(ignored)


@pytest.mark.parametrize("folder", ["", "separation"])
def test_the_lock_knows_the_stages_of_dvc_yaml_and_no_others(folder: str) -> None:
    locked = read_yaml((ROOT / folder / "dvc.lock").read_text())["stages"]
    assert sorted(locked) == sorted(resolved_stages(folder))


def test_the_second_pipeline_trains_what_the_params_of_its_tasks_name() -> None:
    variables = read_yaml((ROOT / "separation/dvc.yaml").read_text())["vars"]
    tasks, runs = variables[0]["tasks"], variables[1]["runs"]
    named = {
        f"{task}-{name}": {"task": task, "separator": name}
        for task in tasks
        for name in read_yaml((ROOT / f"separation/{task}/params.yaml").read_text())["separators"]
    }
    assert runs == named


@pytest.mark.parametrize("way", ["audio_to_visual", "visual_to_audio"])
def test_every_model_has_its_precision_scope_curve_in_the_plots_of_both_directions(way: str) -> None:
    name = f"precision_scope_{way}"
    (described,) = (plot[name] for plot in read_yaml((ROOT / "dvc.yaml").read_text())["plots"] if name in plot)
    models = read_yaml((ROOT / "params.yaml").read_text())["models"]
    assert described["y"] == {f"plots/precision_scope/{model}.csv": way for model in models}
    assert (described["x"], described["x_label"], described["y_label"]) == ("scope", "scope K", "precision")
